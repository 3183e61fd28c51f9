package workloads

import "elenchus/results/history"

// Defaults of Options for the append workload. Every response carries the whole list, so the bytes transferred for a
// key grow with the square of its operations; and an append reads, too.
const (
	appendKeyOps      = 90
	appendReadPercent = 40
)

// newAppend returns the append workload: appends of unique elements to lists, and reads.
func newAppend(opts Options) (Generator, error) {
	return newPlain("append", history.Append, opts, appendReadPercent, appendKeyOps)
}
