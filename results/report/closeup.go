package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/results/history"
	"elenchus/results/leases"
	"elenchus/results/verdict"
)

// closeup is the picture of one violation: the operations that cannot be, and below them, on the same axis, who led and
// held a lease, and what was done to whom.
type closeup struct {
	Width, Height float64
	Left, Right   float64
	Top, OpsY     float64 // between them are the operations
	AxisY         float64
	Ticks         []tick
	Rules         []rule
	Rows          []opRow
	Others        []band // the other operations on the register
	OthersY       float64
	Key           string
	Seen          []curve // from who wrote a value to who saw it
	Lanes         []lane
	Dots          []dot // the operations at the nodes that answered them
	Red           []band
	Leased        bool
	Hidden        string // the nodes that are left out
}

// opRow is one operation on a line of its own.
type opRow struct {
	Who    string
	Y      float64
	Bar    band
	Label  string
	LabelX float64
	Anchor string // "start" or "end"
	Culprit,
	Earlier bool // it was over before the picture begins
}

// dot is an operation at its node.
type dot struct {
	X, Y  float64
	Class string
}

// rule is a vertical line with its label at the top.
type rule struct {
	X      float64
	Class  string
	Label  string
	Anchor string
}

// Dx keeps the label off the line.
func (r rule) Dx() int {
	if r.Anchor == "end" {
		return -5
	}
	return 5
}

const (
	closeGutter    = 136.0
	closeTop       = 36.0
	opRowHeight    = 27.0
	opBarHeight    = 13.0
	opWidthMin     = 4.0 // an operation of a millisecond is to be seen among seconds
	othersHeight   = 26.0
	opRowsMax      = 9
	othersMax      = 300
	closeupsMax    = 10
	nodesAlwaysAll = 5 // a cluster of up to so many nodes is shown whole
)

// Times around a violation.
const (
	lookBackMax = 5 * time.Second        // further back an operation is told of in words
	closePad    = 120 * time.Millisecond // before and after, at least
	leasedPad   = 400 * time.Millisecond // the same where leases are part of the story
)

// newCloseup draws a finding. It is nil when the finding names no operations.
func newCloseup(in Input, st stories, f verdict.Finding) *closeup {
	ops, culprit, sc, ok := frame(in, st, f)
	if !ok {
		return nil
	}
	before := superseder(ops, culprit)
	c := &closeup{Width: drawWidth, Left: sc.left, Right: sc.right, Top: closeTop, Key: f.Key, Leased: st.leased}
	y := closeTop + 6
	for _, op := range ops {
		c.Rows = append(c.Rows, newOpRow(op, op.ID == culprit.ID, sc, y))
		y += opRowHeight
	}
	c.OthersY = y
	c.Others = otherOps(in.Operations, ops, f.Key, sc, y)
	y += othersHeight
	c.OpsY = y
	c.seen(ops, culprit)
	c.Rules = rules(culprit, before, sc)
	c.drawLanes(st, ops, sc, y+8)
	for i, op := range ops {
		for _, l := range c.Lanes {
			if l.Label == op.Node && !c.Rows[i].Earlier {
				c.Dots = append(c.Dots, dot{X: c.Rows[i].Bar.X + c.Rows[i].Bar.W/2, Y: l.Y + lanePad + barHeight/2,
					Class: c.Rows[i].Bar.Class})
			}
		}
	}
	return c
}

// frame is what a finding's picture is about: its operations in order of invocation, the one that cannot be explained,
// and the part of the run that is shown.
func frame(in Input, st stories, f verdict.Finding) (ops []history.Operation, culprit history.Operation, sc scale,
	ok bool) {
	ops = in.named(f)
	if len(ops) == 0 || st.end <= 0 {
		return nil, culprit, sc, false
	}
	culprit = ops[len(ops)-1]
	slices.SortStableFunc(ops, func(a, b history.Operation) int { return cmp.Compare(a.CallSeq, b.CallSeq) })
	if spare := len(ops) - opRowsMax; spare > 0 {
		ops = ops[spare:]
	}
	least := closePad
	if st.leased {
		least = leasedPad
	}
	return ops, culprit, window(ops, culprit, superseder(ops, culprit), st.end, least), true
}

// named are the operations that a finding names and that there are, in the order in which it does.
func (in *Input) named(f verdict.Finding) []history.Operation {
	var ops []history.Operation
	for _, id := range f.Operations {
		i, ok := slices.BinarySearchFunc(in.Operations, id, func(op history.Operation, id int) int {
			return cmp.Compare(op.ID, id)
		})
		if ok {
			ops = append(ops, in.Operations[i])
		}
	}
	return ops
}

// superseder is the last update that was acknowledged before the culprit began and that it did not see: what it should
// have seen, or something later. If there is none, it is the last read before: what others had already seen. Nil if
// there is neither.
func superseder(ops []history.Operation, culprit history.Operation) *history.Operation {
	var update, read *history.Operation
	for i, op := range ops {
		if op.Outcome != history.OK || op.Return > culprit.Call || op.ID == culprit.ID {
			continue
		}
		last := &read
		if op.Op.Func.Mutates() {
			if last = &update; saw(culprit, op.Op.Value) {
				continue
			}
		}
		if *last == nil || op.Return > (*last).Return {
			*last = &ops[i]
		}
	}
	return cmp.Or(update, read)
}

// window is the part of the run that a violation is shown in: from the first of its operations, unless that was long
// before it mattered, to the answer of the last.
func window(ops []history.Operation, culprit history.Operation, before *history.Operation, end, least time.Duration,
) scale {
	to := culprit.Call
	if culprit.Completed() {
		to = culprit.Return
	}
	matters := culprit.Call
	if before != nil {
		matters = before.Call
	}
	from := matters
	for _, op := range ops {
		if op.Call < from && op.Call > matters-lookBackMax {
			from = op.Call
		}
	}
	pad := max(least, (to-from)/8)
	return scale{from: max(0, from-pad), to: min(to+pad*3/2, max(end, to+pad)), left: closeGutter,
		right: drawWidth - rightEdge}
}

func newOpRow(op history.Operation, culprit bool, sc scale, y float64) opRow {
	to := op.Return
	if !op.Completed() || op.Outcome == history.Unknown {
		to = sc.to
	}
	class := "op"
	switch {
	case culprit:
		class = "op-bad"
	case op.Outcome == history.Unknown:
		class = "op-open"
	case op.Op.Func.Mutates():
		class = "op-write"
	}
	r := opRow{Who: fmt.Sprintf("process %d at %s", op.Process, op.Node), Y: round(y + opRowHeight/2 + 4),
		Culprit: culprit, Bar: sc.stretch(op.Call, to, y+(opRowHeight-opBarHeight)/2, opBarHeight, class)}
	r.Bar.W = max(opWidthMin, r.Bar.W)
	r.Bar.Title = fmt.Sprintf("%s by %s, %s", outcome(op), r.Who, when(op))
	r.Label = outcome(op)
	if r.Earlier = to < sc.from; r.Earlier {
		r.Label = fmt.Sprintf("◂ %s, at %s", r.Label, seconds(op.Return))
		r.Bar.W = 0
	}
	r.LabelX, r.Anchor = r.Bar.X+r.Bar.W+6, "start"
	room := 7 * float64(len([]rune(r.Label)))
	if r.LabelX+room > sc.right {
		r.LabelX, r.Anchor = r.Bar.X-6, "end"
		if r.LabelX-room < sc.left { // a long bar: on it
			r.LabelX, r.Anchor = r.Bar.X+6, "start"
		}
	}
	r.LabelX = round(r.LabelX)
	return r
}

// outcome is an operation with what came of it: "read x → 5".
func outcome(op history.Operation) string {
	s := op.Op.String()
	switch {
	case op.Outcome == history.Unknown:
		return s + ", outcome unknown"
	case op.Outcome == history.Fail:
		return s + ", failed"
	case op.Op.Func == history.Read, op.Op.Func == history.Append:
		return s + " → " + op.Result.String()
	case op.Op.Func == history.CAS && !op.Result.Matched:
		return s + ", no match, found " + op.Result.String()
	}
	return s + ", ok"
}

func when(op history.Operation) string {
	if !op.Completed() {
		return seconds(op.Call) + ", never answered"
	}
	return seconds(op.Call) + " to " + seconds(op.Return)
}

// otherOps are the operations on the register that have no part in the violation.
func otherOps(all, ops []history.Operation, key string, sc scale, y float64) []band {
	var out []band
	for _, op := range all {
		to, beside := isBeside(&op, key, sc)
		if !beside || len(out) >= othersMax ||
			slices.ContainsFunc(ops, func(o history.Operation) bool { return o.ID == op.ID }) {
			continue
		}
		b := sc.stretch(op.Call, to, y+7, 11, "other")
		if op.Op.Func.Mutates() && (op.Op.Func != history.CAS || op.Result.Matched || op.Outcome != history.OK) {
			b.Class = "other-write"
		}
		b.W = max(2, b.W)
		b.Title = fmt.Sprintf("%s by process %d at %s, %s", outcome(op), op.Process, op.Node, when(op))
		out = append(out, b)
	}
	return out
}

// isBeside reports whether an operation is on a register and within a part of the run, and when it ended.
func isBeside(op *history.Operation, key string, sc scale) (to time.Duration, ok bool) {
	if to = op.Return; !op.Completed() {
		to = op.Call
	}
	return to, op.Op.Key == key && op.Outcome != history.Fail && sc.shows(op.Call, to)
}

// seen draws a line from the operation that wrote a value to each that saw it.
func (c *closeup) seen(ops []history.Operation, culprit history.Operation) {
	for i, w := range ops {
		if !w.Op.Func.Mutates() || c.Rows[i].Earlier {
			continue
		}
		for j, r := range ops {
			if i == j || r.Op.Func != history.Read && r.Op.Func != history.CAS || !saw(r, w.Op.Value) {
				continue
			}
			line := curve{Class: "saw", D: elbow(c.Rows[i].Bar, c.Rows[j].Bar),
				Title: fmt.Sprintf("%s saw what %s wrote", outcome(r), w.Op)}
			if r.ID == culprit.ID {
				line.Class = "saw-bad"
			}
			c.Seen = append(c.Seen, line)
		}
	}
}

// elbow leads from one bar to another: straight to the height of the other, and then along, where nothing is written.
func elbow(from, to band) string {
	const bend = 5.0
	x, y := from.X+min(from.W/2, 6), from.Y+from.H
	end, level := to.X, to.Y+to.H/2
	down := bend
	if level < y {
		y, down = from.Y, -bend
	}
	if end < x+2*bend {
		return fmt.Sprintf("M%.1f %.1fL%.1f %.1f", x, y, end, level)
	}
	return fmt.Sprintf("M%.1f %.1fV%.1fQ%.1f %.1f %.1f %.1fH%.1f", x, y, level-down, x, level, x+bend, level, end)
}

// saw reports whether an operation found the value.
func saw(op history.Operation, value int64) bool {
	if op.Outcome != history.OK {
		return false
	}
	return slices.Contains(op.Result.Values, value) ||
		op.Op.Func == history.CAS && op.Result.Matched && op.Op.Expect != nil && *op.Op.Expect == value
}

// rules mark when the update before was acknowledged, or the value seen, and when the culprit began. Their labels lean
// away from each other.
func rules(culprit history.Operation, before *history.Operation, sc scale) []rule {
	out := []rule{{X: sc.x(culprit.Call), Class: "rule-bad", Label: "began " + seconds(culprit.Call), Anchor: "start"}}
	if before != nil {
		what := "seen "
		if before.Op.Func.Mutates() {
			what = "acknowledged "
		}
		out = append(out, rule{X: sc.x(before.Return), Class: "rule-good", Anchor: "end", Label: what +
			seconds(before.Return)})
	}
	for i := range out {
		room := 7 * float64(len(out[i].Label))
		switch {
		case out[i].Anchor == "start" && out[i].X+room > drawWidth:
			out[i].Anchor = "end"
			if before != nil && out[1-i].X > out[i].X-2*room { // no room for both
				out[i].Label = ""
			}
		case out[i].Anchor == "end" && out[i].X-room < 0:
			out[i].Anchor = "start"
		}
	}
	return out
}

// drawLanes draws the nodes that have a part in it: those that were asked, that led or held a lease, or had something
// done to them meanwhile. A small cluster is shown whole.
func (c *closeup) drawLanes(st stories, ops []history.Operation, sc scale, y float64) {
	ls := lanes{sc: sc, leased: st.leased, windows: st.windows, nodes: st.names()}
	rows := make(map[string]float64)
	top := y
	var hidden []string
	for _, s := range st.nodes {
		if len(st.nodes) > nodesAlwaysAll && !involved(s, st, ops, sc) {
			hidden = append(hidden, s.Node)
			continue
		}
		c.Lanes = append(c.Lanes, ls.draw(s, y))
		rows[s.Node] = y
		y += ls.height()
	}
	c.Hidden = strings.Join(hidden, ", ")
	c.Red = ls.red(st.clashes, top, rows, y)
	c.AxisY = y
	c.Ticks = sc.ticks(12, y+16)
	c.Height = y + 24
}

func involved(s leases.Story, st stories, ops []history.Operation, sc scale) bool {
	asked := func(op history.Operation) bool { return op.Node == s.Node }
	during := func(p leases.Span) bool { return sc.shows(p.From, p.To) }
	hit := func(w history.FaultWindow) bool {
		return slices.Contains(w.Targets, s.Node) && sc.shows(w.From, w.To)
	}
	return slices.ContainsFunc(ops, asked) || slices.ContainsFunc(s.Leads, during) ||
		slices.ContainsFunc(s.Holds, during) || slices.ContainsFunc(st.windows, hit)
}
