package checkers

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"elenchus/results/verdict"
)

// Schema is the version of the report. It rises whenever a field changes its meaning or goes away.
const Schema = 1

// Report is what a comparison came to.
type Report struct {
	Schema int           `json:"schema"`
	From   uint64        `json:"from"`
	To     uint64        `json:"to"`
	Budget time.Duration `json:"budget_ns"` // for the searches of one history
	Sets   []Set         `json:"sets"`
}

// Set is the histories of one workload and one system.
type Set struct {
	Workload      string    `json:"workload"`
	System        string    `json:"system"`
	Runs          int       `json:"runs"`
	Operations    int       `json:"operations"`
	OperationsMax int       `json:"operations_max"` // in one run
	Unknown       int       `json:"unknown"`        // operations without a known outcome
	Deciders      []Decider `json:"deciders"`
}

// Decider is what one way to decide came to.
type Decider struct {
	Name string `json:"name"`

	// Histories by what was decided. One with an undecided key is violated nevertheless if another key is.
	Valid     int `json:"valid"`
	Violated  int `json:"violated"`
	Undecided int `json:"undecided"`

	// Keys by what has decided them: their order, a search of what unique values leave of them, a search of all that
	// there was, or nothing within the budget.
	Keys          int `json:"keys"`
	KeysByOrder   int `json:"keys_by_order"`
	KeysTightened int `json:"keys_tightened"`
	KeysSearched  int `json:"keys_searched"`
	KeysUndecided int `json:"keys_undecided"`

	// Processor time: of all histories together, and of a single one.
	CPU    time.Duration `json:"cpu_ns"`
	Median time.Duration `json:"cpu_p50_ns"`
	P99    time.Duration `json:"cpu_p99_ns"`
	Max    time.Duration `json:"cpu_max_ns"`

	times []time.Duration
}

func newSet(workload, system string) *Set {
	s := &Set{Workload: workload, System: system, Deciders: make([]Decider, len(deciders))}
	for i, d := range deciders {
		s.Deciders[i].Name = d.name
	}
	return s
}

// Undecided is how many histories the first decider, the one that verdicts come from, could not decide.
func (r Report) Undecided() int {
	n := 0
	for _, s := range r.Sets {
		n += s.Deciders[0].Undecided
	}
	return n
}

// Table writes the report for a terminal.
func (r Report) Table(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "seeds %d to %d; a history may be searched for %v\n", r.From, r.To, r.Budget)
	for _, s := range r.Sets {
		fmt.Fprintf(&b, "\n%s, %s: %s, %s (%.1f %% of unknown outcome), %d in the longest run\n\n", s.Workload, s.System,
			verdict.Count(s.Runs, "run"), verdict.Count(s.Operations, "operation"),
			100*float64(s.Unknown)/float64(max(1, s.Operations)), s.OperationsMax)
		tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(tw, "\tvalid\tviolated\tunknown\tkeys by order\ttightened\tsearched\tunknown\tCPU p50\tp99\tmax\t"+
			"all\t")
		for _, d := range s.Deciders {
			fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t\n", d.Name, d.Valid, d.Violated, d.Undecided,
				d.KeysByOrder, d.KeysTightened, d.KeysSearched, d.KeysUndecided,
				short(d.Median), short(d.P99), short(d.Max), short(d.CPU))
		}
		_ = tw.Flush() // a strings.Builder takes everything
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
