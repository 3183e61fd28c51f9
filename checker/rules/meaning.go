package rules

// Names of the rules, which are those of package harness/sim.
const (
	BallotOwner     = "ballot-owner"
	PromiseMonotone = "promise-monotone"
	Recovery        = "recovery"
	GrantHonoured   = "grant-honoured"
	LeaseExclusive  = "lease-exclusive"
)

// Meaning is what a rule means to somebody who does not know the code.
type Meaning struct {
	Name   string // of its violation, in a few words
	Broken string // a sentence with %N for the node, %S for the slot and %B for the ballot
	Demand string // what must hold, and why
}

// Meanings are the meanings of the rules, by name.
var Meanings = map[string]Meaning{
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
}
