package mutants

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Facts holds the content of a mutant's page.
type Facts struct {
	// Summary describes the mistake in one sentence.
	Summary string `json:"summary"`

	Place     string `json:"place"`     // the part of the protocol, one of Places
	Precedent string `json:"precedent"` // a system that had the mistake, with a reference
	Symptom   string `json:"symptom"`   // what clients may see
	Axis      string `json:"axis"`      // the property that is lost, one of Axes
	Faults    string `json:"faults"`    // faults required to expose it
	Workload  string `json:"workload"`  // operations required to expose it
	Breaks    string `json:"breaks"`    // the rule that is violated first
	Masked    string `json:"masked"`    // what in this system's design masks it

	// Labs are the labs, from Labs, in which the mutant can be found: a mistake outside the protocol does not exist in the
	// simulator.
	Labs []string `json:"labs"`

	// Local explains why a lab of processes on one machine is not expected to expose it although it is present; usually
	// empty.
	Local string `json:"local,omitempty"`

	// Text is the rest of the page.
	Text string `json:"text,omitempty"`
}

// Places are the parts of the protocol.
var Places = []string{
	"ballots", "promises", "accepts", "commit", "leases", "reads", "storage", "recovery", "snapshots", "sessions",
	"transport",
}

// Axes are the properties that a mistake may violate.
var Axes = []string{"safety", "liveness"}

// Labs are the environments in which mutants run.
var Labs = []string{"sim", "local"}

// parseFacts parses a page: a title, a paragraph, a list of "- Key: value" whose items may continue on indented lines,
// and further text. It returns all problems at once.
func parseFacts(name, page string) (Facts, error) {
	var f Facts
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	title, rest, _ := strings.Cut(page, "\n")
	if title != "# "+name {
		problem("line 1: the title is %q; want %q", title, "# "+name)
	}
	summary, rest, _ := strings.Cut(strings.TrimLeft(rest, "\n"), "\n\n")
	f.Summary = words(summary)
	list, text, _ := strings.Cut(strings.TrimLeft(rest, "\n"), "\n\n")
	f.Text = strings.TrimSpace(text)

	labs := ""
	fields := []struct {
		key   string
		value *string
	}{
		{"Place", &f.Place}, {"Precedent", &f.Precedent}, {"Symptom", &f.Symptom}, {"Axis", &f.Axis},
		{"Faults", &f.Faults}, {"Workload", &f.Workload}, {"Breaks", &f.Breaks}, {"Masked", &f.Masked}, {"Labs", &labs},
		{"Local", &f.Local},
	}
	for _, item := range items(list) {
		key, value, _ := strings.Cut(item, ":")
		known := false
		for _, field := range fields {
			if field.key != key {
				continue
			}
			if known = true; *field.value != "" {
				problem("%s is said twice", key)
			}
			*field.value = strings.TrimSpace(value)
		}
		if !known {
			problem("unknown fact %q", key)
		}
	}
	if f.Summary == "" || strings.HasPrefix(f.Summary, "- ") {
		problem("summary is missing")
	}
	for _, field := range fields {
		if *field.value == "" && field.value != &f.Local {
			problem("fact %q is missing", field.key)
		}
	}
	oneOf := func(key, value string, allowed []string) {
		if value != "" && !slices.Contains(allowed, value) {
			problem("%s: %q is none of %s", key, value, strings.Join(allowed, ", "))
		}
	}
	oneOf("Place", f.Place, Places)
	oneOf("Axis", f.Axis, Axes)
	for lab := range strings.SplitSeq(labs, ",") {
		f.Labs = append(f.Labs, strings.TrimSpace(lab))
		oneOf("Labs", strings.TrimSpace(lab), Labs)
	}
	return f, errors.Join(problems...)
}

// items returns the items of a list, each joined into one line.
func items(list string) (out []string) {
	for line := range strings.SplitSeq(list, "\n") {
		switch {
		case strings.HasPrefix(line, "- "):
			out = append(out, line[2:])
		case strings.TrimSpace(line) != "" && len(out) > 0:
			out[len(out)-1] += " " + strings.TrimSpace(line)
		case strings.TrimSpace(line) != "":
			out = append(out, line)
		}
	}
	return out
}

// words returns text on one line, with single spaces.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }
