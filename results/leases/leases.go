package leases

import (
	"cmp"
	"slices"
	"time"

	"elenchus/results/clocks"
	"elenchus/results/history"
)

// Span is an interval in which a node led, or held or honoured a lease.
type Span struct {
	From, To time.Duration // since the run began
	Ballot   string
	End      string // why it ended, for humans
}

func (s Span) empty() bool { return s.To <= s.From }

// Story holds a node's leaderships and leases according to its observations.
type Story struct {
	Node    string
	Leads   []Span
	Holds   []Span // believed to hold the lease
	Honours []Span // took part in no other node's ballot, because it had granted a lease
	Silent  []Span // took part in no ballot after a restart, not knowing to whom it had granted a lease
}

// incarnation is the life of a process, from its first to its last observation.
type incarnation struct {
	obs  []history.Observation
	at   []time.Duration // of each observation
	ends time.Duration   // latest time of its death; Forever if it lived to the end
}

// Leased reports whether any story contains a lease.
func Leased(stories []Story) bool {
	return slices.ContainsFunc(stories, func(s Story) bool { return len(s.Holds)+len(s.Honours)+len(s.Silent) > 0 })
}

// New places a node's observations on the axis, which must be made for the same observations. Deaths are the times
// at which its process was killed, in order; the run ended at end.
func New(node string, obs []history.Observation, axis *clocks.Axis, deaths []time.Duration, end time.Duration) Story {
	s := Story{Node: node}
	lives := incarnations(obs, axis, deaths)
	s.Leads = leaderships(lives, end)
	for _, life := range lives {
		s.Holds = append(s.Holds, holds(life, axis)...)
		honours, silent := grants(life, axis)
		s.Honours, s.Silent = append(s.Honours, honours...), append(s.Silent, silent...)
	}
	return s
}

// deathSlack is how much earlier than a process's last observation its death may appear to be, given clock errors.
const deathSlack = 50 * time.Millisecond

// incarnations splits observations by process, and determines when each ended: at the kill after its last
// observation and before the first one of the next process, or else with its last observation.
func incarnations(obs []history.Observation, axis *clocks.Axis, deaths []time.Duration) []incarnation {
	var lives []incarnation
	boot := ""
	for i, o := range obs {
		if i == 0 || o.Boot != boot {
			lives = append(lives, incarnation{ends: history.Forever})
			boot = o.Boot
		}
		life := &lives[len(lives)-1]
		life.obs, life.at = append(life.obs, o), append(life.at, axis.At(o))
	}
	for i := range lives {
		life := &lives[i]
		last, next := life.at[len(life.at)-1], history.Forever
		if i+1 < len(lives) {
			next = lives[i+1].at[0]
			life.ends = last
		}
		if life.obs[len(life.obs)-1].Kind == history.ObservedEnded {
			life.ends = last
			continue
		}
		for _, d := range deaths {
			if d >= last-deathSlack && d <= next {
				life.ends = max(d, last)
				break
			}
		}
	}
	return lives
}

// Deaths returns the times at which a node was seen to have been killed, in order.
func Deaths(events []history.FaultEvent, node string) []time.Duration {
	var out []time.Duration
	for _, e := range events {
		if e.Kind == "kill" && e.Step == history.FaultApply && e.Status == history.FaultInstalled &&
			slices.Contains(e.Targets, node) {
			out = append(out, e.End)
		}
	}
	slices.Sort(out)
	return out
}

const endOfProcess = "the process ended"

// clip ends spans at the end of their process.
func (l incarnation) clip(spans []Span) []Span {
	for i := range spans {
		if spans[i].To > l.ends {
			spans[i].To, spans[i].End = l.ends, endOfProcess
		}
	}
	return slices.DeleteFunc(spans, Span.empty)
}

// holds finds when a leader could believe to hold its lease: until the last deadline that it recorded, whatever
// else it did then. A paused node keeps its lease, and finds out when it resumes.
func holds(life incarnation, axis *clocks.Axis) []Span {
	var out []Span
	open := false
	for i, o := range life.obs {
		at := life.at[i]
		switch o.Kind {
		case history.ObservedLeaseHeld, history.ObservedLeaseRenewed:
			until := axis.Moment(o, o.Until)
			if open && out[len(out)-1].Ballot == o.Ballot && at <= out[len(out)-1].To {
				out[len(out)-1].To = max(out[len(out)-1].To, until)
				continue
			}
			out = append(out, Span{From: at, To: until, Ballot: o.Ballot, End: "it ran out"})
			open = true
		case history.ObservedLeaseForsaken, history.ObservedDeposed:
			if open && at < out[len(out)-1].To {
				out[len(out)-1].To, out[len(out)-1].End = at, cmp.Or(o.Reason, "given up")
			}
			open = false
		case history.ObservedLeaseLost:
			open = false
		}
	}
	return life.clip(out)
}

// grants finds when a node was bound by a grant to take part in no other ballot, and when it was silent after a
// restart.
func grants(life incarnation, axis *clocks.Axis) (honours, silent []Span) {
	closeAt := func(spans []Span, at time.Duration, why string) {
		if n := len(spans); n > 0 && spans[n-1].To > at {
			spans[n-1].To, spans[n-1].End = at, why
		}
	}
	for i, o := range life.obs {
		at := life.at[i]
		switch o.Kind {
		case history.ObservedLeaseGranted:
			until := axis.Moment(o, o.Until)
			if n := len(honours); n > 0 && honours[n-1].Ballot == o.Ballot && at <= honours[n-1].To {
				honours[n-1].To = max(honours[n-1].To, until)
				continue
			}
			closeAt(honours, at, "another ballot's lease")
			closeAt(silent, at, "the lease was granted anew")
			honours = append(honours, Span{From: at, To: until, Ballot: o.Ballot, End: "it ran out"})
		case history.ObservedLeaseFreed:
			closeAt(honours, at, "the leader gave it back")
		case history.ObservedLeaseSilence:
			silent = append(silent, Span{From: at, To: axis.Moment(o, o.Until), Ballot: o.Ballot, End: "the term is over"})
		}
	}
	return life.clip(honours), life.clip(silent)
}

// Clash is an interval in which two nodes believed to hold the lease.
type Clash struct {
	A, B             string // nodes
	BallotA, BallotB string
	From, To         time.Duration
}

// clashMin is the minimal length of a clash, in addition to the errors of the clocks on which leases are placed:
// the nodes need not write at the same moment.
const clashMin = time.Millisecond

// Clashes finds all clashes, in order of time. Overlaps that clock errors can explain do not count.
func Clashes(stories []Story, err time.Duration) []Clash {
	var out []Clash
	for i, a := range stories {
		for _, b := range stories[i+1:] {
			for x, y := a.Holds, b.Holds; len(x) > 0 && len(y) > 0; {
				c := Clash{a.Node, b.Node, x[0].Ballot, y[0].Ballot, max(x[0].From, y[0].From), min(x[0].To, y[0].To)}
				if c.To-c.From > clashMin+err {
					out = append(out, c)
				}
				if x[0].To < y[0].To { // the span that ends first cannot overlap with later ones
					x = x[1:]
				} else {
					y = y[1:]
				}
			}
		}
	}
	slices.SortStableFunc(out, func(x, y Clash) int { return cmp.Compare(x.From, y.From) })
	return out
}

// leaderships finds when a node led: from its election until it was deposed or its process ended.
func leaderships(lives []incarnation, end time.Duration) []Span {
	var out []Span
	for _, life := range lives {
		leading := false
		stop := func(at time.Duration, why string) {
			if leading {
				out[len(out)-1].To, out[len(out)-1].End = at, why
				leading = false
			}
		}
		for i, o := range life.obs {
			switch o.Kind {
			case history.ObservedElected:
				stop(life.at[i], "elected again")
				out = append(out, Span{From: life.at[i], To: end, Ballot: o.Ballot, End: "the end of the run"})
				leading = true
			case history.ObservedDeposed:
				stop(life.at[i], cmp.Or(o.Reason, "deposed"))
			}
		}
		if life.ends < end {
			stop(life.ends, endOfProcess)
		}
	}
	return slices.DeleteFunc(out, func(l Span) bool { return l.To < 0 || l.From > end })
}
