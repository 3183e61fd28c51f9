// Package envelope compares what was seen of leases under clocks that are off with what the arithmetic of leases says.
//
// A lease is safe as long as clocks keep a promise: by rate, that no clock runs faster than another by more than a
// bound ε (002 §4.3.4); by wall clocks, that no two are further apart than a bound. A sweep probes the leases of
// clusters that are configured to some bounds, with the leader's clock off by more and more, and each probe is one
// scripted attack: the leader's clock is made late, the leader is cut off from its peers, clients go on to read from it
// while others write elsewhere. Whether it then answers with what has been overwritten is for the linearizability
// checker to say, which knows nothing of leases.
//
// # The arithmetic
//
// By rate, a leader that asked for its lease at s holds it until its clock has advanced by the term T. If its clock is
// slower than a granter's by the factor 1+d, that is T(1+d) later by the granter's clock. The granter honours what it
// granted, not before s, for T(1+ε). So nobody else can be elected before the leader stops to answer if d ≤ ε; and if
// d > ε the leader may answer for up to T(d-ε) longer.
//
// By wall clocks, a leader whose clock is behind the granters' by d believes its lease valid for d longer than they do,
// and they honour it for the bound longer than it says: the leader may answer for up to d minus the bound longer.
//
// Within that window the others have to elect one of themselves, who has to get a write acknowledged, before it can be
// seen that anything is wrong. So a probe outside of the envelope can fail to see it. That is told as "not observed",
// and never as safe.
package envelope
