package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Names of violations of sessions: what is wrong with a list whose appends are requests, in terms of these.
const (
	nameExecutedTwice  = "executed twice"
	nameRequestLost    = "acknowledged but lost"
	nameExecutedFailed = "executed after it was said to have failed"
	nameTwoAnswers     = "two answers to one request"
	nameOtherLog       = "answers and log disagree"
)

// sessioned is what is to say of one list to which requests append that may have been sent several times. Each must be
// executed once at most, once exactly if it was acknowledged, and all answers to it must be the first one.
//
// A list shows that by itself, because elements are unique for each request: an element that is there twice was
// executed twice. So attempts at one request are one append to everybody else ([history.Once]), and the list is decided
// as any other is. What that leaves out is compared here: the answers to later attempts with the first one, and, where
// nodes wrote of themselves, the log in which each request counts once with what clients saw.
type sessioned struct {
	is                        bool
	requests, again, repeated int // requests, those sent several times, and answers to later attempts
	findings                  []verdict.Finding
	odd                       string // of attempts at one request that ask for different things
}

// sessionsOf looks at one list. Log says what nodes executed.
func sessionsOf(k KeyHistory, failed []history.Operation, log func() *executed, d *diagnosis) sessioned {
	var s sessioned
	requests := make(history.Requests) // to this list
	for _, op := range append(slices.Clone(k.Ops), failed...) {
		if r := op.Op.Request; !r.IsZero() {
			requests[r] = k.requests[r]
			s.count(requests[r])
		}
	}
	if s.is = len(requests) > 0; !s.is {
		return s
	}
	if a, b, found := requests.Odd(); found {
		s.odd = fmt.Sprintf("request %v is %v for process %d and %v for process %d, so that it is not one request",
			a.Op.Request, a.Op, a.Process, b.Op, b.Process)
		return s
	}
	l, ok := newList(k, failed)
	if ok {
		s.findings = l.findings(d)
	}
	if first, other, found := requests.Discord(); found {
		s.findings = append(s.findings, twoAnswers(requests, first, other, d))
	}
	if ok && len(s.findings) == 0 { // else it is clear that they disagree
		if f, found := log().disagrees(l); found {
			s.findings = append(s.findings, f)
		}
	}
	for i := range s.findings {
		s.findings[i].Checker = CheckSessions
	}
	return s
}

func (s *sessioned) count(attempts []history.Operation) {
	s.requests++
	if len(attempts) > 1 {
		s.again++
	}
	answers := 0
	for _, a := range attempts {
		if a.Outcome == history.OK {
			answers++
		}
	}
	s.repeated += max(0, answers-1)
}

// sessionsCheck adds up lists of requests. There is no such check where there are none.
func sessionsCheck(keys []keyVerdict, elapsed time.Duration, reasons *[]string) (
	verdict.Check, []verdict.Finding, bool) {
	c := verdict.Check{Checker: CheckSessions, Status: verdict.Valid, Elapsed: elapsed}
	var findings []verdict.Finding
	var all sessioned
	for i := range keys {
		s := &keys[i].sessioned
		all.is = all.is || s.is
		all.requests, all.again, all.repeated = all.requests+s.requests, all.again+s.again, all.repeated+s.repeated
		findings = append(findings, s.findings...)
		if s.odd != "" {
			c.Status = verdict.Unknown
			*reasons = append(*reasons, s.odd)
		}
	}
	if len(findings) > 0 {
		c.Status = verdict.Violated
	}
	c.Detail = fmt.Sprintf("%s, %d of them sent several times; %s compared with the first one",
		verdict.Count(all.requests, "request"), all.again, verdict.Count(all.repeated, "further answer"))
	return c, findings, all.is
}

// twoAnswers is the finding on a request that was not answered alike. What the second answer shows twice was executed
// twice.
func twoAnswers(requests history.Requests, first, other history.Operation, d *diagnosis) verdict.Finding {
	v := first.Op.Value
	places := 0
	for _, seen := range other.Result.Values {
		if seen == v {
			places++
		}
	}
	p := plainly{name: nameTwoAnswers, last: other, before: first, newer: &v, values: []int64{v}}
	p.twice = len(first.Result.Values) != len(other.Result.Values)
	demand := "a repetition must get the first answer again, and change nothing"
	if places > 1 {
		p.name, demand = nameExecutedTwice, fmt.Sprintf("%d is there %s", v, timesOver(places))
	}
	p.summary = fmt.Sprintf("Request %v, the %s of %d to %s, was answered to %s at %s with %s, and to %s at %s with "+
		"%s: %s.", first.Op.Request, first.Op.Func, v, first.Op.Key, who(first), seconds(first.Return), bracketed(first),
		who(other), seconds(other.Return), bracketed(other), demand)
	p.takes(first, "was answered first").takes(other, "was answered otherwise")
	f := verdict.Finding{Key: first.Op.Key, Name: p.name, Summary: p.summary, At: other.Return,
		Operations: p.operations(), Table: p.rows(), Details: []string{sentOver(requests[first.Op.Request])}}
	if d != nil {
		d.tell(&f, p)
	}
	return f
}

// asRequests puts an account of a list in terms of requests, if appends to it are some.
func (l *list) asRequests(p plainly) plainly {
	if len(l.requests) == 0 || p.name == "" {
		return p
	}
	switch p.name {
	case nameAppliedTwice:
		p.name = nameExecutedTwice
	case nameElementLost:
		p.name = nameRequestLost
	case nameElementFailed:
		p.name = nameExecutedFailed
	}
	parts := p.parts
	p.parts = nil
	for _, q := range parts {
		attempts := l.requests[q.op.Op.Request]
		if len(attempts) < 2 {
			p.takes(q.op, q.role)
			continue
		}
		p.details = append(p.details, sentOver(attempts))
		if p.name == nameExecutedTwice && q.op.Op.Value == *p.newer {
			p.summary = l.executedTwice(p, attempts)
		}
		for _, a := range attempts[:min(len(attempts), attemptsTold)] {
			p.takes(a, "is an attempt at it, too")
		}
		p.takes(q.op, q.role)
	}
	return p
}

// attemptsTold is how many attempts at one request are told of one by one.
const attemptsTold = 5

// executedTwice says that a request which was sent several times was executed more than once.
func (l *list) executedTwice(p plainly, attempts []history.Operation) string {
	v, seen := *p.newer, p.last.Result.Values
	var places []string
	for i, e := range seen {
		if e == v {
			places = append(places, fmt.Sprintf("element %d", i+1))
		}
	}
	return fmt.Sprintf("Request %v, the append of %d to %s, was sent %s and executed %s: %d is %s of %s.",
		attempts[0].Op.Request, v, l.key, timesOver(len(attempts)), timesOver(len(places)), v, verdict.Together(places),
		l.seenBy(p.last))
}

// sentOver tells of the attempts at a request: by whom, when, and with what success.
func sentOver(attempts []history.Operation) string {
	var parts []string
	for _, a := range attempts[:min(len(attempts), attemptsTold)] {
		text := fmt.Sprintf("by %s at %s", who(a), seconds(a.Call))
		switch a.Outcome {
		case history.OK:
			text += fmt.Sprintf(" (answered at %s)", seconds(a.Return))
		case history.Fail:
			text += fmt.Sprintf(" (failed: %s)", a.Reason)
		default:
			text += " (outcome unknown)"
		}
		parts = append(parts, text)
	}
	if more := len(attempts) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	times := timesOver(len(attempts))
	if len(attempts) == 1 {
		times = "once"
	}
	return fmt.Sprintf("Request %v was sent %s: %s.", attempts[0].Op.Request, times, strings.Join(parts, ", "))
}
