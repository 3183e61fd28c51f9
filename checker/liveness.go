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
		Faults: faultLiveness(history.Windows(in.Faults.Events), ops, end(in.History)),
	}
	switch {
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
		for _, n := range unread(in.Facts.Nodes, ops) {
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

// unread says of each node that answered no final read why that is so.
func unread(nodes []string, ops []history.Operation) []string {
	type tally struct {
		ok, tried int
		reason    string
	}
	byNode := make(map[string]tally)
	for _, op := range ops {
		if op.Phase != history.PhaseFinal {
			continue
		}
		t := byNode[op.Node]
		t.tried++
		if op.Outcome == history.OK {
			t.ok++
		} else {
			t.reason = op.Reason
		}
		byNode[op.Node] = t
	}
	var out []string
	for _, n := range nodes {
		switch t := byNode[n]; {
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
	if len(log.Events) == 0 {
		return 0
	}
	return log.Events[len(log.Events)-1].Time
}

// faultLiveness tells, for each fault that took effect, how many operations were answered ok while it lasted and the
// longest time without one.
func faultLiveness(windows []history.FaultWindow, ops []history.Operation, end time.Duration) []verdict.FaultLiveness {
	var answers []time.Duration
	for _, op := range ops {
		if op.Outcome == history.OK {
			answers = append(answers, op.Return)
		}
	}
	slices.Sort(answers)
	var out []verdict.FaultLiveness
	for _, w := range windows {
		if w.Status != history.FaultInstalled {
			continue
		}
		to := max(w.From, min(w.To, end))
		first, _ := slices.BinarySearch(answers, w.From)
		last, _ := slices.BinarySearch(answers, to+1)
		f := verdict.FaultLiveness{
			ID: w.ID, Fault: strings.TrimSpace(w.Kind + " " + w.Played), Lasted: to - w.From, OKs: last - first,
		}
		since := w.From
		for _, at := range append(slices.Clone(answers[first:last]), to) {
			f.LongestSilence = max(f.LongestSilence, at-since)
			since = at
		}
		out = append(out, f)
	}
	return out
}
