package checker

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// checkHarness judges whether the run itself can be trusted: nothing here is the tested system's doing. Repeated is the
// first value that was written twice.
func (s *Stream) checkHarness(repeated error) verdict.Harness {
	in := s.in
	h := verdict.Harness{Status: verdict.Healthy}
	fail := func(format string, args ...any) { h.Reasons = append(h.Reasons, fmt.Sprintf(format, args...)) }
	for _, e := range in.Facts.HarnessErrors {
		fail("%s", e)
	}
	h.Reasons = append(h.Reasons, brokenRecords(in)...)
	for _, e := range in.Faults.Events {
		if e.Status == history.FaultFailed {
			fail("fault %s (%s %s) could not be proven at %s of its %s: %s",
				e.ID, e.Kind, cmp.Or(e.Played, e.Detail), seconds(e.End), e.Step,
				cmp.Or(e.Error, "no reason was given"))
		}
	}
	if in.FaultsErr == nil && len(in.Prefix) == 0 && !in.Facts.Imported {
		for _, w := range history.Windows(in.Faults.Events) {
			if w.Status == history.FaultInstalled && w.RevertStatus == "" {
				fail("fault %s (%s %s) was never reverted", w.ID, w.Kind, cmp.Or(w.Played, w.Detail))
			}
		}
	}
	h.Reasons = append(h.Reasons, unplayed(in)...)
	if in.Facts.UniqueValues && repeated != nil {
		fail("the workload promised unique values, but %v", repeated)
	}
	if in.Facts.Observations && in.Facts.Collected {
		h.Reasons = append(h.Reasons, unobserved(in)...)
	}
	switch {
	case len(h.Reasons) > 0:
		h.Status = verdict.Failed
	case in.Facts.Interrupted:
		h.Status = verdict.Interrupted
	}
	if in.Facts.Interrupted {
		h.Reasons = append(h.Reasons, "the run was interrupted by a signal")
	}
	lost := !in.Facts.Collected && !in.Facts.Imported
	if lost && (s.Operations() > 0 || len(h.Reasons) == 0) { // of a run that never began there is nothing
		h.Reasons = append(h.Reasons, "logs and data of the nodes were not collected")
		if h.Status == verdict.Healthy {
			h.Status = verdict.Failed
		}
	}
	return h
}

// brokenRecords says what is wrong with the history and the fault log as files.
func brokenRecords(in Input) []string {
	var out []string
	broken := func(what, file string, err error, truncated, complete bool) {
		switch {
		case err != nil && file == historyFile: // what can be done about it stands under safety
			out = append(out, fmt.Sprintf("%s cannot be read: %v", what, err))
		case err != nil:
			out = append(out, unread(what, err))
		case slices.ContainsFunc(in.Prefix, func(d *history.Damage) bool { return d.File == file }):
		case truncated:
			out = append(out, what+" ends in the middle of a line")
		case !complete:
			out = append(out, what+" has no end: the harness was stopped before it could write it")
		}
	}
	for _, d := range in.Prefix {
		out = append(out, fmt.Sprintf("line %d of %s is damaged (%v): nothing from there on was judged",
			d.Line, d.File, d.Err))
	}
	broken("the history", historyFile, in.HistoryErr, in.History.Truncated, in.History.Complete)
	broken("the fault log", faultsFile, in.FaultsErr, in.Faults.Truncated, in.Faults.Complete)
	return out
}

// Names of the files whose damage [Input].Prefix tells of.
const (
	historyFile = "history.jsonl"
	faultsFile  = "faults.jsonl"
)

// unread says why a file cannot be read, and where it is damaged, what can be done about it.
func unread(what string, err error) string {
	damage := (*history.Damage)(nil)
	if !errors.As(err, &damage) {
		return fmt.Sprintf("%s cannot be read: %v", what, err)
	}
	before := fmt.Sprintf("the %d lines before it are whole", damage.Line-1)
	switch damage.Line {
	case 1:
		before = "nothing stands before it"
	case 2:
		before = "the line before it is whole"
	}
	return fmt.Sprintf("line %d of %s is damaged (%v), and %s: put an undamaged copy of the file back, or have what "+
		"stands before that line judged alone with elenchus check --prefix", damage.Line, damage.File, damage.Err, before)
}

// unplayed compares the faults that were planned with those on record: a nemesis that died, or forgot one, must not
// look like one that had nothing to do.
func unplayed(in Input) []string {
	if in.Facts.PlanErr != nil {
		return []string{fmt.Sprintf("the planned schedule cannot be read: %v", in.Facts.PlanErr)}
	}
	if in.Facts.Plan == nil || !in.Faults.Complete {
		return nil // a log that is cut has been blamed, and misses what it misses
	}
	var out []string
	kinds := make(map[string]string)
	for _, e := range in.Faults.Events {
		kinds[e.ID] = e.Kind
	}
	for _, f := range in.Facts.Plan.Faults {
		kind, seen := kinds[f.ID]
		delete(kinds, f.ID)
		switch {
		case !seen && f.At <= in.Facts.Plan.Until:
			out = append(out, fmt.Sprintf("fault %s (%s) was planned for %s, and nothing is on record of it", f.ID, f.Kind,
				seconds(f.At)))
		case seen && kind != f.Kind:
			out = append(out, fmt.Sprintf("fault %s was planned as a %s, and is on record as a %s", f.ID, f.Kind, kind))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(kinds)) {
		out = append(out, fmt.Sprintf("fault %s (%s) is on record, and was not planned", id, kinds[id]))
	}
	return shortened(out)
}

// shortened keeps a list of the same complaint from drowning the others.
func shortened(list []string) []string {
	if more := len(list) - detailsMax; more > 1 {
		list = append(list[:detailsMax:detailsMax], fmt.Sprintf("and %d more like this", more))
	}
	return list
}

// unobserved says of each node whose observations are missing or damaged what is wrong with them.
func unobserved(in Input) []string {
	var out []string
	for _, name := range in.Facts.Nodes {
		found := false
		for _, n := range in.Nodes {
			if n.Node != name {
				continue
			}
			found = true
			switch {
			case n.Err != nil:
				out = append(out, fmt.Sprintf("the observations of %s cannot be read: %v", name, n.Err))
			case len(n.Log.Lost) > 0:
				out = append(out, lostObservations(name, n.Log.Lost)...)
			case len(n.Log.Observations) == 0:
				out = append(out, fmt.Sprintf("%s observed nothing at all", name))
			}
		}
		if !found {
			out = append(out, fmt.Sprintf("the observations of %s are missing", name))
		}
	}
	return out
}

// lostObservations says what a node has written down and what is not there: what follows from it was not checked.
func lostObservations(node string, lost []history.Loss) []string {
	var segments, lines uint64
	reason := ""
	for _, l := range lost {
		segments, lines = segments+l.Segments, lines+l.Lines
		reason = cmp.Or(reason, l.Reason)
	}
	var out []string
	if segments > 0 {
		out = append(out, fmt.Sprintf("the observations of %s begin too late: they exceeded their limit, and the first %s "+
			"of the file were dropped (--node-flag=--observation-bytes=-1 has none)", node, verdict.Count(segments, "part")))
	}
	if lines > 0 {
		out = append(out, fmt.Sprintf("%s of %s could not be written: %s", verdict.Count(lines, "observation"), node,
			cmp.Or(reason, "no reason was given")))
	}
	return out
}
