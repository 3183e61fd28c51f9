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
func checkAgreement(nodes []NodeObservations) (verdict.Check, []verdict.Finding) {
	begin := time.Now()
	a := agreement{slots: make(map[uint64]applied)}
	incarnations := 0
	for _, n := range nodes {
		incarnations += a.node(n)
	}
	check := verdict.Check{
		Checker: CheckAgreement, Status: verdict.Valid, Elapsed: time.Since(begin),
		Detail: fmt.Sprintf("%s applied by %s of %s", count(len(a.slots), "slot"),
			count(incarnations, "incarnation"), count(len(nodes), "node")),
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
			fmt.Sprintf("%s of the same kind are not listed.", count(a.others, "finding")))
	}
	return check, a.findings
}

// applied is what a slot held where it was first seen applied.
type applied struct {
	ids    string
	by     string
	ballot string
}

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
	others   int
}

// node adds what one node applied and returns the number of its incarnations that applied anything.
func (a *agreement) node(n NodeObservations) (incarnations int) {
	boots := make(map[string]uint64)     // boot → slot up to which it has applied
	installed := make(map[string]uint64) // boot → the last slot of the snapshot that it installed last
	gaps := make(map[string]bool)        // boot → something is missing since the last that it applied
	lost := n.Log.Lost
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
			snapshot := o.Slot > last && o.Slot == installed[o.Boot]+1
			gap := gaps[o.Boot] && o.Slot > last // what was lost may have told of the slots between
			delete(gaps, o.Boot)
			if known && o.Slot != last+1 && !snapshot && !gap {
				a.find(verdict.Finding{
					Checker: CheckAgreement, Name: nameGap,
					Summary: fmt.Sprintf("Node %s applied slot %d right after slot %d.", n.Node, o.Slot, last),
					Details: []string{fmt.Sprintf("in its incarnation %s, with %s in ballot %s",
						o.Boot, commands(joined(o.IDs)), o.Ballot)},
				})
			}
			boots[o.Boot] = o.Slot
			a.compare(n.Node, o)
		}
	}
	return incarnations
}

func (a *agreement) compare(node string, o history.Observation) {
	here := applied{ids: joined(o.IDs), by: fmt.Sprintf("%s (incarnation %s)", node, o.Boot), ballot: o.Ballot}
	first, ok := a.slots[o.Slot]
	if !ok {
		a.slots[o.Slot] = here
		return
	}
	if first.ids != here.ids {
		a.find(verdict.Finding{
			Checker: CheckAgreement, Name: nameTwoValues,
			Summary: fmt.Sprintf("Slot %d holds different commands on different nodes: "+
				"%s applied %s, and %s applied %s.",
				o.Slot, first.by, commands(first.ids), here.by, commands(here.ids)),
			Details: []string{
				fmt.Sprintf("%s: chosen in ballot %s", first.by, first.ballot),
				fmt.Sprintf("%s: chosen in ballot %s", here.by, here.ballot),
			},
		})
	}
}

func (a *agreement) find(f verdict.Finding) {
	if len(a.findings) == agreementFindingsMax {
		a.others++
		return
	}
	a.findings = append(a.findings, f)
}

func joined(ids []string) string { return strings.Join(ids, " ") }

// commands names the commands of a slot, which may be very many.
func commands(ids string) string {
	const most = 8
	fields := strings.Fields(ids)
	switch {
	case len(fields) == 0:
		return "a no-op"
	case len(fields) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(fields[:most], ", "), len(fields)-most)
	}
	return strings.Join(fields, ", ")
}
