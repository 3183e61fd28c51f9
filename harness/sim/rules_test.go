package sim

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"elenchus/checker/rules"
	"elenchus/node/multipaxos"
	"elenchus/results"
	"elenchus/results/clocks"
	"elenchus/results/history"
)

var (
	rulesSeeds = flag.Uint64("rules.seeds", 60, "how many runs are held to the rules of package rules")
	rulesFirst = flag.Uint64("rules.first", 1, "the first of their seeds")
	rulesAgree = flag.Bool("rules.agree", true, "fail when the rules find what nobody else does")
)

// reported is what the nodes of a run report, as a checker of its directory would read it.
func reported(t *testing.T, w *World, p *Plan, ops []history.Operation) rules.Input {
	t.Helper()
	started := time.Unix(1_800_000_000, 0)
	dir := results.Run{Dir: t.TempDir()}
	if err := w.writeClocks(dir, started); err != nil {
		t.Fatal(err)
	}
	log, err := history.ReadClocks(dir.Clocks())
	if err != nil {
		t.Fatal(err)
	}
	tracks := clocks.Tracks(log.Lines)
	in := rules.Input{Wiped: make(map[string][]time.Duration), Answers: compared(ops),
		LeaseReads: p.Node.Reads == multipaxos.ReadsLease, Members: w.n}
	if o := withDefaults(p.Node); o.Lease != multipaxos.LeaseNone {
		in.Bounds = &rules.Bounds{Drift: float64(o.DriftBound) / ppb, Offset: o.MaxOffset}
	}
	for i := range w.n {
		if err := w.writeObservations(dir, i, started); err != nil {
			t.Fatal(err)
		}
		seen, err := history.ReadObservations(dir.Observations(w.names[i]))
		if err != nil {
			t.Fatal(err)
		}
		at := clocks.NewAxis(started, clocks.Find(tracks, w.names[i]), seen.Observations).Place(seen.Observations)
		in.Nodes = append(in.Nodes, rules.Node{Name: w.names[i], Observations: seen.Observations, Lost: seen.Lost,
			When: at.When, Until: at.Until, Slack: at.Slack})
	}
	for _, e := range w.faultLog {
		if e.Kind == string(FaultDiskWipe) && e.Step == history.FaultApply && e.Status == history.FaultInstalled {
			for _, node := range e.Targets {
				in.Wiped[node] = append(in.Wiped[node], e.Begin)
			}
		}
	}
	return in
}

// compared compares the answers in a history with the order of the log.
func compared(ops []history.Operation) *rules.Answers {
	told := new(rules.Answers)
	byReturn := slices.Collect(func(yield func(*history.Operation) bool) {
		for i := range ops {
			if ops[i].Completed() && !yield(&ops[i]) {
				return
			}
		}
	})
	slices.SortFunc(byReturn, func(a, b *history.Operation) int { return cmp.Compare(a.ReturnSeq, b.ReturnSeq) })
	before := make([]rules.Told, len(ops))
	done := 0
	complete := func(until int64) {
		for ; done < len(byReturn) && byReturn[done].ReturnSeq < until; done++ {
			told.Complete(byReturn[done], before[byReturn[done].ID])
		}
	}
	for i := range ops { // in order of invocation
		complete(ops[i].CallSeq)
		before[ops[i].ID] = told.Latest()
	}
	complete(math.MaxInt64)
	return told
}

// What nodes report is held to the same rules as everything that they do, and nobody is accused whom the observer of
// everything finds correct. Runs go on as in a lab when only that observer sees a rule broken.
func TestRulesAgreeWithTheGhost(t *testing.T) {
	w := New(Options{Record: true, Trace: true, ClientsOnly: true})
	counts := make(map[string]int)
	var elections, grants, lines int
	for seed := *rulesFirst; seed < *rulesFirst+*rulesSeeds; seed++ {
		p, err := Draw(seed, DrawOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.Run(p)
		if err != nil {
			t.Fatal(err)
		}
		got := rules.Check(reported(t, w, p, r.History))
		elections, grants, lines = elections+got.Elections, grants+got.Grants, lines+got.Lines
		if r.Hidden == nil && r.Violation == nil {
			missingLinesAccuseNobody(t, seed, reported(t, w, p, r.History))
		}
		ghost := "-"
		if r.Hidden == nil {
			r.Hidden = r.Violation
		}
		if r.Hidden != nil {
			ghost = r.Hidden.Invariant
		}
		own := "-"
		for _, v := range got.Violations {
			if own = v.Rule; own == ghost {
				break
			}
		}
		if counts[ghost+" / "+own]++; own != "-" && ghost == "-" || counts[ghost+" / "+own] == 1 && own != ghost {
			text := fmt.Sprintf("seed %d: the ghost says %v, the rules say:", seed, r.Hidden)
			for _, v := range got.Violations {
				text += fmt.Sprintf("\n  %s: %s (and %d others)", v.Rule, v.Account, v.Others)
			}
			if own != "-" && ghost == "-" && *rulesAgree {
				t.Error(text)
			} else {
				t.Log(text)
			}
		}
	}
	t.Logf("%d lines, %d elections, %d grants; ghost / rules: %v", lines, elections, grants, counts)
	if *rulesSeeds >= 20 && (elections == 0 || grants == 0) {
		t.Error("nothing was held to the rules")
	}
}

// missingLinesAccuseNobody takes lines from the accounts of correct nodes: from somewhere in the middle of some, which
// these say, and the last of some lives of others, which nobody says but that the machine failed them.
func missingLinesAccuseNobody(t *testing.T, seed uint64, in rules.Input) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range in.Nodes {
		n := &in.Nodes[i]
		total := len(n.Observations)
		if total == 0 || rng.IntN(3) == 0 {
			continue
		}
		from := rng.IntN(total)
		to := from + 1 + rng.IntN(total-from)
		if n.Partial = rng.IntN(2) == 0; n.Partial {
			for to = from + 1; to < total && n.Observations[to].Boot == n.Observations[from].Boot; to++ {
			}
		} else {
			n.Lost = append(n.Lost, history.Loss{Before: from, Lines: uint64(to - from)})
		}
		n.Observations = slices.Delete(n.Observations, from, to)
		for _, at := range []*[]time.Duration{&n.When, &n.Until, &n.Slack} {
			if len(*at) == total {
				*at = slices.Delete(*at, from, to)
			}
		}
	}
	for _, v := range rules.Check(in).Violations {
		t.Errorf("seed %d: because lines are missing, %s: %s (and %d others)", seed, v.Rule, v.Account, v.Others)
	}
}
