// Package workloads is what clients do, and what they may see: generators of operations, and the sequential model that
// says which answers a correct system could have given.
//
// Everything here is a pure function of a seed and of the answers observed, so that the same workload runs against
// real nodes and in a simulation. The one exception lives in a package of its own: workloads/paxosclient speaks to our
// node over HTTP.
//
// # Why the defaults are what they are
//
// A checker can only find what a workload lets happen. A lost write that is overwritten at once is invisible; so is a
// stale read if nobody reads at the deposed leader while somebody else writes. Hence: many keys with few writers each,
// three reads to one update, unique values, some keys whose updates are all compare-and-set on the value last seen (a
// lost update breaks the chain and is always visible), a read of one's own write now and then, and on every node one
// client that only reads, because a client that mixes blocks on its first write at a leader that has lost its majority
// and then sees nothing any more. Operations per key are bounded, and so are those whose outcome is unknown, because
// the cost of checking grows with both; bounds differ from key to key so that keys do not change in step with faults.
package workloads
