package checker

import (
	"fmt"
	"slices"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// listed is what is to say of one list, a register that is only read and appended to. What was seen of it is compared
// element by element. In a list nothing is ever overwritten, so that every two answers must be one the beginning of the
// other, an element may be there once at most, and what was in the list before an operation began must be in what that
// saw.
//
// These conditions decide the question. The longest answer gives the appends an order, and each answer a place in it;
// that none of them returned before something was called that must come earlier is what the last condition says, of
// appends and of answers. The proof that it suffices is the same as for registers, with one block for each length of
// the list (package register).
//
// At most one finding of each sort is made for a key, the earliest, with the number of the others.
type listed struct {
	is       bool // a list
	answers  int
	findings []verdict.Finding
}

func listedOf(k KeyHistory, failed []history.Operation, d *diagnosis) listed {
	l, ok := newList(k, failed)
	if !ok {
		return listed{}
	}
	return listed{is: true, answers: len(l.answers), findings: l.findings(d)}
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
	check.Detail = fmt.Sprintf("%s, %s that show the whole", verdict.Count(lists, "list"),
		verdict.Count(answers, "answer"))
	return check, findings
}

// list is one key's appends and all the answers that showed the list, in the order in which they returned.
type list struct {
	key     string
	appends map[int64]history.Operation // by element; those that failed included
	acked   []history.Operation         // acknowledged appends, in the order in which they returned
	answers []history.Operation
	longest history.Operation // the answer that showed most
	shown   []sighting        // elements that were seen, in the order in which they first were

	requests history.Requests // that these operations are, if they are requests
}

// sighting is an element with the first answer that had it.
type sighting struct {
	element int64
	by      history.Operation
}

func newList(k KeyHistory, failed []history.Operation) (*list, bool) {
	l := &list{key: k.Key, appends: make(map[int64]history.Operation), requests: k.requests}
	for _, op := range append(slices.Clone(failed), k.Ops...) {
		switch op.Op.Func {
		case history.Append:
			if _, twice := l.appends[op.Op.Value]; twice {
				return nil, false
			}
			l.appends[op.Op.Value] = op
			if op.Outcome == history.OK {
				l.acked = append(l.acked, op)
			}
		case history.Read:
		default:
			return nil, false
		}
		if op.Outcome == history.OK {
			l.answers = append(l.answers, op)
			if len(op.Result.Values) > len(l.longest.Result.Values) {
				l.longest = op
			}
		}
	}
	byReturn := func(a, b history.Operation) int { return int(a.ReturnSeq - b.ReturnSeq) }
	slices.SortFunc(l.acked, byReturn)
	slices.SortFunc(l.answers, byReturn)
	known := make(map[int64]bool)
	for _, a := range l.answers {
		values := a.Result.Values
		for i := len(values) - 1; i >= 0 && !known[values[i]]; i-- { // in a list all before it are known, too
			known[values[i]] = true
			l.shown = append(l.shown, sighting{values[i], a})
		}
	}
	return l, len(l.appends) > 0 && len(l.answers) > 0
}

// findings are the earliest of each sort.
func (l *list) findings(d *diagnosis) []verdict.Finding {
	var out []verdict.Finding
	at := make(map[string]int) // by name, into out
	others := make(map[string]int)
	for _, a := range l.answers {
		p := l.asRequests(l.account(a, false))
		if p.name == "" {
			continue
		}
		if _, known := at[p.name]; known {
			others[p.name]++
			continue
		}
		at[p.name] = len(out)
		f := verdict.Finding{Checker: CheckLists, Key: l.key, Name: p.name, Summary: p.summary, At: a.Return,
			Operations: p.operations(), Table: p.rows(), Details: p.details}
		if d != nil {
			d.tell(&f, p)
		}
		out = append(out, f)
	}
	for i := range out {
		if n := others[out[i].Name]; n > 0 {
			out[i].Details = append(out[i].Details, fmt.Sprintf("%s of %s show the same sort of damage.",
				verdict.Count(n, "later answer"), l.key))
		}
	}
	if len(out) > 1 { // whatever else is wrong with a list makes two versions of it
		out = slices.DeleteFunc(out, func(f verdict.Finding) bool { return f.Name == nameForked })
	}
	return out
}
