package picture

import (
	"fmt"
	"strings"

	"elenchus/harness/sim"
)

// rule is what an invariant means to somebody who does not know the code.
type rule struct {
	broken string // a sentence with %N for the node, %S for the slot, %B for the ballot and %K for the key
	demand string // what must hold, and why
}

// rules are those of package sim, by the names that violations have.
var rules = map[string]rule{
	"agreement": {"Two values are chosen in slot %S",
		"A slot of the log has one value for ever: it is what all nodes agree on."},
	"one-value": {"Ballot %B proposes two values for slot %S",
		"A ballot stands for one value in a slot; otherwise two majorities could accept different ones."},
	"ballot-owner": {"Ballot %B is used twice",
		"A ballot belongs to one incarnation of one node; otherwise it may stand for two values."},
	"promise-monotone": {"%N promises less than it had promised",
		"Promises only rise: a lower ballot that is accepted after all may overwrite what was chosen."},
	"durable-first": {"%N says what its disk does not have",
		"What a node says it has promised or accepted must survive a crash, so it must be on its disk first."},
	"accepted-monotone": {"%N accepts slot %S in a lower ballot than before",
		"What a node has accepted is only replaced by what comes in a higher ballot."},
	"promise-complete": {"%N promises ballot %B and does not report all that it has accepted",
		"A new leader must hear of every value that may have been chosen."},
	"election": {"%N leads ballot %B without the promises of a majority",
		"Only a majority of promises shuts out earlier leaders."},
	"safe-value": {"%N proposes for slot %S in ballot %B what may differ from a value that was chosen",
		"A new leader must propose the value of the highest ballot that it was told of."},
	"chosen-justified": {"%N takes slot %S for chosen, and it is not",
		"A value is chosen when a majority of disks have it in one ballot. Before that a crash can still undo it."},
	"applied-prefix": {"%N applies slot %S out of turn",
		"Nodes apply what is chosen, slot by slot, and never take it back."},
	"state-hash": {"%N has come to another state than others after the same slots",
		"Equal commands in equal order make equal states."},
	"recovery": {"%N does not remember after its restart what it has promised",
		"A node must find its promises on its disk when it starts, or it breaks them."},
	"lease-exclusive": {"Somebody else leads while %N holds a lease",
		"While a lease is valid its holder alone may lead: it answers reads without asking anybody."},
	"grant-honoured": {"%N takes part in ballot %B, although it owes a lease to somebody else",
		"Whoever grants a lease takes part in no other ballot until it is over, also after a restart."},
	"lease-basis": {"%N takes a lease for its own that no majority has granted",
		"A lease rests on the grants of a majority, counted from before they were asked for."},
	"ack-durable": {"%N acknowledges an update that is not on a majority of disks",
		"What a client is told has happened must survive any minority of disks."},
	"ack-order": {"%N acknowledges an update in a slot before one that was known when it was asked for",
		"What is asked for later comes later."},
	"result": {"%N gives an answer that the log does not justify",
		"Answers follow from the chosen commands in their order, each executed at most once."},
	"read-fresh": {"%N answers a read of %K from an old state",
		"A read must see every update that any client had been told of before the read began."},
	"compaction": {"%N drops from its log what nothing else holds",
		"A new log and the snapshot below it hold all that the old log held."},
	"outcome-honest": {"%N says that an update has failed which is executed",
		"\"Failed\" means never. Where nobody can know, the answer is \"unknown\"."},
	"answered": {"%N does not answer a request as it must", "Every request is answered by its deadline, once."},
	"halt":     {"%N stops, because it sees what cannot be", "No input makes a correct node stop."},
	"start":    {"%N does not start from its own log", "What a node has written it can read again."},
	"panic":    {"%N crashes on an input", "No input makes a machine panic."},
	"contract": {"%N breaks the contract with its driver", "Effects refer to what there is."},
	"codec":    {"%N sends what cannot be read", "What is encoded can be decoded."},
	"linearizability": {"What the clients saw of %K is not what a register can have done",
		"There must be one order of all operations that agrees with real time and with every answer."},
	"stuck": {"The cluster does not answer, although nothing is broken any more",
		"Once everything is healed, every client must be answered in time."},
}

// words are the title and what stands below it.
func (t *teller) words() {
	v := t.result.Violation
	t.d.Caption = fmt.Sprintf("Seed %d, hash %016x. Times are the simulator's, which no node can see. What can have led "+
		"to the failure is drawn in full, the rest is faint. Rest the pointer on anything to read more.", t.result.Seed,
		t.result.Hash)
	if t.from > 0 {
		t.d.Caption += fmt.Sprintf(" The first %.1f ms are left out.", float64(t.from)/1e6)
	}
	if v == nil {
		t.d.Title = "Nothing went wrong"
		t.d.Subtitle = "The run as it was, with everything that was sent."
		return
	}
	t.d.Title, t.d.Subtitle = Explain(v, t.plan.Schedule.Nodes)
}

// Explain says what a violation means: what went wrong, in a sentence, and what should have been.
func Explain(v *sim.Violation, nodes []string) (broken, demand string) {
	r, ok := rules[v.Invariant]
	if !ok {
		return v.String(), ""
	}
	node := "a node"
	if v.Node > 0 && v.Node <= len(nodes) {
		node = nodes[v.Node-1]
	}
	broken = strings.NewReplacer("%N", node, "%S", fmt.Sprint(v.Slot), "%B", v.Ballot.String(), "%K", v.Key).
		Replace(r.broken)
	if node == "a node" {
		broken = strings.Replace(broken, "a node", "A node", 1)
	}
	return broken + ".", r.demand
}
