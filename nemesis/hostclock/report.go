package hostclock

import "time"

// Report is what was done to the clocks of a host, with observations from before and after. [Report.Moved] and
// [Report.Restored] judge whether the clocks moved as they should.
type Report struct {
	Way    Way  `json:"way"`
	Before Span `json:"before"`
	After  Span `json:"after"`

	// Left lists the moves that are still in effect afterwards, in order of application.
	Left []Move `json:"left,omitempty"`

	// Off is how far the wall clock is afterwards from where it would be if nobody had moved it.
	Off time.Duration `json:"off_ns"`

	// Attached says whether the process asked about uses the clocks that were moved. It is nil if none was asked
	// about. A kernel's clocks are those of all its processes.
	Attached *bool `json:"attached,omitempty"`

	// Skipped is the reason why nothing was done, if so.
	Skipped string `json:"skipped,omitempty"`

	// Fight describes how the clocks differed from where they had been left, if they did.
	Fight string `json:"fight,omitempty"`

	// Done lists further things that were done, or found done already, for humans.
	Done []string `json:"done,omitempty"`
}
