package checker

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
)

// pictureOpsMax bounds the operations in a picture: browsers draw that many at once. Where values are unique, older
// ones are left out until only pictureOpsWanted are left, a few screens wide, the violation in the last; and more, if
// more than pictureOverlapMax of these overlap, because a picture takes a search.
const (
	pictureOpsMax     = 300
	pictureOpsWanted  = 60
	pictureOverlapMax = 10
)

// draw makes an HTML page of the operations around a violation, which [pictureOps] chose, with the faults that were in
// effect. It returns nil if there is nothing to draw or the deadline does not allow it.
func draw(model porcupine.Model, ops []history.Operation, e *Explanation, windows []history.FaultWindow,
	deadline time.Time,
) (page []byte) {
	if e == nil {
		return nil
	}
	// Porcupine panics on models that are not pure. A picture is not worth the verdict that is already found.
	defer func() {
		if recover() != nil {
			page = nil
		}
	}()
	left := time.Until(deadline)
	if len(ops) == 0 || left <= 0 {
		return nil
	}
	ivs, from, to := onTimeAxis(ops)
	pops := porcupineOperations(ivs)
	result, info := porcupine.CheckOperationsVerbose(model, pops, left)
	if result != porcupine.Illegal {
		return nil
	}
	info.AddAnnotations(annotations(windows, from, to))
	var buf bytes.Buffer
	if err := porcupine.Visualize(pictureModel(model, e), info, &buf); err != nil {
		return nil
	}
	return bytes.Replace(buf.Bytes(), []byte("</body>"), []byte(toTheError+"</body>"), 1)
}

// toTheError opens a picture at the operation that cannot be explained rather than at the first one.
const toTheError = `<script>
for (const text of document.querySelectorAll('#canvas text')) {
  if (text.textContent.startsWith('✗')) {
    text.scrollIntoView({inline: 'center', block: 'center'})
    break
  }
}
</script>
`

// lately are the operations of a key decided by order that can matter for a picture: those on the values of the core,
// and on the latest values before the violation. All others every legal order could spare.
func lately(ops []history.Operation, e *Explanation) []history.Operation {
	last, ok := byID(ops, e.Last)
	if !ok {
		return nil
	}
	keep := make(map[int64]bool)
	core := make(map[int]bool)
	for _, id := range e.Core {
		core[id] = true
		if op, ok := byID(ops, id); ok {
			keepValues(keep, &op)
		}
	}
	n := len(keep) + pictureOpsWanted
	for i := len(ops) - 1; i >= 0 && len(keep) < n; i-- {
		if op := &ops[i]; op.CallSeq < last.ReturnSeq && op.Op.Func.Mutates() {
			keep[op.Op.Value] = true
		}
	}
	var out []history.Operation
	for i := range ops {
		op := &ops[i]
		writes := op.Op.Func.Mutates() && !onlyLooks(*op)
		switch {
		case op.CallSeq > last.ReturnSeq:
		case writes && keep[op.Op.Value]:
			if op.Op.Expect != nil && !keep[*op.Op.Expect] {
				out = append(out, weakened(*op))
				continue
			}
			out = append(out, *op)
		case !writes && (core[op.ID] || len(op.Result.Values) > 0 && keep[op.Result.Values[0]]):
			out = append(out, *op)
		}
	}
	return out
}

func keepValues(keep map[int64]bool, op *history.Operation) {
	if op.Op.Func.Mutates() {
		keep[op.Op.Value] = true
	}
	for _, v := range op.Result.Values {
		keep[v] = true
	}
}

// byID finds an operation, in a history in order of invocation.
func byID(ops []history.Operation, id int) (history.Operation, bool) {
	i, ok := slices.BinarySearchFunc(ops, id, func(op history.Operation, id int) int { return cmp.Compare(op.ID, id) })
	if !ok {
		return history.Operation{}, false
	}
	return ops[i], true
}

// pictureOps are the operations up to the one that cannot be explained; if they are too many, the latest values, and
// those of the core whenever they were.
func pictureOps(ops []history.Operation, e *Explanation) []history.Operation {
	last, ok := byID(ops, e.Last)
	if !ok {
		return nil
	}
	prefix := upTo(ops, last.ReturnSeq)
	if _, unique := firstSeen(prefix); !unique {
		if len(prefix) > pictureOpsMax {
			return nil
		}
		return prefix
	}
	for wanted := pictureOpsWanted; ; wanted /= 2 {
		prefix = pictureOf(prefix, e, wanted)
		if wanted <= 1 || (KeyHistory{Ops: prefix}).overlap() <= pictureOverlapMax {
			break
		}
	}
	if len(prefix) > pictureOpsMax {
		return nil
	}
	return prefix
}

// pictureOf leaves old values out until no more operations are left than wanted, or only those of the core.
func pictureOf(prefix []history.Operation, e *Explanation, wanted int) []history.Operation {
	if len(prefix) <= wanted {
		return prefix
	}
	core := make(map[int64]bool)
	for i := range prefix {
		if slices.Contains(e.Core, prefix[i].ID) {
			keepValues(core, &prefix[i])
		}
	}
	old := slices.DeleteFunc(values(prefix), func(v int64) bool { return core[v] })
	for n := 1; len(prefix) > wanted && n <= len(old); n++ {
		if n == len(old) || n%4 == 0 {
			prefix = withoutValues(prefix, old[:n])
		}
	}
	// Reads that have no part in the violation go next, the oldest first: what has no legal order without them has none
	// with them.
	spare := len(prefix) - wanted
	return slices.DeleteFunc(prefix, func(op history.Operation) bool {
		drop := spare > 0 && op.Op.Func == history.Read && !slices.Contains(e.Core, op.ID) && op.ID != e.Last
		if drop {
			spare--
		}
		return drop
	})
}

// onTimeAxis turns sequence numbers into nanoseconds, which order events in the same way, and ends what never returned
// just after everything else.
func onTimeAxis(ops []history.Operation) (_ []interval, from, to int64) {
	ivs, _ := intervals(ops)
	at := make(map[int64]int64, 2*len(ops))
	for _, op := range ops {
		at[op.CallSeq], at[op.ReturnSeq] = int64(op.Call), int64(op.Return)
		to = max(to, int64(op.Call))
		if op.Outcome == history.OK {
			to = max(to, int64(op.Return))
		}
	}
	to++
	from = to
	for i := range ivs {
		ivs[i].call = at[ivs[i].call]
		from = min(from, ivs[i].call)
		if ivs[i].ret == never {
			ivs[i].ret = to
		} else {
			ivs[i].ret = at[ivs[i].ret]
		}
	}
	return ivs, from, to
}

// pictureModel describes operations and states for a picture. Porcupine's page inserts states and metadata as HTML.
func pictureModel(model porcupine.Model, e *Explanation) porcupine.Model {
	describe, state := model.DescribeOperation, model.DescribeState
	model.DescribeOperation = func(in, out any) string {
		op := out.(history.Operation)
		text := op.Op.String()
		if describe != nil {
			text = describe(in, out)
		}
		switch {
		case op.ID == e.Last:
			return "✗ " + text
		case slices.Contains(e.Core, op.ID):
			return "● " + text
		}
		return text
	}
	model.DescribeState = func(s any) string {
		if state == nil {
			return html.EscapeString(fmt.Sprint(s))
		}
		return html.EscapeString(state(s))
	}
	model.DescribeOperationMetadata = func(info any) string {
		op, ok := info.(history.Operation)
		if !ok {
			return ""
		}
		return html.EscapeString(who(op) + ", " + when(op))
	}
	return model
}

func annotations(windows []history.FaultWindow, from, to int64) []porcupine.Annotation {
	var out []porcupine.Annotation
	for _, w := range windows {
		begin, end := max(int64(w.From), from), min(int64(w.To), to)
		if w.Status != history.FaultInstalled || begin >= end {
			continue
		}
		out = append(out, porcupine.Annotation{
			Tag: "fault " + w.ID, Start: begin, End: end, Description: w.Kind + " " + w.Played,
			Details: fmt.Sprintf("%s %s, in effect from %s to %s",
				w.Kind, w.Played, seconds(w.From), seconds(w.To)),
			BackgroundColor: "#f3c7c0", TextColor: "#5c1a10",
		})
	}
	return out
}
