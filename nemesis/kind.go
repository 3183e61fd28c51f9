package nemesis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The kinds of fault, as named in schedules, on the command line and in reports.
const (
	Partition = "partition"
	Kill      = "kill"
	Pause     = "pause"
	Clock     = "clock"
	Transfer  = "transfer"
)

// Kind describes one kind of fault.
type Kind struct {
	Name    string
	Summary string   // one line, for humans
	Forms   []string // what may follow the name in a schedule, one form per line
	Needs   []string // capabilities that a host must have: "ptrace or own-clock"; empty if it needs none
}

// Kinds lists all kinds of fault in the order in which they are shown and planned.
func Kinds() []Kind {
	return []Kind{
		{
			Name:    Partition,
			Summary: "hosts stop hearing each other: incoming packets are dropped",
			Forms: []string{
				"partition split TARGETS | TARGETS [| TARGETS ...]",
				"partition halves [leader]",
				"partition isolate TARGETS",
				"partition ring [NODES]",
				"partition bridge TARGETS [between TARGETS | TARGETS]",
				"partition one-way TARGETS -> TARGETS",
			},
			Needs: []string{"iptables"},
		},
		{
			Name:    Kill,
			Summary: "the process is killed (SIGKILL), and restarted at the end",
			Forms:   []string{"kill TARGETS"},
			Needs:   []string{"signals"},
		},
		{
			Name:    Pause,
			Summary: "the process is stopped (SIGSTOP), and continued at the end (SIGCONT)",
			Forms:   []string{"pause TARGETS"},
			Needs:   []string{"signals"},
		},
		{
			Name:    Clock,
			Summary: "clocks run fast or slow, jump, or flip back and forth; they are corrected at the end",
			Forms: []string{
				"clock rate TARGETS 0.9|-10%|+500ppm",
				"clock step TARGETS +2s",
				"clock strobe TARGETS 200ms every 50ms",
			},
			Needs: []string{"ptrace or own-clock"},
		},
		{
			Name:    Transfer,
			Summary: "the leader is asked to hand over, as operators do: it gives up leading, and the others elect",
			Forms:   []string{"transfer TARGETS"},
			Needs:   []string{}, // the node does it, and its answer is the proof
		},
	}
}

// everyKind is [Kinds], shared by readers that do not modify it.
var everyKind = Kinds()

// kindNames lists the names of [Kinds] in order.
func kindNames() []string {
	names := make([]string, 0, len(everyKind))
	for _, k := range everyKind {
		names = append(names, k.Name)
	}
	return names
}

func lookupKind(name string) (Kind, bool) {
	for _, k := range everyKind {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// ParseKinds parses a list of kinds from the command line: "partition,kill", "all" or "none". The result is in the
// order of [Kinds] without duplicates; for "none" it is empty, not nil. The error names every unknown word.
func ParseKinds(list string) ([]string, error) {
	var words []string
	for _, word := range strings.Split(list, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	switch {
	case len(words) == 0:
		return nil, fmt.Errorf("no kinds of fault given: write a list of %s, or all, or none",
			strings.Join(kindNames(), ", "))
	case len(words) == 1 && words[0] == "none":
		return []string{}, nil
	case len(words) == 1 && words[0] == "all":
		return kindNames(), nil
	}
	var problems []error
	for _, word := range words {
		if _, known := lookupKind(word); known {
			continue
		}
		if word == "all" || word == "none" {
			problems = append(problems, fmt.Errorf("%q stands alone: it does not go with other kinds of fault", word))
			continue
		}
		problems = append(problems, unknownWord("kind of fault", word, append(kindNames(), "all", "none")))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(kindNames(), func(name string) bool { return !slices.Contains(words, name) }), nil
}

// Refuse returns an error that lists the kinds of fault a host does not support, with the capabilities it lacks,
// and nil if it supports them all. It lets a run be refused before it begins instead of failing in the middle.
func Refuse(kinds []string, host string, has func(capability string) bool) error {
	var problems []error
	for _, name := range kinds {
		kind, known := lookupKind(name)
		if !known {
			problems = append(problems, unknownWord("kind of fault", name, kindNames()))
		}
		for _, need := range kind.Needs {
			if !slices.ContainsFunc(strings.Split(need, " or "), has) {
				problems = append(problems, fmt.Errorf("%s needs %q, which host %s does not have", name, need, host))
			}
		}
	}
	return errors.Join(problems...)
}

// unknownWord returns an error for a word that is not among the known ones, with a suggestion if one is close.
func unknownWord(what, word string, known []string) error {
	if near := Nearest(word, known); near != "" {
		return fmt.Errorf("unknown %s %q (did you mean %q?)", what, word, near)
	}
	return fmt.Errorf("unknown %s %q (there are %s)", what, word, strings.Join(known, ", "))
}

// Nearest returns the known word closest to the given one, or "" if none is close. Up to a third of its letters,
// and always two, may differ.
func Nearest(word string, known []string) string {
	best, bestDistance := "", max(2, len(word)/3)+1
	for _, candidate := range known {
		distance := editDistance(strings.ToLower(word), candidate)
		if distance < bestDistance && distance < len(candidate) {
			best, bestDistance = candidate, distance
		}
	}
	return best
}

// editDistance counts the insertions, deletions and substitutions of letters that turn a into b (Levenshtein 1966).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
