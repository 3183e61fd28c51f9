package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// checkLiveness judges whether the system answered again once it was left in peace. What happened under faults is told
// and not judged: a system may well be unavailable while its majority is.
func checkLiveness(in Input, ops []history.Operation, harness verdict.Status) verdict.Liveness {
	r := in.Facts.Recovery
	l := verdict.Liveness{
		Status: verdict.Valid, Recovery: r.Took,
		Faults: faultLiveness(in.Faults.Events, ops, end(in.History)),
	}
	l.Kinds = byKind(l.Faults, history.Windows(in.Faults.Events))
	if r.Attempted {
		l.FirstUpdate = firstUpdate(ops, r.HealedAt)
	}
	if endedByThemselves(in, &l) {
		return l
	}
	if why := partial(in); why != "" {
		l.Status = verdict.Unknown
		l.Reasons = []string{"not judged: " + why}
		return l
	}
	switch {
	case in.Facts.Imported:
		l.Status, l.Reasons = verdict.None, []string{"not judged: an imported history does not say when all was healed"}
		return l
	case !r.Attempted:
		l.Status = verdict.Unknown
		l.Reasons = append(l.Reasons, "the run ended before the system was given the time to recover")
		return l
	case !r.Recovered:
		l.Status = verdict.Violated
		reason := fmt.Sprintf("the system did not recover after everything was healed (it had %v)", r.Deadline)
		if at, ok := lastOK(ops); ok {
			reason += fmt.Sprintf("; its last ok answer was at %s", seconds(at))
		}
		l.Reasons = append(l.Reasons, reason)
		l.Reasons = append(l.Reasons, r.Missing...)
	default:
		for _, n := range unserved(in.Facts.Nodes, ops) {
			l.Status = verdict.Violated
			l.Reasons = append(l.Reasons, n)
		}
	}
	if l.Status == verdict.Violated && harness != verdict.Healthy {
		l.Status = verdict.Unknown
		l.Reasons = append(l.Reasons, "the harness is not healthy, so that this may not be the system's doing")
	}
	return l
}

// endedByThemselves tells of nodes that were killed by nobody and are dead all the same. What such a node says of its
// end is evidence enough: that the run went to pieces over it, and is not healthy, is no excuse.
func endedByThemselves(in Input, l *verdict.Liveness) bool {
	for _, n := range in.Nodes {
		for _, why := range n.Ended {
			l.Ended = append(l.Ended, verdict.Ended{Node: n.Node, Why: why})
			l.Reasons = append(l.Reasons, fmt.Sprintf("%s ended by itself: %s", n.Node, why))
		}
	}
	if len(l.Ended) == 0 {
		return false
	}
	l.Status, l.Reasons = verdict.Violated, shortened(l.Reasons)
	return true
}

// unserved says of each node that answered no final read, or no update after the heal, why that is so. That updates
// were tried is not demanded: who records a run may leave them to the reads.
func unserved(nodes []string, ops []history.Operation) []string {
	type tally struct {
		ok, tried int
		reason    string
	}
	byNode := make(map[history.Phase]map[string]tally)
	for _, op := range ops {
		if op.Phase == history.PhaseRecovery && !op.Op.Func.Mutates() {
			continue
		}
		if byNode[op.Phase] == nil {
			byNode[op.Phase] = make(map[string]tally)
		}
		t := byNode[op.Phase][op.Node]
		t.tried++
		if op.Outcome == history.OK {
			t.ok++
		} else {
			t.reason = op.Reason
		}
		byNode[op.Phase][op.Node] = t
	}
	var out []string
	for _, n := range nodes {
		if t := byNode[history.PhaseRecovery][n]; t.tried > 0 && t.ok == 0 {
			out = append(out, fmt.Sprintf("none of %s to %s after everything was healed was answered ok (%s)",
				count(t.tried, "update"), n, t.reason))
		}
		switch t := byNode[history.PhaseFinal][n]; {
		case t.ok > 0:
		case t.tried == 0:
			out = append(out, fmt.Sprintf("nothing was read from %s at the end", n))
		default:
			out = append(out, fmt.Sprintf("none of %s from %s was answered ok (%s)",
				count(t.tried, "final read"), n, t.reason))
		}
	}
	return out
}

func lastOK(ops []history.Operation) (at time.Duration, ok bool) {
	for _, op := range ops {
		if op.Outcome == history.OK {
			at, ok = max(at, op.Return), true
		}
	}
	return at, ok
}

// end is the time of a history's last event.
func end(log history.Log) time.Duration {
	if n := len(log.Events); n > 0 {
		return log.Events[n-1].Time
	}
	return log.Last
}

// faultLiveness tells, for each fault that took effect, how many operations were answered ok while it lasted, the
// longest times without one, and how long after its end the first update was.
func faultLiveness(events []history.FaultEvent, ops []history.Operation, end time.Duration) []verdict.FaultLiveness {
	all := answered(ops, func(history.Func) bool { return true })
	reads := answered(ops, func(f history.Func) bool { return !f.Mutates() })
	updates := answered(ops, history.Func.Mutates)
	reverted := make(map[string]time.Duration)
	for _, e := range events {
		if e.Step == history.FaultRevert {
			reverted[e.ID] = e.End
		}
	}
	var out []verdict.FaultLiveness
	for _, w := range history.Windows(events) {
		if w.Status != history.FaultInstalled {
			continue
		}
		to := max(w.From, min(w.To, end))
		f := verdict.FaultLiveness{ID: w.ID, Fault: strings.TrimSpace(w.Kind + " " + w.Played), Lasted: to - w.From}
		f.OKs, f.LongestSilence = silence(all, w.From, to)
		_, f.ReadSilence = silence(reads, w.From, to)
		_, f.UpdateSilence = silence(updates, w.From, to)
		if at, ok := reverted[w.ID]; ok && w.RevertStatus != "" {
			f.FirstUpdate = firstUpdate(ops, at)
		}
		out = append(out, f)
	}
	return out
}

// answered is when the ok operations that count were answered, in order.
func answered(ops []history.Operation, counts func(history.Func) bool) []time.Duration {
	var at []time.Duration
	for _, op := range ops {
		if op.Outcome == history.OK && counts(op.Op.Func) {
			at = append(at, op.Return)
		}
	}
	slices.Sort(at)
	return at
}

// silence counts the answers from one moment to another, and finds the longest time without one.
func silence(answers []time.Duration, from, to time.Duration) (oks int, longest time.Duration) {
	first, _ := slices.BinarySearch(answers, from)
	last, _ := slices.BinarySearch(answers, to+1)
	since := from
	for _, at := range append(slices.Clone(answers[first:last]), to) {
		longest = max(longest, at-since)
		since = at
	}
	return last - first, longest
}

// firstUpdate is how long after a moment the first ok update was answered that was invoked later; nil if none was.
func firstUpdate(ops []history.Operation, after time.Duration) *time.Duration {
	var first *time.Duration
	for _, op := range ops {
		if op.Outcome != history.OK || !op.Op.Func.Mutates() || op.Call < after {
			continue
		}
		if took := op.Return - after; first == nil || took < *first {
			first = &took
		}
	}
	return first
}

// byKind is the worst of each kind of fault.
func byKind(faults []verdict.FaultLiveness, windows []history.FaultWindow) []verdict.KindLiveness {
	kinds := make(map[string]string) // by fault
	for _, w := range windows {
		kinds[w.ID] = w.Kind
	}
	var out []verdict.KindLiveness
	for _, f := range faults {
		i := slices.IndexFunc(out, func(k verdict.KindLiveness) bool { return k.Kind == kinds[f.ID] })
		if i < 0 {
			i = len(out)
			out = append(out, verdict.KindLiveness{Kind: kinds[f.ID]})
		}
		k := &out[i]
		k.Faults++
		k.ReadSilence, k.UpdateSilence = max(k.ReadSilence, f.ReadSilence), max(k.UpdateSilence, f.UpdateSilence)
		if f.FirstUpdate != nil && (k.FirstUpdate == nil || *f.FirstUpdate > *k.FirstUpdate) {
			k.FirstUpdate = f.FirstUpdate
		}
	}
	return out
}
