// Package bench compares the cost of lease reads with that of quorum reads and of reads that go through the log.
//
// Conditions are equal: three clusters on the same hosts, which differ only in how they read, and never two of them
// under load at once. Each round loads each of them once, in a new random order, so that other activity of the
// machine affects all of them alike; ratios are taken within a round. Clients are closed loops: each asks the
// leader again as soon as it has an answer, so that throughput and latencies determine each other.
package bench
