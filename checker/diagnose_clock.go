package checker

import (
	"fmt"
	"math"
	"slices"
	"time"

	"elenchus/checker/rules"
	"elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/leases"
	"elenchus/results/verdict"
)

// driftStretch is the least stretch of time in which rates are compared: clocks are read ten times a second.
const driftStretch = 500 * time.Millisecond

// exactStretch is the same where clocks are read without an error, fifty times a second.
const exactStretch = 100 * time.Millisecond

// atTheBound is by how much more than the bound rates must differ: the bound itself is written as a rounded number, and
// clocks that differ by just that much are within it.
const atTheBound = 1e-6

// drift blames clocks whose rates differed by more than leases by rate allow, from when the lease was asked for that
// the read was answered under to the read: the clock of whoever held it was too slow for that of some other, or stood
// still. What counts is how far each got on the whole; how evenly it ran does not matter to a lease.
func (d *diagnosis) drift(p plainly) *verdict.Cause {
	holder, from, ok := d.leaseOf(p, "rate")
	if !ok {
		return nil
	}
	from, to := d.stretch(from, p.last.Call)
	own, ok := d.track(holder).Advance(clocks.Mono, from, to)
	if !ok {
		return nil
	}
	var worst clocks.Rate
	other, most := "", 1+d.in.Facts.Lease.DriftBound+atTheBound
	for _, t := range d.in.Clocks {
		r, ok := t.Advance(clocks.Mono, from, to)
		if !ok || t.Node == holder {
			continue
		}
		// The least ratio that the measurements leave room for: infinite where the holder's clock certainly stood still.
		if least := (r.Rate - r.Error) / max(0, own.Rate+own.Error); least > most {
			other, most, worst = t.Node, least, r
		}
	}
	if other == "" {
		return nil
	}
	apart := fmt.Sprintf("%s's was faster by %s at least", other, percent(most-1))
	if math.IsInf(most, 1) {
		apart = holder + "'s stood still"
	}
	return &verdict.Cause{
		Name: "clocks drifted apart",
		Says: fmt.Sprintf("%s, because its monotonic clock was so much slower than %s's: leases allow a drift of %s.",
			d.outlived(p, holder), other, percent(d.in.Facts.Lease.DriftBound)),
		Evidence: []string{
			fmt.Sprintf("From %s to %s the monotonic clock of %s ran at %.3f of the true rate (± %.3f), that of %s at %.3f "+
				"(± %.3f).", seconds(own.From), seconds(own.To), holder, own.Rate, own.Error, other, worst.Rate, worst.Error),
			fmt.Sprintf("So %s, and leases are configured to a drift bound of %s.", apart,
				percent(d.in.Facts.Lease.DriftBound)),
		},
	}
}

// stretch is where rates are compared that mattered between two instants: long enough for the measurements to say
// something. Those of a simulator are exact, and end with the violation.
func (d *diagnosis) stretch(from, to time.Duration) (since, until time.Duration) {
	if slices.ContainsFunc(d.in.Clocks, func(t clocks.Track) bool { return t.MedianError() > 0 }) {
		return from, max(to, from+driftStretch)
	}
	return max(0, min(from, to-exactStretch)), to
}

// clocksKept says that clocks were not seen to leave the drift that leases allow while the lease ran that the read was
// answered under: then it need not be they that are at fault. It is empty where they were, or nobody measured them.
func (d *diagnosis) clocksKept(p plainly) string {
	holder, from, ok := d.leaseOf(p, "rate")
	if !ok {
		return ""
	}
	from, to := d.stretch(from, p.last.Call)
	own, ok := d.track(holder).Advance(clocks.Mono, from, to)
	if !ok || own.Rate <= 0 {
		return ""
	}
	other, most, err := "", 0.0, 0.0
	for _, t := range d.in.Clocks {
		if r, ok := t.Advance(clocks.Mono, from, to); ok && t.Node != holder && r.Rate/own.Rate > most {
			other, most, err = t.Node, r.Rate/own.Rate, (r.Error+own.Error)/own.Rate
		}
	}
	if other == "" || most-err > 1+d.in.Facts.Lease.DriftBound {
		return ""
	}
	return fmt.Sprintf("It need not be the clocks: from %s to %s none was faster than %s's by more than %s's, %s (± %s) "+
		"as measured, and leases allow a drift of %s.", seconds(own.From), seconds(own.To), holder, other,
		percent(max(0, most-1)), percent(err), percent(d.in.Facts.Lease.DriftBound))
}

// offset blames wall clocks that were further apart than leases on wall clocks allow when the read was answered.
func (d *diagnosis) offset(p plainly) *verdict.Cause {
	holder, since, ok := d.leaseOf(p, "wall")
	if !ok {
		return nil
	}
	own, ok := d.track(holder).Nearest(p.last.Call)
	if !ok {
		return nil
	}
	ahead := func(q clocks.Point) time.Duration { return time.Duration(q.Wall) - q.At }
	var worst clocks.Point
	other, most := "", d.in.Facts.Lease.MaxOffset
	for _, t := range d.in.Clocks {
		last, _ := t.Nearest(p.last.Return) // what a clock did after the answer explains nothing
		for _, q := range t.Sharp() {
			if t.Node == holder || q.At > last.At || q.At < since && q.At < last.At {
				continue
			}
			// Behind is what lets the holder's lease last too long. A grant that was over once is over for good, so that it
			// does not matter when the other clock was ahead.
			if least := ahead(q) - ahead(own) - q.Error - own.Error; least > most {
				other, most, worst = t.Node, least, q
			}
		}
	}
	if other == "" {
		return nil
	}
	return &verdict.Cause{
		Name: "wall clocks too far apart",
		Says: fmt.Sprintf("%s, because its wall clock was so far behind %s's: leases allow %s.",
			d.outlived(p, holder), other, seconds(d.in.Facts.Lease.MaxOffset)),
		Evidence: []string{fmt.Sprintf("At %s the wall clock of %s was behind that of %s, as read at %s, by %s at least; "+
			"leases are configured to a maximal offset of %s.", seconds(own.At), holder, other, seconds(worst.At), seconds(most),
			seconds(d.in.Facts.Lease.MaxOffset))},
	}
}

// outlived says by how much a lease lasted longer by its holder's clock than by the clocks of those who had granted it,
// as far as that is known.
func (d *diagnosis) outlived(p plainly, holder string) string {
	h, honoured, ok := d.honouredUntil(p, holder)
	if !ok {
		return holder + "'s lease lasted longer by its own clock than others honoured it"
	}
	to, until := instants(h.To, honoured)
	return fmt.Sprintf("%s's lease of ballot %s lasted until %s by its own clock, and those who had granted it "+
		"honoured it until %s at the latest", holder, h.Ballot, to, until)
}

// honouredUntil is the lease that the violation is about, and until when others honoured it who did not do so to its
// end.
func (d *diagnosis) honouredUntil(p plainly, holder string) (h leases.Span, honoured time.Duration, ok bool) {
	s, _ := d.storyOf(holder)
	for _, h := range during(s.Holds, p.last.Call, p.last.Return) {
		honoured := time.Duration(-1)
		for _, other := range d.in.Stories {
			for _, g := range other.Honours {
				if other.Node != holder && g.Ballot == h.Ballot && g.To <= h.To {
					honoured = max(honoured, g.To)
				}
			}
		}
		if honoured >= 0 && honoured < h.To {
			return h, honoured, true
		}
	}
	return leases.Span{}, 0, false
}

// asked is when the lease was asked for that the leader wrote of in a line.
func (n *NodeObservations) asked(line int) time.Duration {
	for i := line - 1; i >= 0; i-- {
		o, held := &n.Log.Observations[i], &n.Log.Observations[line]
		if o.Boot != held.Boot {
			break
		}
		if o.Kind == history.ObservedLeaseAsked && o.Since.Mono == held.Since.Mono {
			return n.When[i]
		}
	}
	return n.When[line]
}

// overBy reports whether the lease that a line is about was certainly over at some time.
func (n *NodeObservations) overBy(line int, at time.Duration) bool {
	if line >= len(n.Until) || n.Until[line] == 0 {
		return false
	}
	ends := n.Until[line]
	if line < len(n.Slack) {
		ends += n.Slack[line]
	}
	return ends < at
}

// leaseOf is who answered the read under a lease on that clock, and since when the last term ran that it had by then:
// it is counted from when it was asked for.
// Leases matter only where another node had been elected meanwhile in a higher ballot.
func (d *diagnosis) leaseOf(p plainly, mode string) (holder string, since time.Duration, ok bool) {
	holder, ok = d.leased(p)
	if !ok || d.in.Facts.Lease.Mode != mode {
		return "", 0, false
	}
	n, ok := d.observations(holder)
	if !ok {
		return "", 0, false
	}
	var held rules.Ballot
	line := -1
	for i, o := range n.Log.Observations {
		if n.When[i] > p.last.Return {
			break
		}
		if b, parsed := parseBallot(o.Ballot); parsed &&
			(o.Kind == history.ObservedLeaseHeld || o.Kind == history.ObservedLeaseRenewed) {
			held, line = b, i
		}
	}
	if line < 0 || mode == "rate" && n.overBy(line, p.last.Call-d.slack) {
		return "", 0, false // whoever answers when its lease is over by its own clock is not misled by that
	}
	for _, r := range d.reigns {
		if r.node != holder && held.Less(r.ballot) && r.from <= p.last.Return {
			return holder, n.asked(line), true
		}
	}
	return "", 0, false
}
