// Package leases derives from the nodes' observations who led and who believed to hold, or honoured, a lease, and
// when, on the run's time axis. Reports draw it, and explanations of violations use it.
//
// A lease ends at the last deadline that its node recorded, on the clock that the lease is on, or when the node
// gave it up or was killed. A paused node keeps its lease, and finds out when it resumes.
package leases
