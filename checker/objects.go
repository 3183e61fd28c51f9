package checker

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"elenchus/checker/writeonce"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Names of violations of write-once objects, in the terms of consensus. What was seen of a decision and not by a later
// read is a stale read, as of registers, unless nobody ever saw it again.
const (
	nameTwoChosen    = "two values chosen"
	nameChanged      = "chosen value changed"
	nameWonTwice     = "two proposals won"
	nameWonLate      = "won after the decision"
	nameUnproposed   = "value that nobody proposed"
	nameFailedChosen = "failed proposal was chosen"
	nameForeseen     = "value seen before it was proposed"
	nameDecisionLost = "decision lost"
	nameNoDecision   = "rejected without a decision"
)

// objectOps translates the operations on a write-once object. It reports false for other things: what is changed
// otherwise than from absent.
func objectOps(ops []history.Operation) (_ []writeonce.Op, from []int, ok bool) {
	var out []writeonce.Op
	proposals := false
	for i := range ops {
		n := len(out)
		if out, ok = writeonce.Append(out, &ops[i]); !ok {
			return nil, nil, false
		}
		if len(out) > n {
			from = append(from, i)
		}
		proposals = proposals || ops[i].Op.Func == history.CAS
	}
	return out, from, proposals
}

// decideObject decides a write-once object, and replays the order that proves it to be valid.
func decideObject(ops []writeonce.Op) (verdict.Status, error) {
	if _, ok := writeonce.Decide(ops); !ok {
		return verdict.Violated, nil
	}
	if err := writeonce.Verify(ops, writeonce.Order(ops)); err != nil {
		return verdict.Unknown, fmt.Errorf("verify the order of a write-once object: %w", err)
	}
	return verdict.Valid, nil
}

// asObject decides a key that is a write-once object in a way of its own. If it was decided by its order as a register
// as well, the two must agree; where a value was proposed twice, this is the only one that can.
func asObject(ops []history.Operation, asRegister verdict.Status) (status verdict.Status, is bool, err error) {
	object, _, is := objectOps(ops)
	if !is {
		return asRegister, false, nil
	}
	status, err = decideObject(object)
	if err == nil && asRegister != verdict.Unknown && asRegister != status {
		err = fmt.Errorf("%w: as a register it is %s, as a write-once object %s", errDisagree, asRegister, status)
	}
	return status, true, err
}

// explainObject finds the first answer of a violated object that no order explains, and the few operations that show
// it.
func explainObject(ops []history.Operation) (*Explanation, []history.Operation, error) {
	illegal := func(ops []history.Operation) bool {
		object, _, is := objectOps(ops)
		_, valid := writeonce.Decide(object)
		return is && !valid
	}
	prefix, last, ok := shortestPrefix(ops, illegal)
	if !ok {
		return nil, nil, errors.New("find the answer that completes the violation: there is none")
	}
	object, from, _ := objectOps(prefix)
	v, _ := writeonce.Decide(object)
	var core []history.Operation
	for _, i := range v.Proof {
		core = append(core, prefix[from[i]])
	}
	slices.SortFunc(core, func(a, b history.Operation) int { return int(a.CallSeq - b.CallSeq) })
	return &Explanation{Prefix: len(prefix), Last: last.ID, Core: ids(core)}, core, nil
}

// objectPlainly accounts for a write-once object by the answer that completed the violation.
func objectPlainly(k KeyHistory, failed []history.Operation, last history.Operation) (plainly, bool) {
	if !k.writeOnce || last.Outcome != history.OK {
		return plainly{}, false
	}
	prefix := upTo(k.Ops, last.ReturnSeq)
	ops, from, is := objectOps(prefix)
	v, valid := writeonce.Decide(ops)
	if !is || valid {
		return plainly{}, false
	}
	o := object{k: k, failed: failed, flaw: v.Flaw}
	for _, i := range v.Proof {
		op, _ := byID(k.Ops, prefix[from[i]].ID)
		o.proof = append(o.proof, op)
	}
	return o.account(last), true
}

// object is a write-once object that is violated, and the operations that prove it.
type object struct {
	k      KeyHistory
	failed []history.Operation
	flaw   writeonce.Flaw
	proof  []history.Operation
}

// account says in a sentence what is wrong, and who has which part in it.
func (o object) account(last history.Operation) plainly {
	p := plainly{last: last}
	a := o.proof[0]
	switch o.flaw {
	case writeonce.Unknowable:
		p.name = nameNoDecision
		p.summary = fmt.Sprintf("%s was told at %s that something else than %d had been chosen for %s, and that it is %v: "+
			"no object answers that.", upper(who(a)), seconds(a.Return), a.Op.Value, o.k.Key, a.Result)
		p.takes(a, "cannot be explained")
	case writeonce.Unproposed:
		o.unproposed(&p, a)
	case writeonce.Foreseen:
		o.foreseen(&p, a, o.proof[1])
	case writeonce.WonTwice:
		b := o.proof[1]
		p.name, p.before = nameWonTwice, a
		p.summary = fmt.Sprintf("The proposals of %d for %s by %s (%s) and by %s (%s) were both told to be the first.",
			a.Op.Value, o.k.Key, who(a), when(a), who(b), when(b))
		p.takes(a, "was told to be first").takes(b, "was told to be first, too")
	case writeonce.Disagreed:
		o.disagreed(&p, a, o.proof[1])
	case writeonce.Overlooked:
		o.overlooked(&p, a, o.proof[1])
	}
	for _, w := range o.proof[min(2, len(o.proof)):] {
		p.takes(w, fmt.Sprintf("proposed %d", w.Op.Value))
	}
	return p
}

// chosen is the value that an operation proves to have been chosen.
func chosen(op history.Operation) int64 {
	if op.Op.Func == history.CAS && op.Result.Matched {
		return op.Op.Value
	}
	return append(slices.Clone(op.Result.Values), 0)[0]
}

// choice is what an operation saw to have been chosen, for a sentence: "that 5 had been chosen for r0".
func (o object) choice(op history.Operation) string {
	return fmt.Sprintf("that %d had been chosen for %s", chosen(op), o.k.Key)
}

func (o object) unproposed(p *plainly, a history.Operation) {
	v := chosen(a)
	p.name = nameUnproposed
	p.summary = fmt.Sprintf("%s saw %s at %s, but nobody ever proposed it.", upper(who(a)), o.choice(a), seconds(a.Return))
	p.takes(a, fmt.Sprintf("saw %d", v))
	for _, w := range append(slices.Clone(o.failed), o.k.Ops...) {
		switch {
		case w.Op.Func != history.CAS || w.Op.Value != v || w.ID == a.ID:
		case w.Outcome == history.Fail:
			p.name = nameFailedChosen
			p.summary = fmt.Sprintf("%s saw %s at %s, but the proposal of %d by %s had been answered with a failure (%s) at %s.",
				upper(who(a)), o.choice(a), seconds(a.Return), v, who(w), w.Reason, seconds(w.Return))
			p.takes(w, "failed")
			return
		case w.Outcome == history.OK && !w.Result.Matched:
			p.name = nameFailedChosen
			p.summary = fmt.Sprintf("%s saw %s at %s, but the proposal of %d by %s had been answered at %s that it came too "+
				"late (%v had been chosen).", upper(who(a)), o.choice(a), seconds(a.Return), v, who(w), seconds(w.Return),
				w.Result)
			p.takes(w, "was told that it came too late")
			return
		case w.CallSeq > a.ReturnSeq:
			p.name = nameForeseen
			p.summary = fmt.Sprintf("%s saw %s at %s, but nobody proposed %d before %s.", upper(who(a)), o.choice(a),
				seconds(a.Return), v, seconds(w.Call))
			p.takes(w, "proposed it later")
			return
		}
	}
}

// foreseen accounts for a proposal that was told to be the first when its value had been seen before. Somebody else had
// proposed the value by then: otherwise it would have been unproposed when it was seen, and this the first violation.
func (o object) foreseen(p *plainly, a, b history.Operation) {
	p.takes(a, "saw it before").takes(b, "proposed what was seen")
	p.name, p.before = nameWonLate, a
	p.summary = fmt.Sprintf("The proposal of %d for %s by %s (%s) was told to be the first, but %s had seen %s at %s.",
		b.Op.Value, o.k.Key, who(b), when(b), asker(a, b), o.choice(a), seconds(a.Return))
}

func (o object) disagreed(p *plainly, a, b history.Operation) {
	x, y := chosen(a), chosen(b)
	p.name, p.before = nameTwoChosen, a
	p.newer, p.old = &x, &y
	and := "and"
	if a.ReturnSeq < b.CallSeq {
		p.name, p.superseded, and = nameChanged, true, "but later"
	}
	p.summary = fmt.Sprintf("Two values were chosen for %s: %d, as %s %s at %s, %s %d, as %s %s at %s.", o.k.Key, x,
		who(a), learned(a), seconds(a.Return), and, y, who(b), learned(b), seconds(b.Return))
	p.takes(a, fmt.Sprintf("%s %d", learned(a), x)).takes(b, fmt.Sprintf("%s %d", learned(b), y))
}

// learned says how somebody knows what was chosen.
func learned(op history.Operation) string {
	switch {
	case op.Op.Func == history.Read:
		return "read"
	case op.Result.Matched:
		return "was told that it had won with"
	}
	return "was told instead of its own"
}

func (o object) overlooked(p *plainly, a, b history.Operation) {
	v := chosen(a)
	p.name, p.before, p.superseded, p.newer = nameDecisionLost, a, true, &v
	end := ", and nobody ever saw it again"
	for _, c := range o.k.Ops {
		if c.Outcome == history.OK && c.CallSeq > b.ReturnSeq && slices.Contains(c.Result.Values, v) {
			p.name = nameStale
			end = fmt.Sprintf("; %s saw it again at %s", who(c), seconds(c.Return))
			break
		}
	}
	proven, began := instants(a.Return, b.Call)
	p.summary = fmt.Sprintf("%d was chosen for %s, as %s %s at %s, but a read by %s that began at %s found nothing%s.", v,
		o.k.Key, who(a), learned(a), proven, asker(b, a), began, end)
	p.takes(a, fmt.Sprintf("%s %d", learned(a), v)).takes(b, "found nothing")
}

// objects is what is counted of write-once objects.
type objects struct {
	proposals, others int // updates from absent, and other updates
	decided           int // keys of which somebody saw what was chosen
}

// writeOnce reports whether all that clients ever did was to propose: then keys are told of as write-once objects.
func (o *objects) writeOnce() bool { return o.others == 0 && o.proposals > 1 }

// note counts an update as it is invoked.
func (o *objects) note(op *history.Op) {
	switch {
	case !op.Func.Mutates():
	case op.Func == history.CAS && op.Expect == nil:
		o.proposals++
	default:
		o.others++
	}
}

// objectsCheck adds up what linearizability says of write-once objects. There is no such check where there are others.
func objectsCheck(keys []keyVerdict, o *objects, elapsed time.Duration) (c verdict.Check, is bool) {
	c = verdict.Check{Checker: CheckWriteOnce, Status: verdict.Valid, Elapsed: elapsed}
	for i := range keys {
		switch s := keys[i].result.Status; {
		case s == verdict.Violated:
			c.Status = verdict.Violated
		case s != verdict.Valid && c.Status == verdict.Valid:
			c.Status = verdict.Unknown
		}
	}
	c.Detail = fmt.Sprintf("%s, of %d of which it was seen what was chosen; %s", verdict.Count(len(keys), "object"),
		o.decided, verdict.Count(o.proposals, "proposal"))
	return c, o.writeOnce()
}
