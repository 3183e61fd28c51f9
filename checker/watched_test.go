package checker

import (
	"slices"
	"strings"
	"testing"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// judged is what it comes to when the scene was seen by somebody who sees all.
func (s *scene) judged(b verdict.Broken, told ...verdict.Finding) verdict.Finding {
	d := newDiagnosis(s.in, nil)
	d.operations = s.ops
	return d.watched(b, told)
}

func lease(node string) verdict.Broken {
	return verdict.Broken{Finding: verdict.Finding{Checker: ruleLease, At: 1000 * ms, Summary: "x"}, Node: node,
		Ballot: "1.n1", Demand: "While a lease is valid its holder alone may lead."}
}

func grant() verdict.Broken {
	return verdict.Broken{Finding: verdict.Finding{Checker: ruleGrant, At: 1000 * ms, Summary: "x"}, Node: "n3",
		Ballot: "2.n2"}
}

func TestWatchedRules(t *testing.T) {
	const granted, recovered = history.ObservedLeaseGranted, history.ObservedRecovered
	steady := func(s *scene) *scene { return s.clock("n1", 1, 0).clock("n2", 1, 0).clock("n3", 1, 0) }
	owes := saw{at: 700, kind: granted, ballot: "1.n1", until: 1300}
	tests := map[string]struct {
		scene *scene
		seen  verdict.Broken
		want  []string
		says  string
	}{
		"clocks that drift": {newScene("lease").deposed(1400).clock("n1", 0.9, 0).clock("n2", 1, 0), lease("n1"),
			[]string{"clocks drifted apart", "two leases at once"}, "n2 was elected in ballot 2.n2 at 0.900 s."},
		"a lease that was too long": {steady(newScene("lease").deposed(1400).node("n3",
			saw{at: 405, kind: granted, ballot: "1.n1", until: 850})), lease("n1"),
			[]string{"a lease longer than its grants", "two leases at once"}, "the margin between the two was too small"},
		"a lease, and nobody knows the clocks": {newScene("lease").deposed(1400).node("n3",
			saw{at: 405, kind: granted, ballot: "1.n1", until: 850}), lease("n1"), []string{"two leases at once"}, ""},
		"a grant forgotten": {newScene("lease").node("n3", owes, saw{at: 800, kind: history.ObservedEnded},
			saw{at: 810, kind: recovered, ballot: "1.n1", boot: "2"}), grant(),
			[]string{"a grant forgotten in a restart"}, "n3 was up again at 0.810 s, with the promise of 1.n1 on its disk"},
		"a grant not kept": {newScene("lease").node("n3", owes), grant(), []string{"a grant that was not kept"},
			"n3 had granted ballot 1.n1 a lease at 0.700 s."},
		"nothing known": {newScene("lease"), grant(), nil, ""},
		"a slot of another": {newScene("quorum").node("n2", saw{at: 900, kind: history.ObservedApplied, ballot: "1.n1", slot: 7,
			ops: wrote("5")}), verdict.Broken{Finding: verdict.Finding{Checker: "applied-prefix", At: 1000 * ms}, Node: "n1",
			Slot: 7}, nil, "n2 had applied slot 7 as write x 5, in ballot 1.n1, at 0.900 s."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := tt.scene.judged(tt.seen)
			if got := names(f.Causes); !slices.Equal(got, tt.want) {
				t.Errorf("causes %q, want %q", got, tt.want)
			}
			if text := strings.Join(f.Story, " "); !strings.Contains(text, tt.says) {
				t.Errorf("%q does not say %q", text, tt.says)
			}
			if d := tt.seen.Demand; d != "" && f.Story[len(f.Story)-1] != d {
				t.Errorf("%q does not end with %q", f.Story, d)
			}
		})
	}
}

// What an answer did that broke a rule is told as it is of answers that no order explains.
func TestWatchedAnswers(t *testing.T) {
	s := newScene("quorum").node("n1", saw{at: 1005, kind: history.ObservedElected, ballot: "3.n1"})
	s.ops = []history.Operation{s.p.before, s.p.last}
	fresh := verdict.Broken{Finding: verdict.Finding{Checker: "read-fresh", At: 1012 * ms, Operations: []int{1, 2}},
		Node: "n1", Demand: "Reads are fresh."}
	f := s.judged(fresh)
	if got := names(f.Causes); !slices.Equal(got, []string{"a new leader answered before it had caught up"}) {
		t.Errorf("causes %q", got)
	}
	if len(f.Table) != 2 || f.Table[0].Role != "was over before that began" || f.Table[1].Role != "broke the rule" {
		t.Errorf("table %+v", f.Table)
	}
	if len(f.Story) < 3 || !strings.HasPrefix(f.Story[0], "The read was answered by n1 from its state up to slot 1") {
		t.Errorf("story %q", f.Story)
	}
	again := s.judged(fresh, verdict.Finding{Operations: []int{0, 2}})
	if len(again.Causes) != 0 || !strings.HasPrefix(again.Story[0], "It is the same answer") {
		t.Errorf("told twice: %+v", again)
	}
	fresh.Operations = []int{7}
	s.judged(fresh) // of a history that breaks off
}

// Who died together is told of in one sentence, and what was long ago is left out.
func TestChronicle(t *testing.T) {
	s := newScene("quorum")
	for _, name := range []string{"n1", "n2"} {
		s.node(name, saw{at: 100, kind: history.ObservedElected, ballot: "1." + name},
			saw{at: 4000, kind: history.ObservedEnded}, saw{at: 4100, kind: history.ObservedRecovered, boot: "2"})
	}
	s.in.Faults.Events = []history.FaultEvent{{ID: "f1", Kind: "reset", Played: "n1", Targets: []string{"n1"},
		Step: history.FaultApply, Status: history.FaultInstalled, End: 4200 * ms}}
	got := s.judged(verdict.Broken{Finding: verdict.Finding{Checker: ruleRecovery, At: 5000 * ms}, Node: "n2"}).Story
	want := []string{
		"n1 and n2 died at 4.000 s (); n2 was up again at 4.100 s, with no promise on its disk.",
		"Fault f1 (reset n1) struck at 4.200 s.",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
