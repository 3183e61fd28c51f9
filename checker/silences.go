package checker

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// silences tells, for each fault that took effect, how many operations were answered ok while it lasted, the longest
// times without one, and how long after its end the first update was. It learns of answers in order of time.
type silences struct {
	answers int
	lastOK  time.Duration // when the last one was

	faults  []*faultSilence // in their order
	coming  []*faultSilence // those that did not begin yet, by their beginning …
	current []*faultSilence // … and those that may not have ended

	healed  *firstUpdate
	updates []*firstUpdate // that are still waited for, by the moment after which they count
}

// faultSilence is how the service fared under one fault.
type faultSilence struct {
	window             history.FaultWindow
	from, to           time.Duration
	oks                int
	any, reads, writes gap
	update             *firstUpdate // nil when the fault was not reverted
}

// gap is the longest time without an answer.
type gap struct{ since, longest time.Duration }

func (g *gap) answer(at time.Duration) {
	g.longest = max(g.longest, at-g.since)
	g.since = at
}

// until is the longest time without an answer if it was waited for until then.
func (g gap) until(to time.Duration) time.Duration { return max(g.longest, to-g.since) }

// firstUpdate is how long after a moment the first ok update was answered that was invoked later; nil if none was.
type firstUpdate struct {
	after time.Duration
	took  *time.Duration
}

func newSilences(events []history.FaultEvent, recovery Recovery) *silences {
	s := &silences{healed: &firstUpdate{after: recovery.HealedAt}}
	s.updates = append(s.updates, s.healed)
	reverted := make(map[string]time.Duration)
	for _, e := range events {
		if e.Step == history.FaultRevert {
			reverted[e.ID] = e.End
		}
	}
	for _, w := range history.Windows(events) {
		if w.Status != history.FaultInstalled {
			continue
		}
		start := gap{since: w.From}
		f := &faultSilence{window: w, from: w.From, to: max(w.From, w.To), any: start, reads: start, writes: start}
		if at, ok := reverted[w.ID]; ok && w.RevertStatus != "" {
			f.update = &firstUpdate{after: at}
			s.updates = append(s.updates, f.update)
		}
		s.faults = append(s.faults, f)
	}
	s.coming = slices.SortedStableFunc(slices.Values(s.faults), func(a, b *faultSilence) int {
		return cmp.Compare(a.from, b.from)
	})
	slices.SortStableFunc(s.updates, func(a, b *firstUpdate) int { return cmp.Compare(a.after, b.after) })
	return s
}

// Observe implements Watcher.
func (s *silences) Observe(op *history.Operation) {
	if op.Outcome != history.OK {
		return
	}
	at, mutates := op.Return, op.Op.Func.Mutates()
	s.answers++
	s.lastOK = max(s.lastOK, at)
	for mutates && len(s.updates) > 0 && s.updates[0].after <= op.Call {
		took := at - s.updates[0].after
		s.updates[0].took = &took
		s.updates = s.updates[1:]
	}
	for len(s.coming) > 0 && s.coming[0].from <= at {
		s.current = append(s.current, s.coming[0])
		s.coming = s.coming[1:]
	}
	ended := false
	for _, f := range s.current {
		if at > f.to {
			ended = true
			continue
		}
		f.oks++
		f.any.answer(at)
		if mutates {
			f.writes.answer(at)
		} else {
			f.reads.answer(at)
		}
	}
	if ended {
		s.current = slices.DeleteFunc(s.current, func(f *faultSilence) bool { return at > f.to })
	}
}

// finish is what there is to say when the history ended at a moment.
func (s *silences) finish(end time.Duration) []verdict.FaultLiveness {
	var out []verdict.FaultLiveness
	for _, f := range s.faults {
		w := f.window
		to := max(f.from, min(f.to, end))
		l := verdict.FaultLiveness{ID: w.ID, Fault: strings.TrimSpace(w.Kind + " " + w.Played), Lasted: to - f.from,
			OKs: f.oks, LongestSilence: f.any.until(to), ReadSilence: f.reads.until(to), UpdateSilence: f.writes.until(to)}
		if f.update != nil {
			l.FirstUpdate = f.update.took
		}
		out = append(out, l)
	}
	return out
}
