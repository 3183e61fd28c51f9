package hostclock

import "time"

// Report is what was done to the clocks of a host, and seen of them before and after. Who gets it judges whether they
// moved as they should: [Report.Moved] and [Report.Restored].
type Report struct {
	Way    Way  `json:"way"`
	Before Span `json:"before"`
	After  Span `json:"after"`

	// Left are the moves that are still in effect afterwards, in the order of their application.
	Left []Move `json:"left,omitempty"`

	// Off is how far the wall clock is, afterwards, from where it would be if nobody had moved it.
	Off time.Duration `json:"off_ns"`

	// Attached says of the process that was asked about whether its clocks are those that were moved. It is nil if
	// none was asked about. The clocks of a kernel are those of all its processes.
	Attached *bool `json:"attached,omitempty"`

	// Skipped says why nothing was done, if it could not be.
	Skipped string `json:"skipped,omitempty"`

	// Fight says how the clocks were found elsewhere than they had been left, if they were.
	Fight string `json:"fight,omitempty"`

	// Done are further things that were done, or found done already, for people.
	Done []string `json:"done,omitempty"`
}
