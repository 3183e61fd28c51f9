package rules

// Names of the rules, which are those of package harness/sim.
const (
	BallotOwner     = "ballot-owner"
	PromiseMonotone = "promise-monotone"
	Recovery        = "recovery"
	GrantHonoured   = "grant-honoured"
	LeaseExclusive  = "lease-exclusive"
	LeaseBasis      = "lease-basis"
	PromiseComplete = "promise-complete"
	Election        = "election"
	OneValue        = "one-value"
	SafeValue       = "safe-value"
	ChosenJustified = "chosen-justified"
	Agreement       = "agreement"
	LeaseMargin     = "lease-margin"
	LeaseRead       = "lease-read"
	StateHash       = "state-hash"
	ReadFresh       = "read-fresh"
	AckOrder        = "ack-order"
)

// Meaning is what a rule means to somebody who does not know the code.
type Meaning struct {
	Name   string // of its violation, in a few words
	Broken string // a sentence with %N for the node, %S for the slot and %B for the ballot
	Demand string // what must hold, and why
}

// Meanings are the meanings of the rules, by name.
var Meanings = map[string]Meaning{
	LeaseMargin: {"a lease granted for too short a time",
		"%N honours a lease of ballot %B for too short a time",
		"A grant must last until the leader knows that its lease is over, whatever their clocks do within their bounds."},
	LeaseRead: {"a read without a lease",
		"%N serves a read without a valid lease",
		"A leader may read from its own state only while its lease lasts: after that, others may have written."},
	StateHash: {"two states after the same slots",
		"The state after slot %S is not the same on all nodes",
		"Who has applied the same slots is in the same state; otherwise answers depend on who is asked."},
	ReadFresh: {"a read from an old state",
		"%N answers a read from a state that is older than what somebody was told before",
		"A read sees everything that anybody was told of before the read was sent."},
	AckOrder: {"an update in the past",
		"%N answers an update as if it came before what somebody was told before",
		"What is asked for later comes later in the log than everything that anybody was told of."},
	BallotOwner: {"a ballot used twice",
		"Ballot %B is used twice",
		"A ballot belongs to one incarnation of one node; otherwise it may stand for two values."},
	PromiseMonotone: {"a promise taken back",
		"%N promises less than it had promised",
		"Promises only rise: a lower ballot that is accepted after all may overwrite what was chosen."},
	Recovery: {"a forgotten promise",
		"%N does not remember after its restart what it has promised",
		"A node must find its promises on its disk when it starts, or it breaks them."},
	GrantHonoured: {"a lease granted and not honoured",
		"%N takes part in ballot %B, although it owes a lease to somebody else",
		"Whoever grants a lease takes part in no other ballot until it is over, also after a restart."},
	LeaseExclusive: {"two leaders under one lease",
		"Somebody else leads while %N holds a lease",
		"While a lease is valid its holder alone may lead: it answers reads without asking anybody."},
	LeaseBasis: {"a lease without a majority",
		"%N takes a lease for its own that no majority has granted",
		"A lease rests on the grants of a majority, counted from before they were asked for."},
	PromiseComplete: {"a promise that leaves something out",
		"%N promises ballot %B and does not report all that it has accepted",
		"A new leader must hear of every value that may have been chosen."},
	Election: {"led without a majority",
		"%N leads ballot %B without the promises of a majority",
		"Only a majority of promises shuts out earlier leaders."},
	OneValue: {"two values in one ballot",
		"Ballot %B proposes two values for slot %S",
		"A ballot stands for one value in a slot; otherwise two majorities could accept different ones."},
	SafeValue: {"a value that may replace a chosen one",
		"%N proposes for slot %S in ballot %B what may differ from a value that was chosen",
		"A new leader must propose the value of the highest ballot that it was told of."},
	ChosenJustified: {"taken for chosen too early",
		"%N takes slot %S for chosen, and it is not",
		"A value is chosen when a majority of disks have it in one ballot. Before that a crash can still undo it."},
	Agreement: {"two values in one slot",
		"Two values are chosen in slot %S",
		"A slot of the log has one value for ever: it is what all nodes agree on."},
}
