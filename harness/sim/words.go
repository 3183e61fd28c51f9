package sim

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"elenchus/checker/rules"
)

// meanings explains the invariants, by their names in violations: a name, a sentence in which %K stands for the key,
// and what must hold. Those that are also checked on the observations of nodes in labs are in package rules.
var meanings = withShared(map[string][3]string{
	invariantDurable: {"told before it was on disk",
		"%N says what its disk does not have",
		"What a node says it has promised or accepted must survive a crash, so it must be on its disk first."},
	invariantPrefix: {"applied out of turn",
		"%N applies slot %S out of turn",
		"Nodes apply what is chosen, slot by slot, and never take it back."},
	invariantStateHash: {"states that differ",
		"%N has come to another state than others after the same slots",
		"Equal commands in equal order make equal states."},
	invariantAck: {"acknowledged before it was safe",
		"%N acknowledges an update that is not on a majority of disks",
		"What a client is told has happened must survive any minority of disks."},
	invariantRealTime: {"acknowledged out of order",
		"%N acknowledges an update in a slot before one that was known when it was asked for",
		"What is asked for later comes later."},
	invariantResult: {"wrong answer",
		"%N gives an answer that the log does not justify",
		"Answers follow from the chosen commands in their order, each executed at most once."},
	invariantFresh: {"stale read",
		"%N answers a read of %K from an old state",
		"A read must see every update that any client had been told of before the read began."},
	invariantCompaction: {"a log that lost something",
		"%N drops from its log what nothing else holds",
		"A new log and the snapshot below it hold all that the old log held."},
	invariantHonest: {"failed update took effect",
		"%N says that an update has failed which is executed",
		"\"Failed\" means never. Where nobody can know, the answer is \"unknown\"."},
	invariantAnswer: {"a request that is not answered",
		"%N does not answer a request as it must",
		"Every request is answered by its deadline, once."},
	invariantHalt: {"a node that gave up",
		"%N stops, because it sees what cannot be",
		"No input makes a correct node stop."},
	invariantStart: {"a node that does not start",
		"%N does not start from its own log",
		"What a node has written it can read again."},
	invariantPanic: {"a crash on an input",
		"%N crashes on an input",
		"No input makes a machine panic."},
	invariantContract: {"a broken contract",
		"%N breaks the contract with its driver",
		"Effects refer to what there is."},
	invariantCodec: {"an unreadable message",
		"%N sends what cannot be read",
		"What is encoded can be decoded."},
	checkLinearizable: {"not a register",
		"What the clients saw of %K is not what a register can have done",
		"There must be one order of all operations that agrees with real time and with every answer."},
	checkStuck: {"no answers, though all is healed",
		"The cluster does not answer, although nothing is broken any more",
		"Once everything is healed, every client must be answered in time."},
})

// withShared adds the meanings of the rules that package rules knows.
func withShared(own map[string][3]string) map[string]rules.Meaning {
	all := maps.Clone(rules.Meanings)
	for name, text := range own {
		all[name] = rules.Meaning{Name: text[0], Broken: text[1], Demand: text[2]}
	}
	return all
}

// Explain explains a violation: what went wrong, in a sentence, and what should have happened.
func (v *Violation) Explain(nodes []string) (broken, demand string) {
	m, ok := meanings[v.Invariant]
	if !ok {
		return v.String(), ""
	}
	return sentence(v.fill(m.Broken, nodes), nodes), m.Demand
}

// fill replaces the placeholders in a text.
func (v *Violation) fill(text string, nodes []string) string {
	node := "a node"
	if v.Node > 0 && v.Node <= len(nodes) {
		node = nodes[v.Node-1]
	}
	return strings.NewReplacer("%N", node, "%S", fmt.Sprint(v.Slot), "%B", v.Ballot.String(), "%K", v.Key).Replace(text)
}

// Account describes what was observed, in a sentence of its own: the message, with the name of the node.
func (v *Violation) Account(nodes []string) string { return sentence(v.account(nodes), nodes) }

// Summary is the account for whoever sees nothing else of the violation: it has the slot and the ballot, too, if the
// message does not say which.
func (v *Violation) Summary(nodes []string) string {
	text := v.account(nodes)
	var where []string
	if slot := fmt.Sprintf("slot %d", v.Slot); v.Slot != 0 && !mentions(text, slot) {
		where = append(where, slot)
	}
	if ballot := v.Ballot.String(); !v.Ballot.IsZero() && !mentions(text, ballot) {
		where = append(where, "ballot "+ballot)
	}
	if len(where) > 0 {
		text += " (" + strings.Join(where, ", ") + ")"
	}
	return sentence(text, nodes)
}

// mentions reports whether a text has some words, as whole words.
func mentions(text, words string) bool {
	return regexp.MustCompile(`\b` + regexp.QuoteMeta(words) + `\b`).MatchString(text)
}

func (v *Violation) account(nodes []string) string {
	line, _, _ := strings.Cut(v.Message, "\n")
	line = rounded(line)
	if v.Node > 0 && v.Node <= len(nodes) {
		line = strings.Replace(line, "the node", nodes[v.Node-1], 1)
	}
	return line
}

// sentence capitalizes the first word, unless that is the name of a node, and ends with a full stop.
func sentence(text string, nodes []string) string {
	first, _, _ := strings.Cut(strings.ReplaceAll(text, "'", " "), " ")
	if text == "" || slices.Contains(nodes, first) {
		return text + "."
	}
	r := []rune(text)
	return strings.ToUpper(string(r[0])) + string(r[1:]) + "."
}

// longDuration matches durations with more digits than are useful.
var longDuration = regexp.MustCompile(`\b(?:\d+m)?\d+\.\d{2,}(?:s|ms|µs)`)

// rounded shortens the durations in a text.
func rounded(text string) string {
	return longDuration.ReplaceAllStringFunc(text, func(s string) string {
		d, err := time.ParseDuration(s)
		if err != nil {
			return s
		}
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	})
}
