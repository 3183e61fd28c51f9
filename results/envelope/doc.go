// Package envelope compares observations of leases under clock skew with what the arithmetic of leases predicts.
//
// A lease is safe as long as clocks keep within a bound: by rate, that no clock runs faster than another by more
// than a bound ε (002 §4.3.4); by wall clocks, that no two are further apart than a bound. A sweep probes the
// leases of clusters configured with different bounds, with the leader's clock off by more and more. Each probe is
// one scripted attack: the leader's clock is made late, the leader is cut off from its peers, and clients keep
// reading from it while others write elsewhere. Whether it answers with overwritten values is decided by the
// linearizability checker, which knows nothing of leases.
// # The arithmetic
//
// By rate, a leader that requested its lease at s holds it until its clock has advanced by the term T. If its clock
// is slower than a granter's by the factor 1+d, that is T(1+d) later by the granter's clock. The granter honours
// its grant, made no earlier than s, for T(1+ε). So nobody else can be elected before the leader stops answering if
// d ≤ ε; and if d > ε the leader may answer for up to T(d-ε) longer.
//
// By wall clocks, a leader whose clock is behind the granters' by d believes its lease valid for d longer than they
// do, while they honour it for the bound beyond its end: the leader may answer for up to d minus the bound longer.
//
// Within that window the others have to elect a leader, and that leader has to get a write acknowledged, before a
// violation can be observed. So a probe outside of the envelope may fail to detect it. That is reported as "not
// observed", and never as safe.
package envelope
