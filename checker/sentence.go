package checker

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// seconds is an instant or a length of time as findings have it: "12.297 s".
func seconds(d time.Duration) string {
	return precise(d, 3)
}

func precise(d time.Duration, digits int) string {
	if d == history.Forever {
		return "the end"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', digits, 64) + " s"
}

// instants are two instants in the same form as [seconds], with as many digits as it takes to tell them apart.
func instants(a, b time.Duration) (string, string) {
	for digits := 3; digits < 9; digits += 3 {
		unit := time.Second / time.Duration(math.Pow10(digits))
		if a == history.Forever || b == history.Forever || a == b || a.Round(unit) != b.Round(unit) {
			return precise(a, digits), precise(b, digits)
		}
	}
	return precise(a, 9), precise(b, 9)
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
		return s + " → " + op.Result.Brief()
	case op.Op.Func == history.CAS && !op.Result.Matched:
		return s + ", no match, found " + op.Result.String()
	}
	return s + ", ok"
}

// linearizabilityFinding says of a violated key, in one sentence, what cannot be, and what the history shows of it.
func linearizabilityFinding(k KeyHistory, failed []history.Operation, r KeyResult) (verdict.Finding, plainly) {
	f := verdict.Finding{Checker: CheckLinearizability, Key: k.Key}
	if len(r.Picture) > 0 {
		f.File = verdict.PictureFile(k.Key)
	}
	e := r.Explanation
	if e == nil {
		f.Summary = fmt.Sprintf("No order of the %d operations on %s can explain what its clients saw.", r.Ops, k.Key)
		return f, plainly{}
	}
	byID := operationsOf(k, e)
	if p, ok := listPlainly(k, failed, byID[e.Last]); ok {
		f.Name, f.Summary, f.At = p.name, p.summary, p.last.Return
		f.Operations, f.Table = p.operations(), p.rows()
		f.Details = slices.Concat([]string{alone(p)}, p.details, stillLegal(k, e, byID))
		return f, p
	}
	if p, ok := objectPlainly(k, failed, byID[e.Last]); ok {
		f.Name, f.Summary, f.At = p.name, p.summary, p.last.Return
		f.Operations, f.Table = p.operations(), p.rows()
		f.Details = append([]string{among(p)}, stillLegal(k, e, byID)...)
		return f, p
	}
	p := explainPlainly(k, failed, e, byID)
	f.Name, f.Summary, f.At = p.name, p.summary, byID[e.Last].Return
	f.Operations = withLast(e)
	f.Table = table(e, byID, p)
	if len(e.Core) > 0 && len(e.Core) <= detailsMax {
		head := fmt.Sprintf("The %d operations in the table alone have no legal order.", len(e.Core))
		if len(e.Core) == 1 {
			head = "This operation alone has no legal place."
		}
		f.Details = append(f.Details, head)
		if stuck := missing(e.Core, e.Order); len(e.Order) > 0 && len(stuck) > 0 {
			f.Details = append(f.Details, fmt.Sprintf("An order that works as far as it goes: %s; "+
				"it leaves no place for %s.", join(e.Order, byID, ", then "), join(stuck, byID, ", ")))
		}
	}
	f.Details = append(f.Details, stillLegal(k, e, byID)...)
	return f, p
}

// stillLegal says how much of a key there is nothing wrong with.
func stillLegal(k KeyHistory, e *Explanation, byID map[int]history.Operation) []string {
	if e.Prefix <= 1 {
		return nil
	}
	return []string{fmt.Sprintf("Everything on %s before the answer at %s still had a legal order (%s).", k.Key,
		seconds(byID[e.Last].Return), verdict.Count(e.Prefix-1, "operation"))}
}

// listPlainly accounts for a list, by the answer that completed the violation if that can be.
func listPlainly(k KeyHistory, failed []history.Operation, last history.Operation) (plainly, bool) {
	if !isList(k) {
		return plainly{}, false
	}
	l, ok := newList(k, failed)
	if !ok {
		return plainly{}, false
	}
	if p := l.account(last, true); last.Outcome == history.OK && p.name != "" {
		return l.asRequests(p), true
	}
	for _, a := range l.answers {
		if p := l.account(a, false); p.name != "" {
			return l.asRequests(p), true
		}
	}
	return plainly{}, false
}

// alone says that the operations of an account of a list are impossible by themselves, and which elements show it.
func alone(p plainly) string {
	if len(p.parts) == 1 {
		return "This operation alone has no legal place."
	}
	return fmt.Sprintf("The %d operations in the table alone have no legal order, "+
		"whatever else is in the list besides %s.", len(p.parts), elements(p.values))
}

// among says that the operations of an account are impossible by themselves.
func among(p plainly) string {
	if len(p.parts) == 1 {
		return "This operation alone has no legal place."
	}
	return fmt.Sprintf("The %d operations in the table alone have no legal order.", len(p.parts))
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

// plainly is the plainest account of a violation that there is a proof for.
type plainly struct {
	name    string // in a few words
	summary string // in a sentence

	last history.Operation // the operation that cannot be explained

	// holder is who believed to hold a lease, of violations that are about leases and no answer.
	holder string

	// Of a value that was seen after it had been replaced: what proves the newer one, and whether there is such a thing.
	// Values that are absent are nil.
	before     history.Operation
	superseded bool
	old, newer *int64

	// Of a list: newer was appended once and is there twice; the elements that matter; and who has which part in it.
	twice  bool
	values []int64
	parts  []part

	details []string // more sentences, of requests
}

// part is what an operation has to do with a violation, in a few words.
type part struct {
	op   history.Operation
	role string
}

// takes gives an operation its part.
func (p *plainly) takes(op history.Operation, role string) *plainly {
	if i := slices.IndexFunc(p.parts, func(q part) bool { return q.op.ID == op.ID }); i >= 0 {
		p.parts[i].role = role
		return p
	}
	p.parts = append(p.parts, part{op, role})
	return p
}

// operations are the numbers of those that have a part in it, that which cannot be explained as the last.
func (p plainly) operations() []int {
	var ids []int
	for _, q := range p.parts {
		if q.op.ID != p.last.ID {
			ids = append(ids, q.op.ID)
		}
	}
	return append(ids, p.last.ID)
}

// Names of violations of registers.
const (
	nameNowhere    = "value from nowhere"
	nameFailed     = "failed update took effect"
	nameFuture     = "value seen before it was written"
	nameLostUpdate = "lost update"
	nameStale      = "stale read"
	nameLost       = "acknowledged write lost"
	nameReturned   = "replaced value came back"
)

// explainPlainly accounts for the operation that completed the violation, else for another in the core, else says that
// these operations have no order.
func explainPlainly(k KeyHistory, failed []history.Operation, e *Explanation, byID map[int]history.Operation) plainly {
	for _, id := range append([]int{e.Last}, e.Core...) {
		if op := byID[id]; op.Outcome == history.OK {
			c := culprit{k: k, failed: failed, core: e.Core, last: op}
			for _, account := range []func() plainly{c.neverWritten, c.doubleCAS, c.superseded, c.between} {
				if p := account(); p.summary != "" {
					p.last = op
					return p
				}
			}
		}
	}
	last, n := byID[e.Last], len(e.Core)
	p := plainly{last: last}
	if n == 0 || n > detailsMax {
		p.summary = fmt.Sprintf("No order of the operations on %s up to %s can explain what %s then saw: %v → %v.",
			k.Key, seconds(last.Return), who(last), last.Op, last.Result)
		return p
	}
	p.summary = fmt.Sprintf("No order of %d operations on %s can explain what they saw; "+
		"the last of them is %v by %s, which returned at %s.", n, k.Key, last.Op, who(last), seconds(last.Return))
	return p
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
func (c culprit) neverWritten() plainly {
	saw := fmt.Sprintf("%s saw %v in %s at %s", upper(who(c.last)), c.last.Result, c.k.Key, seconds(c.last.Return))
	for _, v := range sees(c.last) {
		w, ok := c.writer(v)
		if ok && w.CallSeq < c.last.ReturnSeq {
			continue
		}
		if ok {
			return plainly{name: nameFuture,
				summary: fmt.Sprintf("%s, but nobody asked to write %d before %s.", saw, v, seconds(w.Call))}
		}
		for _, f := range c.failed {
			if f.Op.Func.Mutates() && f.Op.Value == v {
				return plainly{name: nameFailed, summary: fmt.Sprintf(
					"%s, but the %s of %d had been answered with a failure (%s) at %s.",
					saw, f.Op.Func, v, f.Reason, seconds(f.Return))}
			}
		}
		if p, found := c.refused(v); found {
			p.summary = saw + p.summary
			return p
		}
		return plainly{name: nameNowhere, summary: fmt.Sprintf("%s, but nobody ever wrote %d.", saw, v)}
	}
	return plainly{}
}

// refused accounts for a value that was seen although the compare-and-set that asked for it was told that it did not
// match. The summary continues a sentence that tells of the value.
func (c culprit) refused(v int64) (plainly, bool) {
	for _, w := range c.k.Ops {
		if w.Op.Func == history.CAS && w.Op.Value == v && onlyLooks(w) {
			return plainly{name: nameFailed, summary: fmt.Sprintf(
				", but the only request to write %d was a cas by %s, which was answered at %s that it did not match (it found %v).",
				v, who(w), seconds(w.Return), w.Result)}, true
		}
	}
	return plainly{}, false
}

// doubleCAS accounts for two compare-and-set that both replaced one value.
func (c culprit) doubleCAS() plainly {
	isCAS := func(op history.Operation) bool {
		return op.Outcome == history.OK && op.Op.Func == history.CAS && op.Result.Matched
	}
	if !isCAS(c.last) {
		return plainly{}
	}
	for _, op := range c.k.Ops {
		same := op.Op.Expect == nil && c.last.Op.Expect == nil ||
			op.Op.Expect != nil && c.last.Op.Expect != nil && *op.Op.Expect == *c.last.Op.Expect
		if op.ID != c.last.ID && isCAS(op) && same && op.ReturnSeq < c.last.ReturnSeq {
			newer := op.Op.Value
			return plainly{name: nameLostUpdate, before: op, superseded: op.ReturnSeq < c.last.CallSeq,
				old: op.Op.Expect, newer: &newer, values: []int64{c.last.Op.Value},
				summary: fmt.Sprintf("Two cas on %s both replaced the same value: %v by %s (%s) and %v by %s (%s).",
					c.k.Key, op.Op, who(op), when(op), c.last.Op, who(c.last), when(c.last))}
		}
	}
	return plainly{}
}

// superseded accounts for a value that was seen after it had certainly been replaced: something proves it to have been
// there before something that proves another value, and all that was over when the last operation began.
func (c culprit) superseded() plainly {
	if isList(c.k) || c.last.Op.Func == history.Write || len(c.last.Result.Values) > 1 {
		return plainly{}
	}
	old := append(sees(c.last), 0)[0]
	absent := len(sees(c.last)) == 0
	if c.last.Op.Func == history.CAS && c.last.Op.Expect == nil && c.last.Result.Matched {
		absent = true
	}
	best, bestValue, found := c.newest(old, absent)
	if !found {
		return plainly{}
	}
	p := plainly{before: best, superseded: true, newer: &bestValue}
	now := "found nothing"
	if !absent {
		now, p.old = fmt.Sprintf("saw %d", old), &old
	}
	p.name = c.nameOf(p)
	proven, began := instants(best.Return, c.last.Call)
	what := fmt.Sprintf("a %s by %s that began at %s still %s", c.last.Op.Func, asker(c.last, best), began, now)
	w, ok := c.writer(bestValue)
	switch {
	case ok && w.ID == best.ID && p.name == nameLost && !c.everSeen(bestValue):
		p.summary = fmt.Sprintf("The %s of %d to %s by %s was acknowledged at %s, but nobody ever saw it: %s.",
			w.Op.Func, bestValue, c.k.Key, who(w), proven, what)
	case ok && w.ID == best.ID:
		p.summary = fmt.Sprintf("The %s of %d to %s by %s was acknowledged at %s, but %s.",
			w.Op.Func, bestValue, c.k.Key, who(w), proven, what)
	default:
		p.summary = fmt.Sprintf("Register %s had already been seen to be %d by %s at %s, but %s.",
			c.k.Key, bestValue, who(best), proven, what)
	}
	return p
}

// between accounts for a compare-and-set that replaced a value which another had replaced before. The value that the
// last operation saw was made from another by its own word, with nothing between them; but a third was asked for when
// the other had been there already, and was seen before the last operation began.
func (c culprit) between() plainly {
	seen := sees(c.last)
	if len(seen) != 1 || isList(c.k) {
		return plainly{}
	}
	w, ok := c.writer(seen[0])
	if !ok || w.Op.Func != history.CAS || w.Op.Expect == nil {
		return plainly{}
	}
	replaced := *w.Op.Expect
	since := c.provenSince(replaced)
	for _, q := range c.k.Ops {
		v, ok := proves(q)
		if !ok || q.Outcome != history.OK || q.ReturnSeq >= c.last.CallSeq || v == replaced || v == seen[0] {
			continue
		}
		x, ok := c.writer(v)
		if !ok || x.CallSeq <= since {
			continue
		}
		p := plainly{name: nameLostUpdate, old: &replaced, newer: &v, values: seen}
		if e, ok := c.writer(replaced); ok {
			p.takes(e, fmt.Sprintf("wrote %d", replaced))
		}
		p.takes(x, fmt.Sprintf("wrote %d in between", v)).takes(w, fmt.Sprintf("replaced %d all the same", replaced))
		proof := "acknowledged"
		if q.ID != x.ID {
			p.takes(q, fmt.Sprintf("saw %d", v))
			proof = "seen by " + who(q)
		}
		p.takes(c.last, fmt.Sprintf("saw %d after that", seen[0]))
		p.summary = fmt.Sprintf("The %v by %s matched, but between %d and %d the register was %d: that was asked for at %s, "+
			"when %d had been there already, and was %s at %s, before the %s by %s that began at %s saw %d.", w.Op, who(w),
			replaced, seen[0], v, seconds(x.Call), replaced, proof, seconds(q.Return), c.last.Op.Func, who(c.last),
			seconds(c.last.Call), seen[0])
		return p
	}
	return plainly{}
}

// newest is what proves that another value had replaced the old one before the last operation began: preferring the
// core, then updates, then the latest.
func (c culprit) newest(old int64, absent bool) (best history.Operation, value int64, found bool) {
	known := c.provenSince(old)
	for _, q := range c.k.Ops {
		v, ok := proves(q)
		if !ok || !absent && v == old || q.Outcome != history.OK || q.ReturnSeq >= c.last.CallSeq {
			continue
		}
		if !absent && known >= q.CallSeq {
			continue
		}
		if !found || c.rank(q) >= c.rank(best) {
			best, value, found = q, v, true
		}
	}
	return best, value, found
}

// nameOf tells sorts of superseded values apart by what was seen afterwards. Whose newer value somebody saw later had
// it all the time: it was but this answer that was stale. Where nobody did, and others found the old value too, the
// register went back: the newer value is lost, or, if it had been seen, the old one came back.
func (c culprit) nameOf(p plainly) string {
	elsewhere := false
	for _, op := range c.k.Ops {
		if op.Outcome != history.OK || op.CallSeq < c.last.ReturnSeq {
			continue
		}
		for _, v := range sees(op) {
			if v == *p.newer {
				return nameStale
			}
			elsewhere = elsewhere || p.old != nil && v == *p.old && op.Node != c.last.Node
		}
		elsewhere = elsewhere || p.old == nil && op.Op.Func == history.Read && len(op.Result.Values) == 0 &&
			op.Node != c.last.Node
	}
	wrote := c.last.Op.Func == history.CAS && c.last.Result.Matched
	switch {
	case !elsewhere && !wrote:
		return nameStale
	case c.seenBefore(*p.newer):
		return nameReturned
	}
	return nameLost
}

// seenBefore reports whether somebody had seen v by the time the last operation began.
func (c culprit) seenBefore(v int64) bool {
	return slices.ContainsFunc(c.k.Ops, func(op history.Operation) bool {
		return op.Outcome == history.OK && op.ReturnSeq < c.last.CallSeq && slices.Contains(sees(op), v)
	})
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

// milliseconds is a length of time as explanations have it: "12.3 ms".
func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/1e6, 'f', 1, 64) + " ms"
}

// percent is a share as explanations have it: "1 %", "398.2 %".
func percent(share float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(share*100, 'f', 1, 64), ".0") + " %"
}
