package checker

import (
	"fmt"
	"slices"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// checkLiveness judges whether the system answered again once it was left in peace. What happened under faults is told
// and not judged: a system may well be unavailable while its majority is.
func (s *Stream) checkLiveness(harness verdict.Status) verdict.Liveness {
	in, r := s.in, s.in.Facts.Recovery
	l := verdict.Liveness{Status: verdict.Valid, Recovery: r.Took, Faults: s.silent.finish(s.last)}
	l.Kinds = byKind(l.Faults, history.Windows(in.Faults.Events))
	if r.Attempted {
		l.FirstUpdate = s.silent.healed.took
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
		if s.silent.answers > 0 {
			reason += fmt.Sprintf("; its last ok answer was at %s", seconds(s.silent.lastOK))
		}
		l.Reasons = append(l.Reasons, reason)
		l.Reasons = append(l.Reasons, r.Missing...)
	default:
		for _, n := range s.served.unserved(in.Facts.Nodes) {
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
