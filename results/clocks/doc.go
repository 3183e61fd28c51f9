// Package clocks says what measurements tell of the clocks of hosts: by how much and how fast they differ from the
// harness's, with bounds, and when on the run's axis of time something happened that a node dated by its own clocks.
//
// # The estimator
//
// The harness notes its clock when it sends a question and when the answer arrives; the host reads its clocks in
// between. The reading is taken to belong to the middle, and is wrong by half of the round trip at most, whatever the
// two ways are like: it is the estimator of Cristian ("Probabilistic Clock Synchronization", Distributed Computing 3,
// 1989, §3) and of NTP (RFC 5905 §8). Of NTP's four timestamps the two in the middle are one here, because the host
// answers at once. No assumption on the network enters.
//
// A rate is the slope between two samples, and is wrong by the sum of their errors over the time between them. Samples
// with short round trips are chosen as ends, as in NTP's filter (RFC 5905 §10) and in Paxson's ("On Calibrating
// Measurements of Packet Transit Times", SIGMETRICS 1998).
//
// What all this cannot see: that the harness's own clock runs badly. It is the measure of everything here.
package clocks
