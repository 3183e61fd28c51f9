// Package clocks evaluates measurements of the hosts' clocks: by how much and how fast they differ from the
// harness's clock, with error bounds, and when on the run's time axis something happened that a node recorded by
// its own clocks.
//
// # The estimator
//
// The harness reads its clock when it sends a request and when the response arrives; the host reads its clocks in
// between. The reading is attributed to the midpoint, with an error of at most half of the round trip, however
// asymmetric the two ways are: this is the estimator of Cristian ("Probabilistic Clock Synchronization",
// Distributed Computing 3, 1989, §3) and of NTP (RFC 5905 §8). NTP's two middle timestamps are one here, because
// the host answers at once. No assumption about the network is needed.
//
// A rate is the slope between two samples; its error is the sum of their errors over the time between them. Samples
// with short round trips are chosen as end points, as in NTP's filter (RFC 5905 §10) and in Paxson's ("On
// Calibrating Measurements of Packet Transit Times", SIGMETRICS 1998).
//
// # Places
//
// A node writes readings of its own clocks. Its monotonic readings count from an origin that it says, and its host's
// clock was measured, so a place follows by interpolation between two samples. Its slack covers the errors of the
// samples and whatever a clock may have done between them that these hide: rules that compare nodes rely on it.
//
// None of this can detect errors of the harness's own clock, which is the reference for everything here.
package clocks
