package checker

import (
	"fmt"
	"slices"
	"time"

	"elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/leases"
	"elenchus/results/verdict"
)

// twoLeases blames leases that two nodes believed to hold at once while the read was answered by one of them.
func (d *diagnosis) twoLeases(p plainly) *verdict.Cause {
	node, ok := d.leased(p)
	if !ok {
		return nil
	}
	for _, c := range leases.Clashes(d.in.Stories, d.slack) {
		if c.A != node && c.B != node || c.From > p.last.Return || c.To < p.last.Call {
			continue
		}
		cause := &verdict.Cause{
			Name: "two leases at once",
			Says: fmt.Sprintf("%s and %s both believed to hold the lease from %s to %s, and at most one node may at any time.",
				c.A, c.B, seconds(c.From), seconds(c.To)),
			Evidence: []string{d.heldBy(c.A, c.BallotA, p), d.heldBy(c.B, c.BallotB, p)},
		}
		if kept := d.clocksKept(p); kept != "" {
			cause.Evidence = append(cause.Evidence, kept)
		}
		return cause
	}
	return nil
}

// margin blames a lease that its holder believed in for longer than any other node honoured it, where nothing was the
// matter with clocks or granters: it was taken for longer, or granted for shorter, than the bounds on clocks allow.
func (d *diagnosis) margin(p plainly) *verdict.Cause {
	holder, ok := d.leased(p)
	if !ok || d.forgottenGrant(p) != nil || d.drift(p) != nil || d.offset(p) != nil {
		return nil
	}
	h, honoured, ok := d.honouredUntil(p, holder)
	if !ok || h.To-honoured <= d.slack || !d.clocksKnown(p) {
		return nil
	}
	return &verdict.Cause{
		Name: "a lease longer than its grants",
		Says: d.outlived(p, holder) + ", although all clocks kept to their bounds: the margin between the two was too small.",
		Evidence: []string{
			fmt.Sprintf("%s believed in its lease of ballot %s for %s longer than any other node honoured it.", holder, h.Ballot,
				milliseconds(h.To-honoured)),
			"No clock that was measured had left the bounds that leases are configured to.",
		},
	}
}

// clocksKnown reports whether it was measured of every node how the clock ran, or how far it was off, that the lease of
// the violation is on.
func (d *diagnosis) clocksKnown(p plainly) bool {
	_, from, rate := d.leaseOf(p, "rate")
	_, _, wall := d.leaseOf(p, "wall")
	since, until := d.stretch(from, p.last.Call)
	for _, name := range d.in.Facts.Nodes {
		track := d.track(name)
		if _, ok := track.Advance(clocks.Mono, since, until); rate && !ok {
			return false
		}
		if q, ok := track.Nearest(p.last.Call); wall && (!ok || (q.At-p.last.Call).Abs() > driftStretch) {
			return false
		}
	}
	return rate || wall
}

// heldBy says from when until when a node believed to hold the lease of a ballot, around the violation.
func (d *diagnosis) heldBy(node, ballot string, p plainly) string {
	s, _ := d.storyOf(node)
	for _, h := range during(s.Holds, p.last.Call, p.last.Return) {
		if h.Ballot == ballot {
			return fmt.Sprintf("%s held the lease of ballot %s from %s to %s by its own clock (%s).", node, ballot,
				since(h.From), seconds(h.To), h.End)
		}
	}
	return fmt.Sprintf("%s wrote that it held the lease of ballot %s.", node, ballot)
}

// since is an instant that may lie before the run.
func since(at time.Duration) string {
	if at < 0 {
		return "before the run began"
	}
	return seconds(at)
}

// expired blames a node that answered a read under a lease when it held none, by its own clock.
func (d *diagnosis) expired(p plainly) *verdict.Cause {
	node, ok := d.leased(p)
	if !ok {
		return nil
	}
	s, ok := d.storyOf(node)
	if !ok || len(s.Holds) == 0 || d.follower(p) != nil ||
		len(during(s.Holds, p.last.Call-d.slack, p.last.Return+d.slack)) > 0 {
		return nil
	}
	c := &verdict.Cause{
		Name: "a read served without a lease",
		Says: fmt.Sprintf("%s answered a read %s, when by its own clock it held no lease.", node,
			stretch(p.last.Call, p.last.Return)),
		Evidence: []string{fmt.Sprintf("%s wrote of no lease that covers this time.", node)},
	}
	i := slices.IndexFunc(s.Holds, func(h leases.Span) bool { return h.From > p.last.Return })
	if i < 0 {
		i = len(s.Holds)
	}
	if i > 0 {
		h := s.Holds[i-1]
		c.Evidence = []string{fmt.Sprintf("The last lease of %s before that, of ballot %s, had ended at %s (%s).", node,
			h.Ballot, seconds(h.To), h.End)}
	}
	return c
}

// forgottenGrant blames a node that had granted the lease that the read was answered under, and helped to elect another
// leader before the end of it, by its own clock.
func (d *diagnosis) forgottenGrant(p plainly) *verdict.Cause {
	holder, ok := d.leased(p)
	if !ok {
		return nil
	}
	s, _ := d.storyOf(holder)
	for _, h := range during(s.Holds, p.last.Call, p.last.Return) {
		for _, n := range d.in.Nodes {
			if n, ok := d.observations(n.Node); ok && n.Node != holder {
				if c := d.brokenGrant(n, h); c != nil {
					return c
				}
			}
		}
	}
	return nil
}

// grantSeen is the latest grant of a ballot that a node wrote of.
type grantSeen struct {
	boot     string
	at, ends time.Duration
}

// brokenGrant looks for a promise of a node to another ballot that it should have refused, because it had granted the
// lease h, and that came before another's election in that ballot. A promise after that election would have done no
// harm: who was elected proves that the lease is over.
func (d *diagnosis) brokenGrant(n NodeObservations, h leases.Span) *verdict.Cause {
	var g *grantSeen
	for i, o := range n.Log.Observations {
		at := n.When[i]
		switch {
		case o.Kind == history.ObservedLeaseGranted && o.Ballot == h.Ballot:
			g = &grantSeen{boot: o.Boot, at: at, ends: n.Until[i]}
		case o.Kind == history.ObservedLeaseFreed && o.Ballot == h.Ballot:
			g = nil
		case o.Kind == history.ObservedRecovered && g != nil && o.Ballot != h.Ballot:
			g = nil // the promise that every grant comes after was not on its disk: nor did the grant leave
		case o.Kind != history.ObservedPromised || g == nil || o.Ballot == h.Ballot:
		case at >= g.ends-d.slack || !d.electedAfter(o.Ballot, at):
		case o.Boot == g.boot:
			return &verdict.Cause{
				Name: "a grant that was not kept",
				Says: fmt.Sprintf("%s had granted the lease of ballot %s until %s and promised ballot %s before that.",
					n.Node, h.Ballot, seconds(g.ends), o.Ballot),
				Evidence: []string{
					fmt.Sprintf("%s granted it at %s, until %s by its own clock.", n.Node, seconds(g.at), seconds(g.ends)),
					fmt.Sprintf("%s promised ballot %s at %s, in the same life of its process.", n.Node, o.Ballot, seconds(at)),
				},
			}
		default:
			return &verdict.Cause{
				Name: "a grant forgotten in a restart",
				Says: fmt.Sprintf("%s had granted the lease of ballot %s until %s, was restarted, and promised ballot %s within "+
					"that term.", n.Node, h.Ballot, seconds(g.ends), o.Ballot),
				Evidence: []string{
					fmt.Sprintf("%s granted it at %s, until %s by its own clock.", n.Node, seconds(g.at), seconds(g.ends)),
					fmt.Sprintf("After its restart it promised ballot %s at %s.", o.Ballot, seconds(at)),
				},
			}
		}
	}
	return nil
}

// electedAfter reports whether somebody was elected in a ballot at or after an instant.
func (d *diagnosis) electedAfter(text string, at time.Duration) bool {
	b, ok := parseBallot(text)
	return ok && slices.ContainsFunc(d.reigns, func(r reign) bool {
		return r.ballot == b && r.from >= at-d.slack
	})
}

// stretch tells of a length of time; a short one is a moment.
func stretch(from, to time.Duration) string {
	if a, b := seconds(from), seconds(to); a != b {
		return fmt.Sprintf("between %s and %s", a, b)
	}
	return "at " + seconds(from)
}
