package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/results/history"
	"elenchus/results/leases"
)

// Heights in a lane.
const (
	lanePad      = 5.0
	laneHeight   = 36.0
	leasedHeight = 42.0 // of a lane that shows leases
	barHeight    = 15.0 // of who leads, and who holds the lease
	grantHeight  = 3.0
)

// lane is one node over time.
type lane struct {
	Label       string
	Y, H, TextY float64
	Bands       []band // who leads and holds, and what is honoured
	Faults      []band
	Marks       []tick // faults that came to nothing, as crosses
}

// lanes is a set of lanes one below the other.
type lanes struct {
	sc      scale
	leased  bool
	windows []history.FaultWindow
	nodes   []string // all there are, to tell faults elsewhere
}

func (l lanes) height() float64 {
	if l.leased {
		return leasedHeight
	}
	return laneHeight
}

// otherLane is the lane of faults that are aimed at no node in particular.
const otherLane = "other"

// names are the nodes, and a lane for faults elsewhere if there are any.
func (l lanes) names() []string {
	for _, w := range l.windows {
		if !slices.ContainsFunc(w.Targets, l.isNode) {
			return append(slices.Clone(l.nodes), otherLane)
		}
	}
	return l.nodes
}

func (l lanes) isNode(name string) bool { return slices.Contains(l.nodes, name) }

// draw draws the lane of a node, or of what has none.
func (l lanes) draw(s leases.Story, y float64) lane {
	out := lane{Label: s.Node, Y: y, H: l.height(), TextY: round(y + l.height()/2 + 4)}
	out.Bands = l.leadership(s, y)
	for _, w := range l.windows {
		here := slices.Contains(w.Targets, s.Node)
		if s.Node == otherLane && !l.isNode(otherLane) {
			here = !slices.ContainsFunc(w.Targets, l.isNode)
		}
		switch {
		case !here || !l.sc.shows(w.From, w.To):
		case w.Status == history.FaultInstalled:
			out.Faults = append(out.Faults, l.fault(w, y))
		default:
			out.Marks = append(out.Marks, tick{X: l.sc.x(w.From), Y: y + lanePad + 11,
				Label: fmt.Sprintf("%s %s: %s", w.ID, w.Kind, w.Status)})
		}
	}
	labelFaults(out.Faults)
	return out
}

// leadership draws who leads, which is light where leases are known, and the lease on it, which is solid.
func (l lanes) leadership(s leases.Story, y float64) []band {
	about := func(what string) func(leases.Span) string {
		return func(p leases.Span) string {
			return fmt.Sprintf("%s %s of %s from %s to %s (%s)", s.Node, what, p.Ballot, seconds(p.From), seconds(p.To), p.End)
		}
	}
	top, low := y+lanePad, y+lanePad+barHeight+3
	if !l.leased {
		return l.sc.bands(s.Leads, top, barHeight, "holds", about("leads with the ballot"))
	}
	return slices.Concat(
		l.sc.bands(s.Leads, top, barHeight, "leads", about("leads with the ballot")),
		l.sc.bands(s.Holds, top, barHeight, "holds", about("holds the lease")),
		l.sc.bands(s.Honours, low, grantHeight, "honours", about("honours the lease")),
		l.sc.bands(s.Silent, low, grantHeight, "silent", about("is silent after a restart for the lease")))
}

func (l lanes) fault(w history.FaultWindow, y float64) band {
	b := l.sc.stretch(w.From, w.To, y+1, l.height()-2, faultClass(w.Kind))
	b.W = max(2, b.W)
	b.Title = fmt.Sprintf("%s %s %s, in effect from %s to %s", w.ID, w.Kind, w.Played, seconds(w.From), seconds(w.To))
	b.LabelY = round(y + l.height() - 5)
	b.Label = w.ID + " " + w.Kind
	b.Name = b.Label
	return b
}

// labelFaults places labels so that none is written over another: one whose place is taken moves to the right, or goes.
func labelFaults(faults []band) {
	order := make([]*band, len(faults))
	for i := range faults {
		order[i] = &faults[i]
	}
	slices.SortStableFunc(order, func(a, b *band) int { return cmp.Compare(a.X, b.X) })
	free := 0.0
	for _, b := range order {
		b.LabelX = max(b.X+4, free)
		room := b.X + b.W + 4 - b.LabelX
		if !fits(b.Label, room) {
			b.Label, _, _ = strings.Cut(b.Label, " ")
		}
		if b.Label == "" || !fits(b.Label, room) {
			b.Label = ""
			continue
		}
		free = b.LabelX + 8 + charWidth*float64(len([]rune(b.Label)))
	}
}

// labelAbove labels bands above their upper edges, where there is room up to the next one.
func labelAbove(faults []band, end float64) {
	for i := range faults {
		b, right := &faults[i], end
		b.LabelX = b.X
		for _, o := range faults {
			if o.X > b.X {
				right = min(right, o.X)
			}
		}
		if !fits(b.Label, right-b.X) {
			b.Label, _, _ = strings.Cut(b.Label, " ")
		}
	}
}

// faultClass groups kinds of faults by how they look.
func faultClass(kind string) string {
	for _, c := range []string{"kill", "pause", "partition", "clock", "transfer", "disk"} {
		if strings.Contains(kind, c) {
			return "f-" + c
		}
	}
	return "f-other"
}

// red is a time in which two nodes believed to hold the lease, across all lanes.
func (l lanes) red(clashes []leases.Clash, top float64, rows map[string]float64, bottom float64) []band {
	var out []band
	for _, c := range clashes {
		if !l.sc.shows(c.From, c.To) || len(out) >= bandsMax {
			continue
		}
		title := clashSentence(c)
		column := l.sc.stretch(c.From, c.To, top, bottom-top, "clash")
		column.Title = title
		out = append(out, column)
		for _, node := range []string{c.A, c.B} {
			if y, ok := rows[node]; ok {
				b := l.sc.stretch(c.From, c.To, y+lanePad, barHeight, "two")
				b.Title = title
				out = append(out, b)
			}
		}
	}
	return out
}

// clashSentence tells of a clash.
func clashSentence(c leases.Clash) string {
	return fmt.Sprintf("%s (ballot %s) and %s (ballot %s) both believed to hold the lease for %s, from %s to %s",
		c.A, c.BallotA, c.B, c.BallotB, compact(c.To-c.From), seconds(c.From), seconds(c.To))
}

// instant is the label of an instant on an axis with that step.
func instant(at, step time.Duration) string {
	switch {
	case at == 0:
		return "0"
	case step >= time.Second:
		return fmt.Sprintf("%d s", at/time.Second)
	case step >= 100*time.Millisecond:
		return fmt.Sprintf("%.1f s", at.Seconds())
	case step >= 10*time.Millisecond:
		return fmt.Sprintf("%.2f s", at.Seconds())
	}
	return fmt.Sprintf("%.3f s", at.Seconds())
}
