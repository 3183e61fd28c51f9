package checker

import (
	"fmt"
	"slices"
	"strings"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Names of violations of lists, besides those that registers have, too.
const (
	nameElementNowhere = "element from nowhere"
	nameElementFailed  = "failed append took effect"
	nameElementFuture  = "element seen before it was appended"
	nameOwnAnswer      = "append missing in its own answer"
	nameAppliedTwice   = "applied twice"
	nameElementLost    = "acknowledged element lost"
	nameElementGone    = "element lost after it was seen"
	nameResurrected    = "resurrected element"
	nameReordered      = "reordered"
	nameForked         = "two versions of a list"
)

// account is the plainest account of what is wrong with an answer, or a nameless one. Each is a proof by itself. It
// compares the answer with all before it only when it is to be thorough: else with the longest alone, which finds
// something in every list that has two answers that do not go together, if not with this one.
func (l *list) account(a history.Operation, thorough bool) plainly {
	has := make(map[int64]int, len(a.Result.Values))
	for _, v := range a.Result.Values {
		has[v]++
	}
	for _, account := range []func(history.Operation, map[int64]int) plainly{
		l.strange, l.ownAnswer, l.duplicated, l.missing,
	} {
		if p := account(a, has); p.name != "" {
			return p
		}
	}
	if p := l.conflict(a, l.longest); p.name != "" || !thorough {
		return p
	}
	for _, b := range l.answers {
		if b.ReturnSeq < a.ReturnSeq {
			if p := l.conflict(a, b); p.name != "" {
				return p
			}
		}
	}
	return plainly{}
}

// strange accounts for an element that cannot have been in the list.
func (l *list) strange(a history.Operation, _ map[int64]int) plainly {
	for _, v := range a.Result.Values {
		w, ok := l.appends[v]
		p := plainly{last: a, values: []int64{v}}
		switch {
		case !ok:
			p.name = nameElementNowhere
			p.summary = fmt.Sprintf("Element %d, which nobody ever appended, is in %s.", v, l.seenBy(a))
			p.takes(a, fmt.Sprintf("shows %d", v))
		case w.Outcome == history.Fail:
			p.name = nameElementFailed
			p.summary = fmt.Sprintf("The append of %d by %s had been answered with a failure (%s) at %s, but the element is "+
				"in %s.", v, who(w), w.Reason, seconds(w.Return), l.seenBy(a))
			p.takes(w, "failed").takes(a, fmt.Sprintf("shows %d", v))
		case w.CallSeq > a.ReturnSeq:
			p.name = nameElementFuture
			p.summary = fmt.Sprintf("Element %d is in %s, but nobody asked to append it before %s.", v, l.seenBy(a),
				seconds(w.Call))
			p.takes(a, fmt.Sprintf("shows %d", v)).takes(w, fmt.Sprintf("asks for %d later", v))
		default:
			continue
		}
		return p
	}
	return plainly{}
}

// ownAnswer accounts for an append whose answer does not end with its element.
func (l *list) ownAnswer(a history.Operation, _ map[int64]int) plainly {
	n := len(a.Result.Values)
	if a.Op.Func != history.Append || n > 0 && a.Result.Values[n-1] == a.Op.Value {
		return plainly{}
	}
	p := plainly{name: nameOwnAnswer, last: a, values: []int64{a.Op.Value},
		summary: fmt.Sprintf("The append of %d to %s by %s was acknowledged at %s with the list as it was afterwards, %s, "+
			"which does not end with %d.", a.Op.Value, l.key, who(a), seconds(a.Return), bracketed(a), a.Op.Value)}
	if n > 0 {
		last := a.Result.Values[n-1]
		p.values = append(p.values, last)
		if w, ok := l.appends[last]; ok {
			p.takes(w, "whose element it is")
		}
	}
	p.takes(a, "cannot be its own answer")
	return p
}

// duplicated accounts for an element that is there twice.
func (l *list) duplicated(a history.Operation, has map[int64]int) plainly {
	for i, v := range a.Result.Values {
		if has[v] < 2 {
			continue
		}
		w := l.appends[v]
		again := i + 1 + slices.Index(a.Result.Values[i+1:], v)
		p := plainly{name: nameAppliedTwice, last: a, before: w, twice: true, newer: &v, values: []int64{v},
			summary: fmt.Sprintf("%s asked once to append %d to %s, at %s, but it is there %s in %s, as element "+
				"%d and as element %d.", upper(who(w)), v, l.key, seconds(w.Call), timesOver(has[v]), l.seenBy(a), i+1, again+1)}
		p.takes(w, fmt.Sprintf("appended %d once", v)).takes(a, fmt.Sprintf("shows %d twice", v))
		return p
	}
	return plainly{}
}

func timesOver(n int) string {
	if n == 2 {
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// missing accounts for an element that was in the list before a began, and that a did not show. Acknowledged appends
// prove that best, the latest of them first; an element that was only seen does, too.
func (l *list) missing(a history.Operation, has map[int64]int) plainly {
	n, _ := slices.BinarySearchFunc(l.acked, a.CallSeq, func(w history.Operation, call int64) int {
		return int(w.ReturnSeq - call)
	})
	for i := n - 1; i >= 0; i-- {
		if w := l.acked[i]; has[w.Op.Value] == 0 {
			return l.gone(a, w.Op.Value, w)
		}
	}
	var best *sighting
	for i, s := range l.shown {
		if has[s.element] == 0 && s.by.ReturnSeq < a.CallSeq && (best == nil || s.by.ReturnSeq > best.by.ReturnSeq) {
			best = &l.shown[i]
		}
	}
	if best == nil {
		return plainly{}
	}
	return l.gone(a, best.element, best.by)
}

// gone tells of an element that a did not show, though before had been over by then and proves that it was there.
func (l *list) gone(a history.Operation, v int64, before history.Operation) plainly {
	p := plainly{last: a, before: before, superseded: true, newer: &v, values: []int64{v}}
	name, back, found := l.fateOf(a, v, before)
	p.name = name
	proven, began := instants(before.Return, a.Call)
	acked := before.Op.Func == history.Append && before.Op.Value == v
	role := fmt.Sprintf("had shown %d", v)
	if acked {
		role = "was over before that began"
		p.summary = fmt.Sprintf("The append of %d to %s by %s was acknowledged at %s", v, l.key, who(before), proven)
	} else {
		p.summary = fmt.Sprintf("Element %d of %s had been seen by %s at %s", v, l.key, who(before), proven)
		if w, ok := l.appends[v]; ok && w.ID != a.ID {
			p.takes(w, "whose element it is")
		}
	}
	p.summary += fmt.Sprintf(", but %s %s by %s that began at %s %s", article(a), a.Op.Func, asker(a, before), began,
		without(a))
	p.takes(before, role).takes(a, fmt.Sprintf("misses %d", v))
	switch {
	case p.name == nameResurrected:
		p.summary += fmt.Sprintf("; it is back in the answer to %s at %s", who(back), seconds(back.Return))
		p.takes(back, fmt.Sprintf("shows %d again", v))
	case found:
		p.summary += fmt.Sprintf("; %s saw it again at %s", who(back), seconds(back.Return))
	case p.name == nameElementLost, p.name == nameElementGone:
		p.summary += ", and nobody ever saw it again"
	}
	p.summary += "."
	return p
}

// without says of a list what it was when it was expected to have something more.
func without(a history.Operation) string {
	if len(a.Result.Values) == 0 {
		return "found no list at all"
	}
	return "got the list without it, " + bracketed(a)
}

// bracketed is the list as an operation saw it, however short it is.
func bracketed(a history.Operation) string {
	if len(a.Result.Values) < 2 {
		return strings.Replace(fmt.Sprint(a.Result.Values), "[]", "[ ]", 1)
	}
	return a.Result.Brief()
}

// asker is who performed an operation, for a sentence that has told of another before.
func asker(op, before history.Operation) string {
	if op.Process == before.Process && op.Node == before.Node {
		return "the same process"
	}
	return who(op)
}

// article of what an operation does.
func article(op history.Operation) string {
	if op.Op.Func == history.Append {
		return "an"
	}
	return "a"
}

// fateOf tells kinds of missing elements apart by what else was seen. An element that somebody saw later was there all
// the time, and only this answer was old; unless the list itself had gone back: others missed the element too, or an
// append took its place, and the system does not say that it answered from an earlier state. For an element that is
// never seen again, the same evidence decides whether it is lost.
func (l *list) fateOf(a history.Operation, v int64, before history.Operation) (
	name string, back history.Operation, found bool) {
	there := a.By.Slot > 0 && a.By.Slot < before.By.Slot
	elsewhere := a.Op.Func == history.Append
	for _, b := range l.answers {
		has := slices.Contains(b.Result.Values, v)
		switch {
		case b.CallSeq < before.ReturnSeq:
		case has && b.CallSeq > a.ReturnSeq && !found:
			back, found = b, true
		case has && b.ReturnSeq > a.ReturnSeq:
			there = there || !found
		case !has && !found:
			elsewhere = elsewhere || b.Node != a.Node || b.Op.Func == history.Append
		}
	}
	switch acked := before.Op.Func == history.Append && before.Op.Value == v; {
	case !elsewhere, there && found:
		return nameStale, back, found
	case found:
		return nameResurrected, back, true
	case acked:
		return nameElementLost, back, false
	}
	return nameElementGone, back, false
}

// conflict accounts for two answers of which neither is the beginning of the other.
func (l *list) conflict(a, b history.Operation) plainly {
	x, y := a.Result.Values, b.Result.Values
	for i := range min(len(x), len(y)) {
		if x[i] == y[i] {
			continue
		}
		p := plainly{last: a, before: b, values: []int64{x[i], y[i]}}
		ij, ji := slices.Index(x, y[i]), slices.Index(y, x[i])
		if ij >= 0 && ji >= 0 {
			p.name = nameReordered
			p.summary = fmt.Sprintf("Element %d comes before %d in %s, and after it in %s.",
				x[i], y[i], l.seenBy(a), answerOf(b))
		} else {
			p.name = nameForked
			p.summary = fmt.Sprintf("There are two versions of %s: element %d is %d in %s, and %d in %s.", l.key, i+1, x[i],
				answerOf(a), y[i], answerOf(b))
		}
		for _, v := range []int64{x[i], y[i]} {
			if w, ok := l.appends[v]; ok && w.ID != a.ID && w.ID != b.ID {
				p.takes(w, "whose element it is")
			}
		}
		p.takes(b, fmt.Sprintf("shows %d as element %d", y[i], i+1)).takes(a, fmt.Sprintf("shows %d there", x[i]))
		return p
	}
	return plainly{}
}

func answerOf(a history.Operation) string {
	return fmt.Sprintf("the answer to %s at %s", who(a), seconds(a.Return))
}

func (l *list) seenBy(a history.Operation) string {
	return fmt.Sprintf("the list %s as %s saw it at %s", l.key, who(a), seconds(a.Return))
}

// elements names the elements of a list that matter, in words: "element 3", "elements 3 and 5".
func elements(values []int64) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	if len(words) == 1 {
		return "element " + words[0]
	}
	return "elements " + verdict.Together(words)
}
