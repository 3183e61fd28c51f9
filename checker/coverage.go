package checker

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/leases"
	"elenchus/results/verdict"
)

// checkCoverage says what was really exercised, and what was missing.
func (s *Stream) checkCoverage() verdict.Coverage {
	in := s.in
	c := verdict.Coverage{
		Status:       verdict.Sufficient,
		Operations:   s.counts.finish(),
		Faults:       countFaults(in.Faults.Events, in.Facts.WantedKinds),
		UnderFault:   s.faulty.ok,
		DeposedReads: s.astray.finish(),
		TwoLeases:    twoAtOnce(in),
	}
	countEvents(in.Nodes, &c)
	why := partial(in)
	if why == "" && in.Facts.Stopped != "" {
		why = "the run was stopped at the first violation"
	}
	if why == "" && in.FaultsErr != nil {
		why = "the fault log cannot be read"
	}
	if why != "" {
		c.Status, c.Reasons = verdict.None, []string{"not judged: " + why}
		return c
	}
	thresholds := in.Thresholds
	if in.Facts.Imported { // from a tool that has no such phases, and may not have wanted every function to succeed
		thresholds.FinalReads = cmp.Or(thresholds.FinalReads, -1)
		thresholds.OKPerFunc = cmp.Or(thresholds.OKPerFunc, -1)
	}
	c.Reasons = vacuous(c, in.Facts, thresholds.withDefaults(in.Facts))
	if len(c.Reasons) > 0 {
		c.Status = verdict.Vacuous
	}
	return c
}

// twoAtOnce sums up the times in which two nodes believed to hold a lease, as the report draws them; nil if there are
// none. Whether a rule was broken then, the check of the protocol says: it excuses what clocks explain.
func twoAtOnce(in Input) *verdict.TwoLeases {
	clashes := leases.Clashes(in.Stories, clocks.PairError(in.Clocks))
	if len(clashes) == 0 {
		return nil
	}
	t := verdict.TwoLeases{Times: len(clashes), At: clashes[0].From}
	for _, c := range clashes {
		t.Longest = max(t.Longest, c.To-c.From)
	}
	return &t
}

// vacuous lists what a run did not do that it must have done to mean anything.
func vacuous(c verdict.Coverage, facts Facts, t Thresholds) []string {
	if len(c.Operations) == 0 {
		return []string{"no operation was ever sent"}
	}
	var out []string
	lack := func(got, want int, what string) {
		if got < want {
			out = append(out, fmt.Sprintf("%s: %d, at least %d wanted", what, got, want))
		}
	}
	if facts.Imported && !slices.ContainsFunc(c.Operations, func(o verdict.OperationCount) bool { return o.OK > 0 }) {
		out = append(out, "no operation was answered ok")
	}
	for _, f := range facts.Funcs {
		ok, matched := 0, 0
		for _, o := range c.Operations {
			if o.Phase == string(history.PhaseMain) && o.Func == string(f) {
				ok += o.OK
				matched += o.OK - o.Mismatch
			}
		}
		lack(ok, t.OKPerFunc, fmt.Sprintf("%s answered ok in the main phase", f))
		if f == history.CAS && ok >= t.OKPerFunc {
			lack(matched, t.OKPerFunc, "cas that matched in the main phase")
		}
	}
	for _, f := range c.Faults {
		if f.Wanted {
			lack(f.Installed, t.InstalledPerKind, fmt.Sprintf("%s faults seen to take effect", f.Kind))
			if want := demanded(f.Kind, facts, t); f.Installed > 0 && f.InEffect < want {
				out = append(out, fmt.Sprintf("%s faults seen in effect for %s, at least %s wanted", f.Kind,
					seconds(f.InEffect), seconds(want)))
			}
		}
	}
	if len(facts.WantedKinds) > 0 {
		lack(c.UnderFault, t.UnderFault, "operations answered ok while a fault was in effect")
	}
	if c.DeposedReads != nil {
		if got := c.DeposedReads.Attempted; got < t.DeposedReads {
			out = append(out, fmt.Sprintf("reads attempted at deposed leaders: %d, at least %d wanted, or nobody has tried "+
				"whether leases hold (--deposed-reads -1 demands none)", got, t.DeposedReads))
		}
	} else if t.DeposedReads > 0 {
		out = append(out, "reads attempted at deposed leaders: not known, as the nodes' clocks cannot be compared with the "+
			"harness's")
	}
	final := 0
	for _, o := range c.Operations {
		if o.Phase == string(history.PhaseFinal) {
			final += o.OK
		}
	}
	lack(final, t.FinalReads, "final reads answered ok")
	return out
}

// outcomes counts operations by phase, function and outcome.
type outcomes struct {
	rows [][]verdict.OperationCount // by phase and function, in their usual order
}

// Observe implements Watcher.
func (o *outcomes) Observe(op *history.Operation) {
	phase, f := slices.Index(history.Phases, op.Phase), slices.Index(history.Funcs, op.Op.Func)
	if phase < 0 || f < 0 {
		return
	}
	if o.rows == nil {
		o.rows = make([][]verdict.OperationCount, len(history.Phases))
		for i := range o.rows {
			o.rows[i] = make([]verdict.OperationCount, len(history.Funcs))
		}
	}
	c := &o.rows[phase][f]
	switch op.Outcome {
	case history.OK:
		c.OK++
		if op.Op.Func == history.CAS && !op.Result.Matched {
			c.Mismatch++
		}
	case history.Fail:
		c.Fail++
	default:
		c.Unknown++
	}
}

func (o *outcomes) finish() []verdict.OperationCount {
	out := []verdict.OperationCount{}
	for i, row := range o.rows {
		for j, c := range row {
			if c != (verdict.OperationCount{}) {
				c.Phase, c.Func = string(history.Phases[i]), string(history.Funcs[j])
				out = append(out, c)
			}
		}
	}
	return out
}

// countFaults counts faults by kind: those that were wanted first, in their order, then others by name.
func countFaults(events []history.FaultEvent, wanted []string) []verdict.FaultCount {
	out := []verdict.FaultCount{}
	row := func(kind string) *verdict.FaultCount {
		i := slices.IndexFunc(out, func(c verdict.FaultCount) bool { return c.Kind == kind })
		if i < 0 {
			i = len(out)
			out = append(out, verdict.FaultCount{Kind: kind})
		}
		return &out[i]
	}
	for _, kind := range wanted {
		row(kind).Wanted = true
	}
	asked := len(out)
	for _, e := range events {
		c := row(e.Kind)
		switch {
		case e.Status == history.FaultFailed: // of the revert too: what is left of the fault is not known
			c.Failed++
		case e.Step == history.FaultApply && e.Status == history.FaultInstalled:
			c.Installed++
		case e.Step == history.FaultApply && e.Status == history.FaultSkipped:
			c.Skipped++
		}
	}
	slices.SortFunc(out[asked:], func(a, b verdict.FaultCount) int { return cmp.Compare(a.Kind, b.Kind) })
	windows := history.Windows(events)
	for i := range out {
		out[i].InEffect = inEffect(out[i].Kind, windows)
	}
	return out
}

// demanded is for how long faults of a kind must have been in effect.
func demanded(kind string, facts Facts, t Thresholds) time.Duration {
	if slices.Contains(sudden, kind) {
		return 0
	}
	if facts.Plan == nil {
		return t.InEffectPerKind
	}
	var planned time.Duration
	for _, f := range facts.Plan.Faults {
		switch {
		case f.Kind != kind:
		case f.For > 0:
			planned += f.For
		default:
			planned += max(0, facts.TimeLimit-f.At)
		}
	}
	return min(t.InEffectPerKind, planned/4)
}

// inEffect is for how long at least one fault of the kind was in effect. Only those count that were found in effect
// when they were to be reverted: of the others it is not known how long they lasted.
func inEffect(kind string, windows []history.FaultWindow) time.Duration {
	var sum time.Duration
	for _, s := range union(windows, func(w history.FaultWindow) bool {
		return w.Kind == kind && w.RevertStatus == history.FaultReverted
	}) {
		sum += s.to - s.from
	}
	return sum
}

// span is a length of time.
type span struct{ from, to time.Duration }

// union is when at least one of the faults that count was in effect: spans that do not touch, in order.
func union(windows []history.FaultWindow, counts func(history.FaultWindow) bool) []span {
	var spans []span
	for _, w := range windows {
		if w.Status == history.FaultInstalled && counts(w) {
			spans = append(spans, span{w.From, w.To})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var merged []span
	for _, s := range spans {
		if n := len(merged); n > 0 && s.from <= merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, s.to)
		} else {
			merged = append(merged, s)
		}
	}
	return merged
}

// underFaults counts the operations that were invoked and answered ok while at least one fault was in effect all along.
type underFaults struct {
	merged []span
	ok     int
}

func newUnderFaults(windows []history.FaultWindow) *underFaults {
	return &underFaults{merged: union(windows, func(history.FaultWindow) bool { return true })}
}

// Observe implements Watcher.
func (u *underFaults) Observe(op *history.Operation) {
	if op.Outcome != history.OK || len(u.merged) == 0 {
		return
	}
	// The last span that begins no later than the call.
	i, found := slices.BinarySearchFunc(u.merged, op.Call,
		func(s span, t time.Duration) int { return cmp.Compare(s.from, t) })
	if !found {
		i--
	}
	if i >= 0 && op.Return <= u.merged[i].to {
		u.ok++
	}
}
