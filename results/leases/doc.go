// Package leases says, from what nodes wrote of themselves, who led and who believed to hold or honoured a lease when,
// on the axis of the run: what reports draw and what explanations of violations go by.
//
// A lease ends at the last deadline that its node wrote down, on the clock that the lease is on, or when the node gave
// it up or was killed. A node that is paused holds on to its lease, and finds out when it wakes.
package leases
