package checker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Names of the checks, in verdicts and findings.
const (
	CheckLinearizability = "linearizability"
	CheckDurability      = "durability"
	CheckLists           = "lists"
	CheckSessions        = "sessions"
	CheckWriteOnce       = "write-once"
	CheckAgreement       = "agreement"
	CheckProtocol        = "protocol"
	CheckInvariants      = "invariants"
)

// Check judges a run whose history is in memory, and whose keys have been decided. It is a function of in alone. When
// ctx ends, the checks that were not done yet are unknown.
func Check(ctx context.Context, in Input) verdict.Verdict {
	s := newStream(in, false)
	if in.HistoryErr == nil {
		for i := range in.History.Events {
			s.Observe(&in.History.Events[i])
		}
	}
	s.end()
	decided := make(map[string]KeyResult, len(in.Linearizability.Keys))
	for _, r := range in.Linearizability.Keys {
		decided[r.Key] = r
	}
	j := s.newJudgement()
	ops := history.Operations(in.History.Events)
	j.examine(ctx, ops, func(k KeyHistory) KeyResult {
		if r, ok := decided[k.Key]; ok {
			return r
		}
		return KeyResult{Key: k.Key, Ops: len(k.Ops), Status: verdict.Unknown, Reason: "it was not checked"}
	})
	return s.conclusion(ctx, j, in.Linearizability.Elapsed)
}

// end takes note that nothing is to come any more: operations that never completed are of unknown outcome.
func (s *Stream) end() {
	for _, c := range s.open.Rest() {
		s.conclude(c)
	}
}

// conclusion puts the axes together from what was counted and what was said of each key.
func (s *Stream) conclusion(ctx context.Context, j *judgement, elapsed time.Duration) verdict.Verdict {
	keys := make([]keyVerdict, len(s.keys.order))
	for i, w := range s.keys.order {
		if k, examined := j.keys[w.name]; examined {
			keys[i] = k
		} else {
			keys[i] = w.verdict()
		}
	}
	v := verdict.Verdict{Schema: verdict.Schema, Run: s.in.Run, Stopped: s.in.Facts.Stopped}
	v.Harness = s.checkHarness(s.repetition(j))
	v.Coverage = s.checkCoverage()
	v.Liveness = s.checkLiveness(v.Harness.Status)
	v.Safety = s.checkSafety(ctx, j, keys, elapsed)
	for _, d := range s.in.Prefix {
		v.Prefix = append(v.Prefix, verdict.Prefix{File: d.File, Line: d.Line, Problem: d.Err.Error()})
	}
	return v
}

// repetition is the first value that was written twice to a key, nil if there is none.
func (s *Stream) repetition(j *judgement) error {
	if s.keys.repeated == nil {
		return nil
	}
	return j.keys[s.keys.repeated.name].repeated
}

// checkSafety puts together what the checks say of safety. Any of them can find a violation; only all of them together,
// on a whole history, can say that there is none.
func (s *Stream) checkSafety(ctx context.Context, j *judgement, keys []keyVerdict, elapsed time.Duration) (
	safety verdict.Safety) {
	in := s.in
	add := func(c verdict.Check, findings []verdict.Finding) {
		safety.Checks = append(safety.Checks, c)
		safety.Findings = append(safety.Findings, findings...)
	}
	add(linearizabilityCheck(keys, elapsed, &safety.Reasons))
	if objects, any := objectsCheck(keys, &s.keys.objects, elapsed); any {
		add(objects, nil)
	}
	if ctx.Err() != nil {
		safety.Reasons = append(safety.Reasons, "the check was stopped")
	} else {
		add(durabilityCheck(keys, j.durability))
		lists, damages := listsCheck(keys, j.lists)
		add(lists, untold(damages, safety.Findings))
		if sessions, broken, any := sessionsCheck(keys, j.sessions, &safety.Reasons); any {
			add(sessions, untold(broken, safety.Findings))
		}
		add(j.agreement, j.disagreements())
		if in.Facts.Protocol == multipaxos {
			add(protocolCheck(in, &s.told, j.diagnosis, safety.Findings))
		}
	}
	if in.Watched || in.WatchedErr != nil {
		j.diagnosis.operations = s.named.ops
		add(invariantsCheck(in, j.diagnosis, safety.Findings, &safety.Reasons))
	}
	underWhich(safety.Findings, history.Windows(in.Faults.Events))
	prefix := slices.IndexFunc(in.Prefix, func(d *history.Damage) bool { return d.File == historyFile })
	switch {
	case in.HistoryErr != nil:
		safety.Reasons = append(safety.Reasons, unread("the history", in.HistoryErr))
	case prefix >= 0:
		safety.Reasons = append(safety.Reasons, fmt.Sprintf(
			"only the lines before line %d of the history, which is damaged, were judged", in.Prefix[prefix].Line))
	case !in.History.Complete:
		safety.Reasons = append(safety.Reasons, "the history breaks off: the harness was stopped before it could finish it")
	}
	if in.Facts.Stopped != "" && in.HistoryErr == nil && !slices.ContainsFunc(safety.Findings, byClients) {
		safety.Reasons = append(safety.Reasons, "the run was stopped at a violation that the whole history does not show, "+
			"so that one of two checkers is wrong: "+in.Facts.Stopped)
	}
	has := func(status verdict.Status) bool {
		return slices.ContainsFunc(safety.Checks, func(c verdict.Check) bool { return c.Status == status })
	}
	switch {
	case has(verdict.Violated):
		safety.Status = verdict.Violated
	case len(safety.Reasons) > 0 || has(verdict.Unknown):
		safety.Status = verdict.Unknown
	case s.Operations() == 0:
		safety.Status = verdict.None
		safety.Reasons = append(safety.Reasons, "there are no operations to judge")
	default:
		safety.Status = verdict.Valid
	}
	return safety
}

// byClients reports whether the history alone shows the finding, as it does whatever stops a run early.
func byClients(f verdict.Finding) bool {
	switch f.Checker {
	case CheckLinearizability, CheckLists, CheckSessions, CheckWriteOnce:
		return true
	}
	return false
}

// untold are the findings on lists that linearizability does not tell of in the same way.
func untold(findings, told []verdict.Finding) []verdict.Finding {
	return slices.DeleteFunc(findings, func(f verdict.Finding) bool {
		return slices.ContainsFunc(told, func(t verdict.Finding) bool { return t.Key == f.Key && t.Name == f.Name })
	})
}

// invariantsCheck passes on what somebody who saw every node in true time has found.
func invariantsCheck(in Input, d *diagnosis, told []verdict.Finding, reasons *[]string) (
	verdict.Check, []verdict.Finding) {
	c := verdict.Check{Checker: CheckInvariants, Status: verdict.Valid, Detail: "every step of every node"}
	switch {
	case in.WatchedErr != nil:
		c.Status = verdict.Unknown
		*reasons = append(*reasons, in.WatchedErr.Error())
	case len(in.Broken) > 0:
		c.Status = verdict.Violated
	}
	var findings []verdict.Finding
	for _, b := range in.Broken {
		findings = append(findings, d.watched(b, told))
	}
	return c, findings
}

// underWhich adds to each finding the faults that were in effect when it showed.
func underWhich(findings []verdict.Finding, windows []history.FaultWindow) {
	for i := range findings {
		f := &findings[i]
		for _, w := range windows {
			if f.At > 0 && w.Status == history.FaultInstalled && w.From <= f.At && f.At <= w.To {
				f.Details = append(f.Details, fmt.Sprintf("Fault %s (%s %s) was in effect, from %s to %s.",
					w.ID, w.Kind, cmp.Or(w.Played, w.Detail), seconds(w.From), seconds(w.To)))
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

// linearizabilityCheck adds up the decisions on the keys.
func linearizabilityCheck(keys []keyVerdict, elapsed time.Duration, reasons *[]string) (
	verdict.Check, []verdict.Finding) {
	c := verdict.Check{Checker: CheckLinearizability, Status: verdict.Valid, Elapsed: elapsed}
	var findings []verdict.Finding
	operations, longest, unknown, proven := 0, 0, 0, 0
	for i := range keys {
		k := &keys[i]
		operations += k.says
		longest = max(longest, k.says)
		r := &k.result
		if r.By == ByOrder && r.Status != verdict.Unknown {
			proven++
		}
		switch r.Status {
		case verdict.Violated:
			findings = append(findings, k.finding)
		case verdict.Valid:
		default:
			if unknown++; unknown <= detailsMax {
				*reasons = append(*reasons, fmt.Sprintf("linearizability of %s, with %s, is not decided: %s",
					r.Key, count(r.Ops, "operation"), r.Reason))
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
		count(len(keys), "key"), count(operations, "operation"), longest, proven)
	// What happened first is told first; what was not explained has no time and comes last.
	slices.SortStableFunc(findings, func(a, b verdict.Finding) int {
		return cmp.Compare(cmp.Or(a.At, history.Forever), cmp.Or(b.At, history.Forever))
	})
	return c, findings
}
