package envelope

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/results/verdict"
)

// Files derived from the evidence of a sweep.
const (
	File        = "envelope.json"
	PictureFile = "envelope.svg"
	SummaryFile = "summary.txt"
)

// Schema is the version of envelope.json. It is incremented whenever a field changes its meaning or is removed.
const Schema = 1

// Sweep is the result of a sweep.
type Sweep struct {
	Schema int    `json:"schema"`
	Run    string `json:"run"`
	Lab    string `json:"lab"`
	How    string `json:"how,omitempty"` // how clocks were moved, in the words of the backend
	Plan   Plan   `json:"plan"`

	Cells  []Cell  `json:"cells"` // by bound, then by rising drift
	Trials []Trial `json:"trials"`

	Agreement Agreement `json:"agreement"`
}

// Cell is a pair of a bound and a drift of the leader's clock.
type Cell struct {
	Bound  int64         `json:"bound"`
	Drift  int64         `json:"drift"`
	Inside bool          `json:"inside"`    // the arithmetic predicts that leases hold
	Window time.Duration `json:"window_ns"` // see Plan.Window

	Stale int `json:"stale"` // probes in which leases did not hold
	Held  int `json:"held"`  // probes without a violation
	Void  int `json:"void"`  // probes from which nothing follows

	// Closest is the smallest margin of all probes that have one: see Trial.
	Closest *time.Duration `json:"closest_ns,omitempty"`
}

// Probes returns the number of probes that are not void.
func (c Cell) Probes() int { return c.Stale + c.Held }

// Finding compares observation and prediction in a cell.
type Finding string

// The findings.
const (
	NotProbed   Finding = "not probed"
	HeldThere   Finding = "held"         // inside, no violation
	BrokeInside Finding = "broke inside" // leases failed where they must hold: a bug
	Broke       Finding = "broke"        // outside, as predicted
	NotObserved Finding = "not observed" // outside, no violation: the probes may have missed it
)

// Finding returns how observation and prediction compare in the cell.
func (c Cell) Finding() Finding {
	switch {
	case c.Probes() == 0:
		return NotProbed
	case c.Inside && c.Stale > 0:
		return BrokeInside
	case c.Inside:
		return HeldThere
	case c.Stale > 0:
		return Broke
	}
	return NotObserved
}

// Decisive is the window from which a probe should not miss a violation: campaigns are spread over 150 ms, and the
// rest allows for a poll, an election, a first lease and a write on a busy machine.
const Decisive = 400 * time.Millisecond

// Agreement counts cells by finding, and explains the result in words.
type Agreement struct {
	Cells  map[Finding]int `json:"cells"`
	Probes int             `json:"probes"` // that are not void
	Wanted int             `json:"wanted"` // by the plan: void attacks are repeated
	Void   int             `json:"void"`

	// Missed lists the cells in which nothing was observed although their windows are decisive.
	Missed int `json:"missed"`

	Agree bool     `json:"agree"` // in all that was to be attacked
	Text  []string `json:"text"`  // sentences
}

// Judge combines trials into the result of a sweep.
func Judge(run, lab, how string, p Plan, trials []Trial) Sweep {
	s := Sweep{Schema: Schema, Run: run, Lab: lab, How: how, Plan: p, Trials: trials}
	for _, b := range p.Bounds {
		for _, d := range p.Drifts {
			c := Cell{Bound: b, Drift: d, Inside: p.Inside(b, d), Window: p.Window(b, d)}
			for _, t := range trials {
				if t.Bound == b && t.Drift == d {
					c.add(t)
				}
			}
			s.Cells = append(s.Cells, c)
		}
	}
	s.Agreement = s.agree()
	return s
}

func (c *Cell) add(t Trial) {
	switch t.Outcome {
	case Stale:
		c.Stale++
	case Held:
		c.Held++
	default:
		c.Void++
	}
	if t.LastOld > 0 && t.FirstNew > 0 && t.Outcome != Void && (c.Closest == nil || t.Margin < *c.Closest) {
		margin := t.Margin
		c.Closest = &margin
	}
}

// At returns the cell of a bound and a drift of the plan.
func (s Sweep) At(bound, drift int64) Cell {
	i := slices.IndexFunc(s.Cells, func(c Cell) bool { return c.Bound == bound && c.Drift == drift })
	return s.Cells[i]
}

func (s Sweep) agree() Agreement {
	a := Agreement{Cells: make(map[Finding]int)}
	inside, outside := 0, 0 // probes
	broke, tried := 0, 0    // of the outside ones, in cells that broke
	for _, c := range s.Cells {
		f := c.Finding()
		a.Cells[f]++
		a.Probes += c.Probes()
		a.Void += c.Void
		if c.Inside {
			inside += c.Probes()
		} else {
			outside += c.Probes()
		}
		if f == Broke {
			broke, tried = broke+c.Stale, tried+c.Probes()
		}
		if f == NotObserved && c.Window >= Decisive {
			a.Missed++
		}
	}
	a.Wanted = len(s.Cells) * s.Plan.Probes
	a.Agree = a.agrees(inside, broke) && !a.partial()
	a.Text = s.sentences(a, inside, outside, broke, tried)
	return a
}

// agrees reports whether what was attacked came out as the arithmetic says, and could have come out otherwise.
func (a Agreement) agrees(inside, broke int) bool {
	return a.Cells[BrokeInside] == 0 && a.Missed == 0 && inside > 0 && broke > 0
}

// partial reports whether the sweep was ended before it had attacked all that it was to attack.
func (a Agreement) partial() bool { return a.Probes+a.Void < a.Wanted || a.Cells[NotProbed] > 0 }

func (s Sweep) sentences(a Agreement, inside, outside, broke, tried int) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch {
	case a.Cells[BrokeInside] > 0:
		say("Observation contradicts the arithmetic: leases broke in %s inside the envelope, where they must hold.",
			verdict.Count(a.Cells[BrokeInside], "cell"))
	case a.Agree:
		say("Observation and arithmetic agree.")
	case a.agrees(inside, broke):
		say("Only part was attacked, in %d of %d attacks: there, observation and arithmetic agree.", a.Probes, a.Wanted)
	case a.Missed > 0:
		say("Observation does not confirm the arithmetic: in %s far outside the envelope nothing was seen to break.",
			verdict.Count(a.Missed, "cell"))
	default:
		say("Too little was probed to compare observation and arithmetic.")
	}
	say("Inside, in %s, %s: %s.", verdict.Count(a.Cells[HeldThere]+a.Cells[BrokeInside], "cell"),
		verdict.Count(inside, "probe"), count(s.staleInside(), "stale answer", "no stale answer"))
	say("Outside, %s broke, in %d of %s.", verdict.Count(a.Cells[Broke], "cell"), broke, verdict.Count(tried, "probe"))
	if n := a.Cells[NotObserved]; n > 0 {
		say("Outside, in %s nothing was observed, in %s: %s. That does not make them safe: the window %s.",
			verdict.Count(n, "cell"), verdict.Count(outside-tried, "probe"), strings.Join(s.unobserved(), "; "), windowText(n))
	}
	if n := a.Cells[NotProbed]; n > 0 {
		say("%s not probed.", verdict.Count(n, "cell"))
	}
	if a.Void > 0 {
		say("%s did not come off and counted for nothing.", verdict.Count(a.Void, "attack"))
	}
	return out
}

func windowText(cells int) string {
	if cells == 1 {
		return "may be too short for an election and a write to fit in"
	}
	return "of each may be too short for an election and a write to fit in"
}

func (s Sweep) staleInside() int {
	n := 0
	for _, c := range s.Cells {
		if c.Inside {
			n += c.Stale
		}
	}
	return n
}

// unobserved lists the cells outside of the envelope without an observed violation, with their windows.
func (s Sweep) unobserved() []string {
	var out []string
	for _, c := range s.Cells {
		if c.Finding() == NotObserved {
			out = append(out, fmt.Sprintf("%s at a bound of %s (window %v)", s.Plan.DriftLabel(c.Drift),
				s.Plan.BoundLabel(c.Bound), c.Window.Round(time.Millisecond)))
		}
	}
	return out
}

func count(n int, noun, none string) string {
	if n == 0 {
		return none
	}
	return verdict.Count(n, noun)
}
