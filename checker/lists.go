package checker

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// listed is what is to say of one list, a register that is only read and appended to. What was seen of it is compared
// element by element. In a list nothing is ever overwritten, so that every two answers must be one the beginning of the
// other, an element may be there once at most, and an element whose append was acknowledged before a read began must be
// in what it saw. Each of these is necessary for linearizability, so a finding is a violation; they do not suffice for
// it.
//
// At most one finding of each sort is made for a key, the earliest, with the number of the others.
type listed struct {
	is       bool // a list
	answers  int
	findings []verdict.Finding
}

func listedOf(k KeyHistory, failed []history.Operation) listed {
	l, ok := newList(k, failed)
	if !ok {
		return listed{}
	}
	return listed{is: true, answers: len(l.answers), findings: l.findings()}
}

// listsCheck adds up lists.
func listsCheck(keys []keyVerdict, elapsed time.Duration) (verdict.Check, []verdict.Finding) {
	check := verdict.Check{Checker: CheckLists, Status: verdict.None, Elapsed: elapsed}
	var findings []verdict.Finding
	lists, answers := 0, 0
	for i := range keys {
		if l := &keys[i].listed; l.is {
			lists++
			answers += l.answers
			findings = append(findings, l.findings...)
		}
	}
	if lists > 0 {
		check.Status = verdict.Valid
	}
	if len(findings) > 0 {
		check.Status = verdict.Violated
	}
	check.Detail = fmt.Sprintf("%s, %s that show the whole", count(lists, "list"), count(answers, "answer"))
	return check, findings
}

// list is one key's appends and all the answers that showed the list, in the order in which they returned.
type list struct {
	key     string
	appends map[int64]history.Operation // by element; those that failed included
	acked   []history.Operation         // acknowledged appends, in the order in which they returned
	answers []history.Operation
	longest history.Operation // the answer that showed most
	gone    map[int64]vanished
}

func newList(k KeyHistory, failed []history.Operation) (list, bool) {
	l := list{key: k.Key, appends: make(map[int64]history.Operation)}
	for _, op := range append(slices.Clone(failed), k.Ops...) {
		switch op.Op.Func {
		case history.Append:
			if _, twice := l.appends[op.Op.Value]; twice {
				return list{}, false
			}
			l.appends[op.Op.Value] = op
			if op.Outcome == history.OK {
				l.acked = append(l.acked, op)
			}
		case history.Read:
		default:
			return list{}, false
		}
		if op.Outcome == history.OK {
			l.answers = append(l.answers, op)
			if len(op.Result.Values) > len(l.longest.Result.Values) {
				l.longest = op
			}
		}
	}
	byReturn := func(a, b history.Operation) int { return cmp.Compare(a.ReturnSeq, b.ReturnSeq) }
	slices.SortFunc(l.acked, byReturn)
	slices.SortFunc(l.answers, byReturn)
	l.gone = l.vanishings()
	return l, len(l.appends) > 0 && len(l.answers) > 0
}

func (l list) findings() []verdict.Finding {
	var out []verdict.Finding
	for _, sort := range []struct {
		name string
		find func(history.Operation) string
	}{
		{nameElementNowhere, l.phantom}, {nameElementFailed, l.failed}, {nameAppliedTwice, l.duplicated},
		{nameElementLost, l.lost}, {nameResurrected, l.resurrected}, {nameReordered, l.reordered},
	} {
		var f verdict.Finding
		others := 0
		for _, a := range l.answers {
			text := sort.find(a)
			switch {
			case text == "":
			case f.Summary == "":
				f = verdict.Finding{Checker: CheckLists, Key: l.key, Name: sort.name, Summary: text, At: a.Return}
				f.Details = []string{account(a)}
				f.Operations = []int{a.ID}
			default:
				others++
			}
		}
		if others > 0 {
			f.Details = append(f.Details, fmt.Sprintf("%s of %s show the same sort of damage.",
				count(others, "later answer"), l.key))
		}
		if f.Summary != "" {
			out = append(out, f)
		}
	}
	return out
}

func (l list) saw(a history.Operation) string {
	return fmt.Sprintf("the list %s as %s saw it at %s", l.key, who(a), seconds(a.Return))
}

// Names of violations of lists.
const (
	nameElementNowhere = "element from nowhere"
	nameElementFailed  = "failed append took effect"
	nameAppliedTwice   = "applied twice"
	nameElementLost    = "acknowledged element lost"
	nameResurrected    = "resurrected element"
	nameReordered      = "reordered"
)

// phantom accounts for an element that nobody appended.
func (l list) phantom(a history.Operation) string {
	for _, v := range a.Result.Values {
		if _, ok := l.appends[v]; !ok {
			return fmt.Sprintf("Element %d, which nobody ever appended, is in %s.", v, l.saw(a))
		}
	}
	return ""
}

// failed accounts for an element whose append failed for certain.
func (l list) failed(a history.Operation) string {
	for _, v := range a.Result.Values {
		if w, ok := l.appends[v]; ok && w.Outcome == history.Fail {
			return fmt.Sprintf("Element %d, whose append by %s had failed (%s), is in %s.",
				v, who(w), w.Reason, l.saw(a))
		}
	}
	return ""
}

// duplicated accounts for an element that is there twice.
func (l list) duplicated(a history.Operation) string {
	seen := make(map[int64]bool, len(a.Result.Values))
	for _, v := range a.Result.Values {
		if seen[v] {
			return fmt.Sprintf("Element %d was appended once and is %d times in %s.",
				v, times(a.Result.Values, v), l.saw(a))
		}
		seen[v] = true
	}
	return ""
}

// lost accounts for an element whose append was acknowledged before a began, and that a did not see.
func (l list) lost(a history.Operation) string {
	for _, w := range l.acked {
		if w.ReturnSeq >= a.CallSeq {
			break
		}
		if !slices.Contains(a.Result.Values, w.Op.Value) {
			return fmt.Sprintf("Element %d, whose append by %s was acknowledged at %s, is missing in %s, "+
				"asked for at %s.", w.Op.Value, who(w), seconds(w.Return), l.saw(a), seconds(a.Call))
		}
	}
	return ""
}

// resurrected accounts for an element that had been seen, was then certainly gone, and is in a again: of three answers,
// one after the other, the second misses what the first and the third show.
func (l list) resurrected(a history.Operation) string {
	for _, v := range a.Result.Values {
		if g, ok := l.gone[v]; ok && g.missed.ReturnSeq < a.CallSeq {
			return fmt.Sprintf("Element %d, seen by %s at %s, was missing in the answer to %s at %s, and is back in %s.", v,
				who(g.seen), seconds(g.seen.Return), who(g.missed), seconds(g.missed.Return), l.saw(a))
		}
	}
	return ""
}

// vanished is an element that one answer showed, and a later one did not.
type vanished struct{ seen, missed history.Operation }

// vanishings finds the elements that were seen and then missed, each with the first answers of both sorts. Answers that
// show as much as all before them can miss nothing, unless the list is out of order.
func (l list) vanishings() map[int64]vanished {
	gone, seen := make(map[int64]vanished), make(map[int64]history.Operation)
	most := 0
	for _, a := range l.answers {
		values := a.Result.Values
		if len(values) < most {
			here := make(map[int64]bool, len(values))
			for _, v := range values {
				here[v] = true
			}
			for v, first := range seen {
				if _, known := gone[v]; !known && !here[v] && first.ReturnSeq < a.CallSeq {
					gone[v] = vanished{first, a}
				}
			}
		}
		most = max(most, len(values))
		for i := len(values) - 1; i >= 0; i-- {
			if _, known := seen[values[i]]; known {
				break // and so, in a list that only grows at its end, is everything before it
			}
			seen[values[i]] = a
		}
	}
	return gone
}

// reordered accounts for an answer that is not the beginning of the longest one.
func (l list) reordered(a history.Operation) string {
	for i, v := range a.Result.Values {
		if other := l.longest.Result.Values[i]; other != v {
			return fmt.Sprintf("Element %d of the list %s is %d as %s saw it at %s, and %d as %s saw it at %s.",
				i+1, l.key, v, who(a), seconds(a.Return), other, who(l.longest), seconds(l.longest.Return))
		}
	}
	return ""
}

func times(values []int64, v int64) int {
	n := 0
	for _, o := range values {
		if o == v {
			n++
		}
	}
	return n
}

// count is "1 list" or "3 lists".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
