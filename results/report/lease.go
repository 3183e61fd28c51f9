package report

import (
	"cmp"
	"slices"
	"time"

	"elenchus/results/clocks"
	"elenchus/results/history"
)

// span is a stretch of the run in which a node led, or held or honoured a lease.
type span struct {
	from, to time.Duration
	ballot   string
	end      string // why it ended
}

func (s span) empty() bool { return s.to <= s.from }

// story is what a node wrote of its leaderships and leases, on the run's axis.
type story struct {
	node    string
	leads   []span
	holds   []span // believed to hold the lease
	honours []span // took part in nobody else's ballot, because it had granted a lease
	silent  []span // the same after a restart, without knowing to whom
}

// incarnation is the life of a process, from its first to its last line.
type incarnation struct {
	obs  []history.Observation
	at   []time.Duration // of each observation
	ends time.Duration   // when it was dead at the latest; Forever when it lived to the end
}

// leased reports whether any lease is told of at all.
func leased(stories []story) bool {
	return slices.ContainsFunc(stories, func(s story) bool { return len(s.holds)+len(s.honours)+len(s.silent) > 0 })
}

// newStory places what a node wrote.
func newStory(n Node, axis *clocks.Axis, deaths []time.Duration, end time.Duration) story {
	s := story{node: n.Name}
	lives := incarnations(n.Observations, axis, deaths)
	s.leads = leaderships(lives, end)
	for _, life := range lives {
		s.holds = append(s.holds, holds(life, axis)...)
		honours, silent := grants(life, axis)
		s.honours, s.silent = append(s.honours, honours...), append(s.silent, silent...)
	}
	return s
}

// deathSlack is how much earlier than a process's last line its death may seem to be, for clocks are not exact.
const deathSlack = 50 * time.Millisecond

// incarnations divides observations by process, and says when each ended: at the kill that followed its last line and
// came before the first of the next one, else with its last line.
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
		for _, d := range deaths {
			if d >= last-deathSlack && d <= next {
				life.ends = max(d, last)
				break
			}
		}
	}
	return lives
}

// deaths are the instants at which a node was seen to have been killed, in order.
func deaths(events []history.FaultEvent, node string) []time.Duration {
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

// clip ends spans with the life of their process.
func (l incarnation) clip(spans []span) []span {
	for i := range spans {
		if spans[i].to > l.ends {
			spans[i].to, spans[i].end = l.ends, endOfProcess
		}
	}
	return slices.DeleteFunc(spans, span.empty)
}

// holds finds when a leader could believe to hold its lease: until the deadline it told last, whatever else it did
// then. A node that is paused holds on to its lease, and finds out when it wakes.
func holds(life incarnation, axis *clocks.Axis) []span {
	var out []span
	open := false
	for i, o := range life.obs {
		at := life.at[i]
		switch o.Kind {
		case history.ObservedLeaseHeld, history.ObservedLeaseRenewed:
			until := axis.Moment(o, o.Until)
			if open && out[len(out)-1].ballot == o.Ballot && at <= out[len(out)-1].to {
				out[len(out)-1].to = max(out[len(out)-1].to, until)
				continue
			}
			out = append(out, span{from: at, to: until, ballot: o.Ballot, end: "it ran out"})
			open = true
		case history.ObservedLeaseForsaken, history.ObservedDeposed:
			if open && at < out[len(out)-1].to {
				out[len(out)-1].to, out[len(out)-1].end = at, cmp.Or(o.Reason, "given up")
			}
			open = false
		case history.ObservedLeaseLost:
			open = false
		}
	}
	return life.clip(out)
}

// grants finds when a node owed it to a leader to take part in no other ballot, and when it was silent after a restart.
func grants(life incarnation, axis *clocks.Axis) (honours, silent []span) {
	closeAt := func(spans []span, at time.Duration, why string) {
		if n := len(spans); n > 0 && spans[n-1].to > at {
			spans[n-1].to, spans[n-1].end = at, why
		}
	}
	for i, o := range life.obs {
		at := life.at[i]
		switch o.Kind {
		case history.ObservedLeaseGranted:
			until := axis.Moment(o, o.Until)
			if n := len(honours); n > 0 && honours[n-1].ballot == o.Ballot && at <= honours[n-1].to {
				honours[n-1].to = max(honours[n-1].to, until)
				continue
			}
			closeAt(honours, at, "another ballot's lease")
			closeAt(silent, at, "the lease was granted anew")
			honours = append(honours, span{from: at, to: until, ballot: o.Ballot, end: "it ran out"})
		case history.ObservedLeaseFreed:
			closeAt(honours, at, "the leader gave it back")
		case history.ObservedLeaseSilence:
			silent = append(silent, span{from: at, to: axis.Moment(o, o.Until), ballot: o.Ballot, end: "the term is over"})
		}
	}
	return life.clip(honours), life.clip(silent)
}

// clash is a time in which two nodes believed to hold the lease.
type clash struct {
	a, b             string // nodes
	ballotA, ballotB string
	from, to         time.Duration
}

// clashMin is the least length of a clash, apart from the errors of the clocks by which leases are placed: the nodes
// need not write at the same instant.
const clashMin = time.Millisecond

// clashes finds all of them, in order of time. What the clocks' errors explain is none.
func clashes(stories []story, err time.Duration) []clash {
	var out []clash
	for i, a := range stories {
		for _, b := range stories[i+1:] {
			for x, y := a.holds, b.holds; len(x) > 0 && len(y) > 0; {
				c := clash{a.node, b.node, x[0].ballot, y[0].ballot, max(x[0].from, y[0].from), min(x[0].to, y[0].to)}
				if c.to-c.from > clashMin+err {
					out = append(out, c)
				}
				if x[0].to < y[0].to { // what ends first can meet nothing that comes later
					x = x[1:]
				} else {
					y = y[1:]
				}
			}
		}
	}
	slices.SortStableFunc(out, func(x, y clash) int { return cmp.Compare(x.from, y.from) })
	return out
}

// leaderships finds the times in which a node led: from its election to its deposition, or to the end of its process.
func leaderships(lives []incarnation, end time.Duration) []span {
	var out []span
	for _, life := range lives {
		leading := false
		stop := func(at time.Duration, why string) {
			if leading {
				out[len(out)-1].to, out[len(out)-1].end = at, why
				leading = false
			}
		}
		for i, o := range life.obs {
			switch o.Kind {
			case history.ObservedElected:
				stop(life.at[i], "elected again")
				out = append(out, span{from: life.at[i], to: end, ballot: o.Ballot, end: "the end of the run"})
				leading = true
			case history.ObservedDeposed:
				stop(life.at[i], cmp.Or(o.Reason, "deposed"))
			}
		}
		if life.ends < end {
			stop(life.ends, endOfProcess)
		}
	}
	return slices.DeleteFunc(out, func(l span) bool { return l.to < 0 || l.from > end })
}
