package checker

import (
	"fmt"
	"strings"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// checkAgreement compares the logs that the nodes applied, in all their incarnations: the same slot must hold the same
// commands everywhere (consistency as the lecture notes on Paxos define it: every server executes the same commands in
// the same order), and within one incarnation slots follow each other without a gap, except where a node installed the
// snapshot of another, or what it wrote of them is lost.
//
// A command that is applied in two slots is no finding: the log may repeat what a client retried, and the register
// applies each only once.
//
// Each finding comes with what it was made from.
func checkAgreement(nodes []NodeObservations) (verdict.Check, []verdict.Finding, []clash) {
	begin := time.Now()
	a := agreement{slots: make(map[uint64]applied)}
	incarnations := 0
	for _, n := range nodes {
		incarnations += a.node(n)
	}
	check := verdict.Check{
		Checker: CheckAgreement, Status: verdict.Valid, Elapsed: time.Since(begin),
		Detail: fmt.Sprintf("%s applied by %s of %s", verdict.Count(len(a.slots), "slot"),
			verdict.Count(incarnations, "incarnation"), verdict.Count(len(nodes), "node")),
	}
	switch {
	case len(a.findings) > 0:
		check.Status = verdict.Violated
	case len(a.slots) == 0:
		check.Status = verdict.None
	}
	if a.others > 0 {
		last := &a.findings[len(a.findings)-1]
		last.Details = append(last.Details,
			fmt.Sprintf("%s of the same kind are not listed.", verdict.Count(a.others, "finding")))
	}
	return check, a.findings, a.clashes
}

// applied is what a slot held where it was seen applied.
type applied struct {
	ids          string
	node, boot   string
	ballot       string
	ops          []history.Update
	at           time.Duration // since the run began
	placed       bool          // the instant is known
	slot, before uint64        // and the slot that the node had applied before it
}

func (p applied) by() string { return fmt.Sprintf("%s (incarnation %s)", p.node, p.boot) }

// when is the instant, for the end of a sentence.
func (p applied) when() string {
	if !p.placed {
		return ""
	}
	return " at " + seconds(p.at)
}

// clash is what a finding was made from: two that do not go together, or one that does not go with what was before.
type clash []applied

// Names of violations of agreement.
const (
	nameTwoValues = "two values in one slot"
	nameGap       = "slots out of order"
)

// agreementFindingsMax bounds the findings: once two logs differ, they tend to differ from there on.
const agreementFindingsMax = 5

type agreement struct {
	slots    map[uint64]applied
	findings []verdict.Finding
	clashes  []clash
	others   int
}

// node adds what one node applied and returns the number of its incarnations that applied anything.
func (a *agreement) node(n NodeObservations) (incarnations int) {
	boots := make(map[string]uint64)     // boot → slot up to which it has applied
	installed := make(map[string]uint64) // boot → the last slot of the snapshot that it installed last
	gaps := make(map[string]bool)        // boot → something is missing since the last that it applied
	lost := n.Log.Lost
	placed := len(n.When) == len(n.Log.Observations)
	for i, o := range n.Log.Observations {
		for ; len(lost) > 0 && lost[0].Before <= i; lost = lost[1:] {
			gaps[o.Boot] = true
		}
		switch o.Kind {
		case history.ObservedSnapshotInstalled:
			installed[o.Boot] = o.Slot
		case history.ObservedApplied:
			last, known := boots[o.Boot]
			if !known {
				incarnations++
			}
			here := applied{ids: strings.Join(o.IDs, " "), node: n.Node, boot: o.Boot, ballot: o.Ballot, ops: o.Ops,
				slot: o.Slot, before: last, placed: placed}
			if placed {
				here.at = n.When[i]
			}
			snapshot := o.Slot > last && o.Slot == installed[o.Boot]+1
			unseen := gaps[o.Boot] && o.Slot > last // what was lost may have told of the slots between
			delete(gaps, o.Boot)
			if known && o.Slot != last+1 && !snapshot && !unseen {
				a.gap(here)
			}
			boots[o.Boot] = o.Slot
			a.compare(here)
		}
	}
	return incarnations
}

// gap finds that a node left slots out, or went back.
func (a *agreement) gap(here applied) {
	means := fmt.Sprintf("it went back, and executed slot %d once more", here.slot)
	if here.slot > here.before+1 {
		means = fmt.Sprintf("slot %d was left out, and its state lacks what that holds", here.before+1)
	}
	if n := here.slot - here.before - 1; here.slot > here.before+2 {
		means = fmt.Sprintf("%s were left out, and its state lacks what these hold", verdict.Count(int(n), "slot"))
	}
	a.find(verdict.Finding{
		Checker: CheckAgreement, Name: nameGap, At: here.at,
		Summary: fmt.Sprintf("Node %s applied slot %d right after slot %d%s: %s.", here.node, here.slot, here.before,
			here.when(), means),
		Details: []string{fmt.Sprintf("in its incarnation %s, with %s in ballot %s", here.boot, here.commands(),
			here.ballot)},
	}, clash{here})
}

// compare finds that a slot holds something else than elsewhere.
func (a *agreement) compare(here applied) {
	first, ok := a.slots[here.slot]
	if !ok {
		a.slots[here.slot] = here
		return
	}
	if first.ids != here.ids {
		a.find(verdict.Finding{
			Checker: CheckAgreement, Name: nameTwoValues, At: max(first.at, here.at),
			Summary: fmt.Sprintf("Slot %d holds different commands on different nodes: %s applied %s%s, and %s applied %s%s.",
				here.slot, first.by(), first.commands(), first.when(), here.by(), here.commands(), here.when()),
			Details: []string{
				fmt.Sprintf("%s: chosen in ballot %s", first.by(), first.ballot),
				fmt.Sprintf("%s: chosen in ballot %s", here.by(), here.ballot),
			},
		}, clash{first, here})
	}
}

func (a *agreement) find(f verdict.Finding, c clash) {
	if len(a.findings) == agreementFindingsMax {
		a.others++
		return
	}
	a.findings, a.clashes = append(a.findings, f), append(a.clashes, c)
}

// commandsMax is how many commands of a slot are named: there may be very many.
const commandsMax = 4

// commands names what was applied: what each command does, as far as the node said so, and whose it is.
func (p applied) commands() string {
	ids := strings.Fields(p.ids)
	if len(ids) == 0 {
		return "a no-op"
	}
	var words []string
	for i, id := range ids[:min(len(ids), commandsMax)] {
		if len(p.ops) == len(ids) {
			u := p.ops[i]
			id = fmt.Sprintf("%s (%s)", strings.TrimSpace(u.Op+" "+u.Key+" "+u.Value), id)
		}
		words = append(words, id)
	}
	if more := len(ids) - len(words); more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(words, ", "), more)
	}
	return strings.Join(words, ", ")
}
