package checker

import (
	"fmt"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// checkHarness judges whether the run itself can be trusted: nothing here is the tested system's doing.
func checkHarness(in Input, ops []history.Operation) verdict.Harness {
	h := verdict.Harness{Status: verdict.Healthy}
	fail := func(format string, args ...any) { h.Reasons = append(h.Reasons, fmt.Sprintf(format, args...)) }
	for _, e := range in.Facts.HarnessErrors {
		fail("%s", e)
	}
	switch {
	case in.HistoryErr != nil:
		fail("the history cannot be read: %v", in.HistoryErr)
	case in.History.Truncated:
		fail("the history ends in the middle of a line")
	case !in.History.Complete:
		fail("the history has no end: the harness was stopped before it could write it")
	}
	if in.FaultsErr != nil {
		fail("the fault log cannot be read: %v", in.FaultsErr)
	} else if in.Faults.Truncated {
		fail("the fault log ends in the middle of a line")
	}
	for _, e := range in.Faults.Events {
		if e.Status == history.FaultFailed {
			fail("fault %s (%s %s) could not be proven at %s of its %s: %s",
				e.ID, e.Kind, orElse(e.Played, e.Detail), seconds(e.End), e.Step,
				orElse(e.Error, "no reason was given"))
		}
	}
	for _, w := range history.Windows(in.Faults.Events) {
		if w.Status == history.FaultInstalled && w.RevertStatus == "" {
			fail("fault %s (%s %s) was never reverted", w.ID, w.Kind, orElse(w.Played, w.Detail))
		}
	}
	if in.Facts.UniqueValues {
		if err := history.UniqueValues(ops); err != nil {
			fail("the workload promised unique values, but %v", err)
		}
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
	if !in.Facts.Collected && (len(ops) > 0 || len(h.Reasons) == 0) { // of a run that never began there is nothing
		h.Reasons = append(h.Reasons, "logs and data of the nodes were not collected")
		if h.Status == verdict.Healthy {
			h.Status = verdict.Failed
		}
	}
	return h
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
