package checker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// seconds is an instant or a length of time as findings have it: "12.297 s".
func seconds(d time.Duration) string {
	if d == history.Forever {
		return "the end"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) + " s"
}

func who(op history.Operation) string {
	if op.Node == history.NodeUnknown {
		return fmt.Sprintf("process %d", op.Process)
	}
	return fmt.Sprintf("process %d at %s", op.Process, op.Node)
}

func when(op history.Operation) string {
	if !op.Completed() {
		return fmt.Sprintf("%s, never answered", seconds(op.Call))
	}
	return fmt.Sprintf("%s to %s", seconds(op.Call), seconds(op.Return))
}

// account is an operation in one line: "12.295 s to 12.297 s  process 3 at n2: read x → 5".
func account(op history.Operation) string {
	return fmt.Sprintf("%s  %s: %s", when(op), who(op), outcome(op))
}

// outcome is an operation with what came of it: "read x → 5".
func outcome(op history.Operation) string {
	s := op.Op.String()
	switch {
	case op.Outcome == history.Unknown:
		return s + ", outcome unknown"
	case op.Op.Func == history.Read, op.Op.Func == history.Append:
		return s + " → " + op.Result.String()
	case op.Op.Func == history.CAS && !op.Result.Matched:
		return s + ", no match, found " + op.Result.String()
	}
	return s + ", ok"
}

// linearizabilityFinding says of a violated key, in one sentence, what cannot be.
func linearizabilityFinding(k KeyHistory, failed []history.Operation, r KeyResult) verdict.Finding {
	f := verdict.Finding{Checker: CheckLinearizability, Key: k.Key}
	if len(r.Picture) > 0 {
		f.File = verdict.PictureFile(k.Key)
	}
	e := r.Explanation
	if e == nil {
		f.Summary = fmt.Sprintf("No order of the %d operations on %s can explain what its clients saw.", r.Ops, k.Key)
		return f
	}
	byID := operationsOf(k, e)
	f.Summary, f.At = summary(k, failed, e, byID), byID[e.Last].Return
	f.Operations = withLast(e)
	if len(e.Core) > 0 && len(e.Core) <= detailsMax {
		head := fmt.Sprintf("These %d operations alone have no legal order:", len(e.Core))
		if len(e.Core) == 1 {
			head = "This operation alone has no legal place:"
		}
		f.Details = append(f.Details, head)
		for _, id := range e.Core {
			f.Details = append(f.Details, account(byID[id]))
		}
		if stuck := missing(e.Core, e.Order); len(e.Order) > 0 && len(stuck) > 0 {
			f.Details = append(f.Details, fmt.Sprintf("An order that works as far as it goes: %s; "+
				"it leaves no place for %s.", join(e.Order, byID, ", then "), join(stuck, byID, ", ")))
		}
	}
	if e.Prefix > 1 {
		f.Details = append(f.Details, fmt.Sprintf("Everything on %s before the answer at %s "+
			"still had a legal order (%s).", k.Key, seconds(byID[e.Last].Return), count(e.Prefix-1, "operation")))
	}
	return f
}

// operationsOf are the operations that an explanation names, by ID.
func operationsOf(k KeyHistory, e *Explanation) map[int]history.Operation {
	out := make(map[int]history.Operation)
	for _, id := range append([]int{e.Last}, e.Core...) {
		if op, ok := byID(k.Ops, id); ok {
			out[id] = op
		}
	}
	return out
}

// withLast is the core, with the operation that completed the violation as its last.
func withLast(e *Explanation) []int {
	ids := slices.DeleteFunc(slices.Clone(e.Core), func(id int) bool { return id == e.Last })
	return append(ids, e.Last)
}

// detailsMax bounds the lines of a finding.
const detailsMax = 20

func join(ids []int, byID map[int]history.Operation, sep string) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = outcome(byID[id])
	}
	return strings.Join(parts, sep)
}

func missing(all, some []int) []int {
	return slices.DeleteFunc(slices.Clone(all), func(id int) bool { return slices.Contains(some, id) })
}

// summary is the plainest account of the violation that there is a proof for: of the operation that completed it, else
// of another in the core, else that these operations have no order.
func summary(k KeyHistory, failed []history.Operation, e *Explanation, byID map[int]history.Operation) string {
	for _, id := range append([]int{e.Last}, e.Core...) {
		if op := byID[id]; op.Outcome == history.OK {
			c := culprit{k: k, failed: failed, core: e.Core, last: op}
			for _, account := range []func() string{c.neverWritten, c.doubleCAS, c.superseded} {
				if s := account(); s != "" {
					return s
				}
			}
		}
	}
	last, n := byID[e.Last], len(e.Core)
	if n == 0 || n > detailsMax {
		return fmt.Sprintf("No order of the operations on %s up to %s can explain what %s then saw: %v → %v.",
			k.Key, seconds(last.Return), who(last), last.Op, last.Result)
	}
	return fmt.Sprintf("No order of %d operations on %s can explain what they saw; "+
		"the last of them is %v by %s, which returned at %s.", n, k.Key, last.Op, who(last), seconds(last.Return))
}

// culprit looks for an account of why last cannot be explained. Each account is a proof by itself.
type culprit struct {
	k      KeyHistory
	failed []history.Operation // operations on the key that failed
	core   []int
	last   history.Operation
}

func (c culprit) writer(v int64) (history.Operation, bool) {
	i := slices.IndexFunc(c.k.Ops, func(op history.Operation) bool {
		return op.Op.Func.Mutates() && op.Op.Value == v && !onlyLooks(op)
	})
	if i < 0 {
		return history.Operation{}, false
	}
	return c.k.Ops[i], true
}

// neverWritten accounts for values that came from nowhere, or from the future.
func (c culprit) neverWritten() string {
	saw := fmt.Sprintf("%s saw %v in %s at %s", who(c.last), c.last.Result, c.k.Key, seconds(c.last.Return))
	for _, v := range sees(c.last) {
		w, ok := c.writer(v)
		if ok && w.CallSeq < c.last.ReturnSeq {
			continue
		}
		if ok {
			return fmt.Sprintf("%s, but nobody asked to write %d before %s.", upper(saw), v, seconds(w.Call))
		}
		for _, f := range c.failed {
			if f.Op.Func.Mutates() && f.Op.Value == v {
				return fmt.Sprintf("%s, but the %s of %d had been answered with a failure (%s) at %s.",
					upper(saw), f.Op.Func, v, f.Reason, seconds(f.Return))
			}
		}
		return fmt.Sprintf("%s, but nobody ever wrote %d.", upper(saw), v)
	}
	return ""
}

// doubleCAS accounts for two compare-and-set that both replaced one value.
func (c culprit) doubleCAS() string {
	isCAS := func(op history.Operation) bool {
		return op.Outcome == history.OK && op.Op.Func == history.CAS && op.Result.Matched
	}
	if !isCAS(c.last) {
		return ""
	}
	for _, op := range c.k.Ops {
		same := op.Op.Expect == nil && c.last.Op.Expect == nil ||
			op.Op.Expect != nil && c.last.Op.Expect != nil && *op.Op.Expect == *c.last.Op.Expect
		if op.ID != c.last.ID && isCAS(op) && same && op.ReturnSeq < c.last.ReturnSeq {
			return fmt.Sprintf("Two cas on %s both replaced the same value: %v by %s (%s) and %v by %s (%s).",
				c.k.Key, op.Op, who(op), when(op), c.last.Op, who(c.last), when(c.last))
		}
	}
	return ""
}

// superseded accounts for a value that was seen after it had certainly been replaced: something proves it to have been
// there before something that proves another value, and all that was over when the last operation began.
func (c culprit) superseded() string {
	if isList(c.k) || c.last.Op.Func == history.Write || len(c.last.Result.Values) > 1 {
		return ""
	}
	old := append(sees(c.last), 0)[0]
	absent := len(sees(c.last)) == 0
	if c.last.Op.Func == history.CAS && c.last.Op.Expect == nil && c.last.Result.Matched {
		absent = true
	}
	known := c.provenSince(old)
	var best history.Operation // what proves another value, preferring the core, then updates, then the latest
	var bestValue int64
	found := false
	for _, q := range c.k.Ops {
		v, ok := proves(q)
		if !ok || !absent && v == old || q.Outcome != history.OK || q.ReturnSeq >= c.last.CallSeq {
			continue
		}
		if !absent && known >= q.CallSeq {
			continue
		}
		if !found || c.rank(q) >= c.rank(best) {
			best, bestValue, found = q, v, true
		}
	}
	if !found {
		return ""
	}
	now := "found nothing"
	if !absent {
		now = fmt.Sprintf("saw %d", old)
	}
	what := fmt.Sprintf("a %s by %s that began at %s still %s", c.last.Op.Func, who(c.last), seconds(c.last.Call), now)
	w, ok := c.writer(bestValue)
	switch {
	case ok && w.ID == best.ID && !c.everSeen(bestValue):
		return fmt.Sprintf("The %s of %d to %s by %s was acknowledged at %s, but nobody ever saw it: %s.",
			w.Op.Func, bestValue, c.k.Key, who(w), seconds(w.Return), what)
	case ok && w.ID == best.ID:
		return fmt.Sprintf("The %s of %d to %s by %s was acknowledged at %s, but %s.",
			w.Op.Func, bestValue, c.k.Key, who(w), seconds(w.Return), what)
	}
	return fmt.Sprintf("Register %s had already been seen to be %d by %s at %s, but %s.",
		c.k.Key, bestValue, who(best), seconds(best.Return), what)
}

// proves is the value that an operation shows to have been the register's, at some instant between its call and return.
func proves(op history.Operation) (int64, bool) {
	if op.Op.Func == history.Write || op.Op.Func == history.CAS && op.Result.Matched {
		return op.Op.Value, true
	}
	if len(op.Result.Values) == 1 {
		return op.Result.Values[0], true
	}
	return 0, false
}

// provenSince is the first return of an operation that shows v to have been in the register, or never.
func (c culprit) provenSince(v int64) int64 {
	since := int64(never)
	for i := range c.k.Ops {
		if p := &c.k.Ops[i]; p.Outcome == history.OK && p.ReturnSeq < since {
			if pv, ok := proves(*p); ok && pv == v {
				since = p.ReturnSeq
			}
		}
	}
	return since
}

func (c culprit) everSeen(v int64) bool {
	return slices.ContainsFunc(c.k.Ops, func(op history.Operation) bool {
		return op.Outcome == history.OK && slices.Contains(sees(op), v)
	})
}

func (c culprit) rank(op history.Operation) int {
	n := 0
	if slices.Contains(c.core, op.ID) {
		n += 2
	}
	if op.Op.Func.Mutates() && !onlyLooks(op) {
		n++
	}
	return n
}

// isList reports whether anything was appended to the key: then a value does not go when the next one comes.
func isList(k KeyHistory) bool {
	return slices.ContainsFunc(k.Ops, func(op history.Operation) bool { return op.Op.Func == history.Append })
}

// upper makes the first letter a capital, for the beginning of a sentence.
func upper(s string) string {
	if s != "" && 'a' <= s[0] && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}
