package rules

import (
	"fmt"
	"time"

	"elenchus/results/history"
)

// Answers compares what clients were answered with the order of the log. An answer says which slot the state had
// reached that it is from. Whoever was answered before a request was sent has been told of a slot, and the answer to
// that request must be from that slot or a later one: the log as a whole is one object, and must be linearizable
// (Herlihy and Wing, TOPLAS 1990, §2.2). This needs no write to the same register, and no clock but that of whoever
// records the history. The zero value is ready.
type Answers struct {
	latest Told
	count  int
	found  map[string]*Violation
}

// Told is a slot that a client was told of: the latest so far.
type Told struct {
	Slot uint64
	Node string        // that told it
	At   time.Duration // since the run began
}

// Latest is the latest slot that anybody was told of so far.
func (a *Answers) Latest() Told { return a.latest }

// Complete takes an operation that is over. Before is what [Answers.Latest] was when it was invoked. Only answers that
// name a slot count; other systems need not name any.
func (a *Answers) Complete(op *history.Operation, before Told) {
	if op.Outcome != history.OK || op.By.Slot == 0 {
		return
	}
	a.count++
	if op.By.Slot < before.Slot {
		a.late(op, before)
	}
	if op.By.Slot > a.latest.Slot {
		a.latest = Told{op.By.Slot, op.Node, op.Return}
	}
}

// late is told of an answer from before what somebody had been told.
func (a *Answers) late(op *history.Operation, before Told) {
	rule, does := ReadFresh, "from the state after"
	if op.Op.Func != history.Read {
		rule, does = AckOrder, "as executed in"
		if !op.Op.Request.IsZero() {
			return // an attempt of what may have been executed long ago
		}
	}
	b, _ := ParseBallot(op.By.Ballot)
	if first := a.found[rule]; first != nil {
		first.Others++
		return
	}
	if a.found == nil {
		a.found = make(map[string]*Violation)
	}
	answer := *op
	a.found[rule] = &Violation{
		Rule: rule, Node: op.Node, Slot: op.By.Slot, Ballot: b, At: op.Return, Placed: true, Answer: &answer,
		Account: fmt.Sprintf("%s answers %q of process %d%s at %s, %s slot %d; the request was sent at %s, and %s had "+
			"told a client of slot %d at %s", op.Node, op.Op, op.Process, servedBy(op), seconds(op.Return), does, op.By.Slot,
			seconds(op.Call), before.Node, before.Slot, seconds(before.At)),
	}
}

// servedBy names the leader that an answer is from, if that is another than the node that gave it.
func servedBy(op *history.Operation) string {
	if op.By.Leader == "" || op.By.Leader == op.Node {
		return ""
	}
	return " by " + op.By.Leader
}
