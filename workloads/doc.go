// Package workloads defines what clients do and what they may observe: generators of operations, and the sequential
// model that determines which answers of a system are correct.
//
// Everything here is a pure function of a seed and of the answers observed, so that the same workload runs against
// real nodes and in a simulation. The one exception has its own package: workloads/paxosclient talks to our node
// over HTTP.
//
// # Rationale of the defaults
//
// A checker can only find what a workload makes observable. A lost write that is overwritten at once is invisible;
// so is a stale read if nobody reads at the deposed leader while somebody else writes. Hence: many keys with few
// writers each, three reads to one update, unique values, some keys whose updates are all compare-and-set on the
// value last seen (a lost update breaks the chain and is always visible), occasional reads of one's own write, and
// on every node one client that only reads, because a client that mixes reads and writes blocks on its first write
// at a leader that has lost its majority, and then observes nothing any more. Operations per key are bounded, and
// so are those of unknown outcome, because the cost of checking grows with both; bounds differ from key to key so
// that keys do not change in step with faults.
package workloads
