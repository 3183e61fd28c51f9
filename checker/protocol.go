package checker

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"elenchus/checker/rules"
	"elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// multipaxos is the protocol whose rules package rules knows.
const multipaxos = "multipaxos"

// protocolCheck holds what the nodes wrote of themselves to the rules of the protocol that they run. It finds broken
// rules that no client noticed. Told are the answers of all clients, and known is what was found before.
func protocolCheck(in Input, told *rules.Answers, d *diagnosis, known []verdict.Finding) (
	verdict.Check, []verdict.Finding) {
	begin := time.Now()
	c := verdict.Check{Checker: CheckProtocol, Status: verdict.None, Detail: "no account of any node"}
	result := rules.Check(rulesInput(in, told))
	c.Elapsed = time.Since(begin)
	if result.Lines == 0 && result.Answers == 0 {
		return c, nil
	}
	c.Status = verdict.Valid
	c.Detail = fmt.Sprintf("%s of %s in %s, with %s and %s", verdict.Count(result.Lines, "line"),
		verdict.Count(len(in.Nodes), "node"), verdict.Count(result.Incarnations, "incarnation"),
		verdict.Count(result.Elections, "election"), verdict.Count(result.Grants, "grant"))
	if result.Messages == 0 {
		c.Detail += "; messages were not traced, so only what nodes say of themselves was judged"
	} else {
		c.Detail += fmt.Sprintf(", and %s sent", verdict.Count(result.Messages, "message"))
	}
	if result.Answers > 0 {
		c.Detail += "; " + verdict.Count(result.Answers, "answer") + " compared with the order of the log"
	}
	if len(result.Partial) > 0 {
		c.Detail += "; lines may be missing of " + verdict.Together(result.Partial)
	}
	if result.Unplaced {
		c.Detail += "; not all nodes can be placed in time, so overlaps of leases were not judged"
	}
	var findings []verdict.Finding
	for _, v := range result.Violations {
		c.Status = verdict.Violated
		findings = append(findings, d.ruleFinding(v, known))
	}
	return c, findings
}

// ruleFinding is the finding on a broken rule, with the story of how it came about. What the history has shown of the
// same answer has been told.
func (d *diagnosis) ruleFinding(v rules.Violation, known []verdict.Finding) verdict.Finding {
	m := rules.Meanings[v.Rule]
	b := verdict.Broken{
		Finding: verdict.Finding{Checker: v.Rule, Name: m.Name, At: v.At, Summary: d.sentence(v.Account)},
		Demand:  m.Demand, Node: v.Node, Slot: v.Slot, Ballot: v.Ballot.String(),
	}
	if v.Others > 0 {
		b.Details = append(b.Details, fmt.Sprintf("%s of the same rule are not listed.",
			verdict.Count(v.Others, "further violation")))
	}
	if v.Answer != nil {
		b.Operations, d.operations = []int{v.Answer.ID}, []history.Operation{*v.Answer}
	}
	var f verdict.Finding
	if v.Placed {
		f = d.watched(b, known)
	} else {
		f = d.demanded(b.Finding, b)
	}
	f.Checker, f.Name, f.Title = CheckProtocol, v.Rule, m.Name
	return f
}

// sentence makes an account a sentence. It begins with a capital letter, unless it begins with the name of a node.
func (d *diagnosis) sentence(account string) string {
	first, _, _ := strings.Cut(account, " ")
	if slices.Contains(d.in.Facts.Nodes, first) {
		return account + "."
	}
	return upper(account) + "."
}

// rulesInput is what rules are held against.
func rulesInput(in Input, told *rules.Answers) rules.Input {
	out := rules.Input{Members: len(in.Facts.Nodes), Excess: in.clockExcess, LeaseReads: in.Facts.Reads == readsLease,
		Wiped: make(map[string][]time.Duration), Deaths: make(map[string][]time.Duration)}
	if in.Facts.Reads != "" && in.Facts.Reads != readsLocal {
		out.Answers = told
	}
	if l := in.Facts.Lease; l.Mode == "rate" || l.Mode == "wall" {
		out.Bounds = &rules.Bounds{Drift: l.DriftBound, Offset: l.MaxOffset}
	}
	for _, n := range in.Nodes {
		out.Nodes = append(out.Nodes, rules.Node{
			Name: n.Node, Observations: n.Log.Observations, Lost: n.Log.Lost, When: n.When, Until: n.Until, Slack: n.Slack,
			Partial: n.Err != nil || len(n.Ended) > 0 || n.Failed, // what it said last may be missing
		})
	}
	for _, e := range in.Faults.Events {
		if e.Step != history.FaultApply || e.Status != history.FaultInstalled {
			continue
		}
		for _, node := range e.Targets {
			switch e.Kind {
			case "disk-wipe":
				out.Wiped[node] = append(out.Wiped[node], e.Begin)
			case "kill":
				out.Deaths[node] = append(out.Deaths[node], e.Begin)
			}
		}
	}
	return out
}

// clockExcess bounds what clocks outside of their bounds explain of an overlap of leases, see [rules.Input].
//
// Where clocks were not meant to be moved, they are taken to have kept to their bounds unless measurements prove the
// opposite. Where they were, anything counts that the measurements leave room for, and without any measurements nothing
// can be blamed on the nodes.
func (in *Input) clockExcess(from, to, term time.Duration) time.Duration {
	moved := slices.ContainsFunc(history.Windows(in.Faults.Events), func(w history.FaultWindow) bool {
		return (w.Kind == "clock" || w.Kind == "suspend") && w.From <= to && w.To >= from
	})
	sign := -1.0 // of the errors of measurements
	if moved {
		sign = 1
		for _, node := range in.Facts.Nodes {
			if len(clocks.Find(in.Clocks, node).Points) == 0 {
				return history.Forever
			}
		}
	}
	if in.Facts.Lease.Mode == "wall" {
		return in.offsetExcess(from, to, time.Duration(sign))
	}
	return in.rateExcess(from, to, term, sign)
}

// around is by how much more than a stretch of time its measurements are looked at.
const around = time.Second

// offsetExcess is by how much more than allowed wall clocks were apart.
func (in *Input) offsetExcess(from, to, sign time.Duration) time.Duration {
	least, most := time.Duration(math.MaxInt64), time.Duration(math.MinInt64)
	for _, t := range in.Clocks {
		for _, p := range t.Sharp() {
			if p.At < from-around || p.At > to+around {
				continue
			}
			ahead := time.Duration(p.Wall) - p.At
			least, most = min(least, ahead-sign*p.Error), max(most, ahead+sign*p.Error)
		}
	}
	if most < least {
		return 0
	}
	return max(0, most-least-in.Facts.Lease.MaxOffset)
}

// rateExcess is how much longer a lease of that term may have lasted by one clock than by another, beyond the drift
// that is allowed.
func (in *Input) rateExcess(from, to, term time.Duration, sign float64) time.Duration {
	least, most, stoodStill := math.Inf(1), 0.0, in.suspended(from, to)
	for _, t := range in.Clocks {
		for _, r := range t.Rates(clocks.Mono, rateStretch) {
			if r.To < from-around || r.From > to+around {
				continue
			}
			least, most = min(least, r.Rate-sign*r.Error), max(most, r.Rate+sign*r.Error)
		}
	}
	switch {
	case most == 0:
		return stoodStill
	case least <= 0:
		return history.Forever
	}
	return max(0, time.Duration((most/least-1-in.Facts.Lease.DriftBound)*float64(term))) + stoodStill
}

// suspended is for how long hosts stood still between two instants, and their monotonic clocks with them. A rate does
// not show that, because it leaves out steps.
func (in *Input) suspended(from, to time.Duration) (sum time.Duration) {
	for _, w := range history.Windows(in.Faults.Events) {
		if w.Kind == "suspend" && w.Status == history.FaultInstalled {
			sum += max(0, min(w.To, to)-max(w.From, from))
		}
	}
	return sum
}

// rateStretch is over what stretches rates are measured that excuse an overlap: short, because a clock that leaves its
// bounds for a moment must not go unnoticed.
const rateStretch = 400 * time.Millisecond
