package checker

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Names of the checks, in verdicts and findings.
const (
	CheckLinearizability = "linearizability"
	CheckDurability      = "durability"
	CheckLists           = "lists"
	CheckAgreement       = "agreement"
	CheckInvariants      = "invariants"
)

// Check judges a run. It is a function of in alone. When ctx ends, the checks that were not done yet are unknown.
func Check(ctx context.Context, in Input) verdict.Verdict {
	ops := in.History.All()
	v := verdict.Verdict{Schema: verdict.Schema, Run: in.Run, Stopped: in.Facts.Stopped}
	v.Harness = checkHarness(in, ops)
	v.Coverage = checkCoverage(in, ops)
	v.Liveness = checkLiveness(in, ops, v.Harness.Status)
	v.Safety = checkSafety(ctx, in, ops)
	for _, d := range in.Prefix {
		v.Prefix = append(v.Prefix, verdict.Prefix{File: d.File, Line: d.Line, Problem: d.Err.Error()})
	}
	return v
}

// checkSafety puts together what the checks say of safety. Any of them can find a violation; only all of them together,
// on a whole history, can say that there is none.
func checkSafety(ctx context.Context, in Input, ops []history.Operation) verdict.Safety {
	var s verdict.Safety
	add := func(c verdict.Check, findings []verdict.Finding) {
		s.Checks = append(s.Checks, c)
		s.Findings = append(s.Findings, findings...)
	}
	keys, failed := ByKey(ops), failedByKey(ops)
	agreement, disagreements, clashes := checkAgreement(in.Nodes)
	d := newDiagnosis(in, disagreements)
	for i, c := range clashes {
		d.tellClash(&disagreements[i], c, ops)
	}
	add(linearizabilityCheck(in.Linearizability, keys, failed, d, &s.Reasons))
	if ctx.Err() != nil {
		s.Reasons = append(s.Reasons, "the check was stopped")
	} else {
		add(checkDurability(keys, d))
		lists, damages := checkLists(keys, failed, d)
		add(lists, untold(damages, s.Findings))
		add(agreement, disagreements)
	}
	if in.Watched || in.WatchedErr != nil {
		add(invariantsCheck(in, &s.Reasons))
	}
	underWhich(s.Findings, history.Windows(in.Faults.Events))
	prefix := slices.IndexFunc(in.Prefix, func(d *history.Damage) bool { return d.File == historyFile })
	switch {
	case in.HistoryErr != nil:
		s.Reasons = append(s.Reasons, unread("the history", in.HistoryErr))
	case prefix >= 0:
		s.Reasons = append(s.Reasons, fmt.Sprintf(
			"only the lines before line %d of the history, which is damaged, were judged", in.Prefix[prefix].Line))
	case !in.History.Complete:
		s.Reasons = append(s.Reasons, "the history breaks off: the harness was stopped before it could finish it")
	}
	if in.Facts.Stopped != "" && !slices.ContainsFunc(s.Findings, func(f verdict.Finding) bool {
		return f.Checker == CheckLinearizability
	}) && in.HistoryErr == nil {
		s.Reasons = append(s.Reasons, "the run was stopped at a violation that the whole history does not show, so that one "+
			"of two checkers is wrong: "+in.Facts.Stopped)
	}
	has := func(status verdict.Status) bool {
		return slices.ContainsFunc(s.Checks, func(c verdict.Check) bool { return c.Status == status })
	}
	switch {
	case has(verdict.Violated):
		s.Status = verdict.Violated
	case len(s.Reasons) > 0 || has(verdict.Unknown):
		s.Status = verdict.Unknown
	case len(ops) == 0:
		s.Status = verdict.None
		s.Reasons = append(s.Reasons, "there are no operations to judge")
	default:
		s.Status = verdict.Valid
	}
	return s
}

// untold are the findings on lists that linearizability does not tell of in the same way.
func untold(findings, told []verdict.Finding) []verdict.Finding {
	return slices.DeleteFunc(findings, func(f verdict.Finding) bool {
		return slices.ContainsFunc(told, func(t verdict.Finding) bool { return t.Key == f.Key && t.Name == f.Name })
	})
}

// invariantsCheck passes on what somebody who saw every node in true time has found.
func invariantsCheck(in Input, reasons *[]string) (verdict.Check, []verdict.Finding) {
	c := verdict.Check{Checker: CheckInvariants, Status: verdict.Valid, Detail: "every step of every node"}
	switch {
	case in.WatchedErr != nil:
		c.Status = verdict.Unknown
		*reasons = append(*reasons, in.WatchedErr.Error())
	case len(in.Broken) > 0:
		c.Status = verdict.Violated
	}
	return c, in.Broken
}

// underWhich adds to each finding the faults that were in effect when it showed.
func underWhich(findings []verdict.Finding, windows []history.FaultWindow) {
	for i := range findings {
		f := &findings[i]
		for _, w := range windows {
			if f.At > 0 && w.Status == history.FaultInstalled && w.From <= f.At && f.At <= w.To {
				f.Details = append(f.Details, fmt.Sprintf("Fault %s (%s %s) was in effect, from %s to %s.",
					w.ID, w.Kind, orElse(w.Played, w.Detail), seconds(w.From), seconds(w.To)))
			}
		}
	}
}

// failedByKey are the operations that certainly had no effect: a value of theirs that is seen all the same is worth a
// sentence of its own.
func failedByKey(ops []history.Operation) map[string][]history.Operation {
	out := make(map[string][]history.Operation)
	for _, op := range ops {
		if op.Outcome == history.Fail {
			out[op.Op.Key] = append(out[op.Op.Key], op)
		}
	}
	return out
}

// linearizabilityCheck adds up the decisions on the keys. A key without a decision is unknown.
func linearizabilityCheck(lin Linearizability, keys *Keys, failed map[string][]history.Operation,
	d *diagnosis, reasons *[]string,
) (verdict.Check, []verdict.Finding) {
	c := verdict.Check{Checker: CheckLinearizability, Status: verdict.Valid, Elapsed: lin.Elapsed}
	results := make(map[string]KeyResult, len(lin.Keys))
	for _, r := range lin.Keys {
		results[r.Key] = r
	}
	var findings []verdict.Finding
	operations, longest, unknown, proven := 0, 0, 0, 0
	for i, key := range keys.names {
		n := len(keys.index[i])
		operations += n
		longest = max(longest, n)
		r, ok := results[key]
		if !ok {
			r = KeyResult{Key: key, Ops: n, Status: verdict.Unknown, Reason: "it was not checked"}
		}
		if r.By == ByOrder && r.Status != verdict.Unknown {
			proven++
		}
		switch r.Status {
		case verdict.Violated:
			f, p := linearizabilityFinding(keys.At(i), failed[key], r)
			if d != nil && p.summary != "" {
				d.tell(&f, p)
			}
			findings = append(findings, f)
		case verdict.Valid:
		default:
			if unknown++; unknown <= detailsMax {
				*reasons = append(*reasons, fmt.Sprintf("linearizability of %s, with %s, is not decided: %s",
					key, count(r.Ops, "operation"), r.Reason))
			}
		}
	}
	if unknown > detailsMax {
		*reasons = append(*reasons,
			fmt.Sprintf("linearizability of %s more is not decided", count(unknown-detailsMax, "key")))
	}
	switch {
	case len(findings) > 0:
		c.Status = verdict.Violated
	case unknown > 0:
		c.Status = verdict.Unknown
	case operations == 0:
		c.Status = verdict.None
	}
	c.Detail = fmt.Sprintf("%s, %s, longest key %d; %d of the keys decided by order, with proof",
		count(keys.Len(), "key"), count(operations, "operation"), longest, proven)
	// What happened first is told first; what was not explained has no time and comes last.
	slices.SortStableFunc(findings, func(a, b verdict.Finding) int {
		return cmp.Compare(orElse(a.At, history.Forever), orElse(b.At, history.Forever))
	})
	return c, findings
}
