package hunt

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Table writes the rows as a page in Markdown, together with what a local lab found of the same mutants. The command is
// how the page was made.
func Table(w io.Writer, rows, labs []*Row, command string) error {
	t := &table{labs: labs}
	t.say("# Seeded bugs, and how fast each is found\n")
	t.say("Made by `%s`; do not edit.\n"+
		"The mistakes are in [node/mutants/catalogue](../node/mutants/catalogue),\n"+
		"a folder each: a patch, and a page that says who shipped it, what it takes, and what hides it. What was learned\n"+
		"from those that were held back is [there](../node/mutants/catalogue/README.md), too. The [gallery](gallery.md)\n"+
		"shows five of them as the smallest runs that fail.\n", command)
	t.explain(rows)
	t.scores(rows)
	t.lab(rows)
	t.found(rows)
	t.missed(rows)
	t.missedInLab(rows)
	t.outside(rows)
	_, err := io.WriteString(w, t.String())
	return err
}

type table struct {
	strings.Builder
	labs []*Row
}

func (t *table) say(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

func (t *table) explain(rows []*Row) {
	starts, budget := 0, time.Duration(0)
	for _, r := range rows {
		starts, budget = max(starts, len(r.All.Starts)), max(budget, r.Budget)
	}
	covers := 0.0
	if starts > 0 {
		_, covers = intervalSkip(starts)
	}
	t.say("The simulator hunts each mutant from up to %d starting seeds, with at most %v of processor time for each,\n"+
		"and the same plans that any campaign draws. A third of the mutants, chosen by a digest of their names and marked\n"+
		"°, were not looked at while the simulator was improved on the others.\n", starts, budget)
	t.say("- *Found* is from how many of the seeds it was found, and *check* what found it, the most frequent first.\n"+
		"- *Median*, *worst* and *interval* (around the median, %.0f %% for %d seeds, by order statistics) are in seconds\n"+
		"  of processor time from the start of the process to the verdict; the clock behind them ticks every 10 ms on many\n"+
		"  machines. `>` means that the budget was used up.\n"+
		"- *Clients* is the time until the same hunt finds it by nothing but what clients can see. `-` means that nothing\n"+
		"  was seen, `?` that it was not tried, `yes` that a check that needs only clients had found it anyway.\n"+
		"- *Smallest* is what shrinking left of the first failing run: faults, operations of clients and messages\n"+
		"  between nodes.\n"+
		"- *Lab* is the elapsed time, in seconds, until tests of real nodes on hosts in network namespaces found it.\n",
		100*covers, starts)
}

func (t *table) scores(rows []*Row) {
	t.say("| | mutants | found | in 19 of 20 seeds | seen by clients |")
	t.say("|---|---:|---:|---:|---:|")
	tried := slices.ContainsFunc(rows, func(r *Row) bool { return r.Clients != nil })
	var all, open, held Score
	for _, r := range rows {
		all.Add(r)
		if r.HeldBack {
			held.Add(r)
		} else {
			open.Add(r)
		}
	}
	for _, line := range []struct {
		name string
		Score
	}{{"developed against", open}, {"held back °", held}, {"all", all}} {
		low, share, high := Rate(line.Found, line.Mutants)
		seen := "?"
		if tried {
			seen = strconv.Itoa(line.Seen)
		}
		t.say("| %s | %d | %d (%.0f %%, 95 %%: %.0f…%.0f) | %d | %s |", line.name, line.Mutants, line.Found, 100*share,
			100*low, 100*high, line.Surely, seen)
	}
	var medians []Time
	for _, r := range rows {
		if !r.Outside {
			medians = append(medians, Median(r.All.Times()).Median)
		}
	}
	if len(medians) > 0 {
		t.say("\nThe median of the medians is %v s.\n", Median(medians).Median)
	}
}

// lab says how many of the mutants whose effects clients can see were found in a lab, too.
func (t *table) lab(rows []*Row) {
	tried, seen, found, foundSeen, budget := 0, 0, 0, 0, time.Duration(0)
	for _, r := range rows {
		l := t.labRow(r.Name)
		if l == nil || l.Outside {
			continue
		}
		tried++
		visible := r.Outside || r.Propagated() // mutants in parts that the simulator does not have can be found only in a lab
		if visible {
			seen++
		}
		if budget = max(budget, l.Budget); l.Found() {
			found++
			if visible {
				foundSeen++
			}
		}
	}
	if tried > 0 {
		t.say("In a local lab, with at most %v of elapsed time for each, tests found %d of %d mutants that were tried, and\n"+
			"%d of the %d among them that clients can see.\n", budget, found, tried, foundSeen, seen)
	}
}

// missedInLab lists the mutants that tests in a lab did not find, and the reason if their pages give one.
func (t *table) missedInLab(rows []*Row) {
	said := false
	for _, r := range rows {
		l := t.labRow(r.Name)
		if l == nil || l.Outside || l.Found() {
			continue
		}
		if !said {
			said = true
			t.say("## Not found in a local lab\n")
			t.say("| mutant | tests | seconds | seen by clients in the simulator | why not |")
			t.say("|---|---:|---:|---:|---|")
		}
		runs, _ := l.All.Runs()
		var spent time.Duration
		for i := range l.All.Starts {
			spent += l.All.Starts[i].CPU // in a lab this is elapsed time
		}
		why := cmp.Or(l.WhyNot, "not known: too rare for so few tests, or for this lab")
		t.say("| %s | %d | %.0f | %s | %s |", r.link(), runs, spent.Seconds(), r.clients(), why)
	}
	if said {
		t.say("")
	}
}

// labRow returns the row of a mutant in the results of a lab; nil if it has none.
func (t *table) labRow(name string) *Row {
	for _, r := range t.labs {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// inLab describes the result of a mutant in a lab, for a cell of a table.
func (t *table) inLab(name string) string {
	r := t.labRow(name)
	switch {
	case r == nil:
		return "?"
	case r.Outside:
		return "not there"
	case r.Found():
		return Median(r.All.Times()).Median.String()
	}
	return "-"
}

func (t *table) found(rows []*Row) {
	t.say("## Found\n")
	t.say("| mutant | place | precedent | found | check | median | interval | worst | clients | smallest | lab |")
	t.say("|---|---|---|---:|---|---:|---:|---:|---:|---:|---:|")
	for _, r := range rows {
		if r.Outside || !r.Found() {
			continue
		}
		e := Median(r.All.Times())
		var checks []string
		for _, c := range r.All.Checks() {
			checks = append(checks, c.Name)
		}
		t.say("| %s | %s | %s | %d/%d | %s | %v | %v…%v | %v | %s | %s | %s |", r.link(), r.Place, cell(r.Precedent),
			r.All.Found(), len(r.All.Starts), strings.Join(checks, ", "), e.Median, e.Low, e.High, e.Worst, r.clients(),
			r.Small, t.inLab(r.Name))
	}
	t.say("")
}

func (t *table) missed(rows []*Row) {
	if !slices.ContainsFunc(rows, func(r *Row) bool { return !r.Outside && !r.Found() }) {
		return
	}
	t.say("## Missed\n")
	t.say("| mutant | place | precedent | seeds | what became of it | what it would break | lab |")
	t.say("|---|---|---|---:|---|---|---:|")
	for _, r := range rows {
		if !r.Outside && !r.Found() {
			t.say("| %s | %s | %s | %d | %s | %s | %s |", r.link(), r.Place, cell(r.Precedent), len(r.All.Starts), r.Blame(),
				cell(r.Breaks), t.inLab(r.Name))
		}
	}
	t.say("")
}

func (t *table) outside(rows []*Row) {
	if !slices.ContainsFunc(rows, func(r *Row) bool { return r.Outside }) {
		return
	}
	t.say("## Not in the simulator\n")
	t.say("These are in parts that the simulator replaces by its own; a lab has them.\n")
	t.say("| mutant | place | precedent | what it breaks | lab |")
	t.say("|---|---|---|---|---:|")
	for _, r := range rows {
		if r.Outside {
			t.say("| %s | %s | %s | %s | %s |", r.link(), r.Place, cell(r.Precedent), cell(r.Breaks), t.inLab(r.Name))
		}
	}
}

func (r *Row) link() string {
	mark := ""
	if r.HeldBack {
		mark = " °"
	}
	return fmt.Sprintf("[%s](../node/mutants/catalogue/%s/mutant.md)%s", r.Name, r.Name, mark)
}

// clients describes, for a cell, how long it took until clients could see a failure.
func (r *Row) clients() string {
	switch {
	case r.Clients != nil && r.Clients.Found() > 0:
	case r.Propagated():
		return "yes"
	case r.Clients == nil:
		return "?"
	default:
		return "-"
	}
	var spent Time
	for i := range r.Clients.Starts {
		spent.At += r.Clients.Starts[i].CPU
	}
	return spent.String()
}

// cell escapes text for a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
