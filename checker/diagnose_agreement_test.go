package checker

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// logs is a scene without a read, in which each node has applied updates in slots from 1: "1 2 -" are updates to 1 and
// to 2 and a slot without any.
func logs(op string, nodes ...string) *scene {
	s := newScene("quorum")
	s.p = plainly{}
	for i, log := range nodes {
		var lines []saw
		for j, value := range strings.Fields(log) {
			l := saw{at: 500 + j, kind: history.ObservedApplied, ballot: "1.n1", slot: uint64(j + 1)}
			if value != "-" {
				l.ops = []history.Update{{Op: op, Key: "x", Value: value}}
			}
			lines = append(lines, l)
		}
		s.node(fmt.Sprintf("n%d", i+1), lines...)
	}
	return s
}

// A compare-and-set that took effect although its place in the log is behind another update was compared with an old
// state. It takes one place of each of the three to say so.
func TestOldCompare(t *testing.T) {
	s := newScript(t, "x")
	s.do(0, write(1)).call(1, cas(1, 2)).call(0, write(3)).do(2, read(), 3).ret(1, ok, true).do(2, read(), 2)
	lin := Linearize(t.Context(), registerModel(), s.ops, nil, Budget{})
	_, p := linearizabilityFinding(SplitByKey(s.ops)[0], nil, lin.Keys[0])
	const blamed = "compared with an old state"
	for log, want := range map[string]bool{
		"1 3 2":   true,
		"- 1 3 2": true,
		"1 2 3":   false, // as it should be
		"3 1 2":   false,
		"1 3":     false,
		"1 2":     false,
		"3 2":     false,
		"1 3 2 2": false, // whichever of the two took effect
		"1 3 3 2": false,
		"":        false,
	} {
		scene := logs("write", log, log)
		scene.p = p
		causes := scene.told().Causes
		if got := slices.Contains(names(causes), blamed); got != want {
			t.Errorf("log %q: %q", log, names(causes))
		}
		if want && log == "1 3 2" {
			c := causes[slices.Index(names(causes), blamed)]
			contains(t, "cause", c.Says, "The log has 3 in slot 2 and only then, in slot 3, the cas that replaced 1: what it "+
				"expected was compared with an older state")
			contains(t, "evidence", strings.Join(c.Evidence, " "), "1 is in slot 1, 3 in slot 2, and the cas to 2 in slot 3.")
		}
	}
	// Another sort of violation, with the same log, is not explained by it.
	scene := logs("write", "1 3 2")
	scene.p = p
	scene.p.name = nameStale
	if got := names(scene.told().Causes); slices.Contains(got, blamed) {
		t.Errorf("a stale read: %q", got)
	}
}

// An element that is in a list twice is in the log twice, or was executed twice from there. How often it is in the logs
// of several nodes is no matter.
func TestExecutedTwice(t *testing.T) {
	s := newScript(t, "x").do(0, appendOp(1), 1).do(1, read(), 1, 1)
	l, isList := newList(SplitByKey(s.ops)[0], nil)
	if !isList {
		t.Fatal("no list")
	}
	p := l.account(s.ops[1], true)
	if p.name != nameAppliedTwice {
		t.Fatalf("it is called %q", p.name)
	}
	for _, tt := range []struct {
		log, cause, says string
	}{
		{"1 1", "a repeated request was executed again", "is in the log twice, because it was sent again"},
		{"1 - 1", "a repeated request was executed again", "Slot 1 was applied by n1 in ballot 1.n1, slot 3 was applied by n1"},
		{"1 1 1", "a repeated request was executed again", "is in the log 3 times"},
		{"- 1 2", "a slot was applied twice", "No other slot has it: slot 2 was applied by n1 in ballot 1.n1."},
		{"2 -", "", ""},
		{"", "", ""},
	} {
		scene := logs("append", tt.log, tt.log)
		scene.p = p
		causes := scene.told().Causes
		if tt.cause == "" {
			if len(causes) > 0 {
				t.Errorf("log %q: %q", tt.log, names(causes))
			}
			continue
		}
		if len(causes) != 1 || causes[0].Name != tt.cause {
			t.Errorf("log %q: %q, want %q", tt.log, names(causes), tt.cause)
			continue
		}
		contains(t, "cause", causes[0].Says+" "+strings.Join(causes[0].Evidence, " "), tt.says)
	}
	scene := logs("append", "1 1")
	scene.p = p
	scene.p.twice = false
	if got := names(scene.told().Causes); len(got) > 0 {
		t.Errorf("of what is there once: %q", got)
	}
}

// What a finding on agreement tells: who led the ballots, what clients saw of the commands, and which promise was
// forgotten.
func TestAgreementStories(t *testing.T) {
	const applied, elect = history.ObservedApplied, history.ObservedElected
	const differ = "A slot may be decided once only, whoever leads: from here on the nodes' states differ, and what was " +
		"acknowledged at one of them may be missing at another."
	five, six := []string{"1:1"}, []string{"2:1"}
	first := []saw{{at: 10, kind: elect, ballot: "1.n1"},
		{at: 20, kind: applied, ballot: "1.n1", slot: 1, ops: wrote("5"), ids: five}}
	other := []saw{{at: 30, kind: elect, ballot: "2.n2"},
		{at: 40, kind: applied, ballot: "2.n2", slot: 1, ops: wrote("6"), ids: six}}
	ledBoth := []string{"Ballot 1.n1 was led by n1, elected at 0.010 s.", "Ballot 2.n2 was led by n2, elected at 0.030 s.",
		differ}
	forgot := []saw{{at: 15, kind: history.ObservedPromised, ballot: "2.n2"},
		{at: 17, kind: history.ObservedRecovered, ballot: "1.n1", boot: "2"}}
	promised := append([]saw{{at: 14, kind: history.ObservedPromised, ballot: "2.n2"}}, other...)
	tests := map[string]struct {
		scene  *scene
		story  []string
		causes []string
		roles  []string // in the table
	}{
		"two leaders": {newScene("quorum").node("n1", first...).node("n2", other...), ledBoth, nil,
			[]string{"is in slot 1 at n1", "is in slot 1 at n2"}},
		"one ballot": {newScene("quorum").node("n1", first...).node("n2",
			saw{at: 40, kind: applied, ballot: "1.n1", slot: 1, ops: wrote("6"), ids: six}),
			[]string{ledBoth[0], differ}, nil, []string{"is in slot 1 at n1", "is in slot 1 at n2"}},
		"leaders that nobody knows": {newScene("quorum").node("n1", first[1]).node("n2", other[1]), []string{differ}, nil,
			[]string{"is in slot 1 at n1", "is in slot 1 at n2"}},
		"updates that nobody asked for": {newScene("quorum").node("n1",
			saw{at: 20, kind: applied, ballot: "1.n1", slot: 1, ops: wrote("7"), ids: five}).node("n2",
			saw{at: 40, kind: applied, ballot: "2.n2", slot: 1, ops: wrote("6"), ids: six}), []string{differ}, nil,
			[]string{"is in slot 1 at n2"}},
		"a forgotten promise": {newScene("quorum").node("n1", first...).node("n2", promised...).node("n3", forgot...),
			append(slices.Clone(ledBoth), "n3 had promised ballot 2.n2, and after a restart knew only of 1.n1: what it had "+
				"promised was not on its disk."), []string{"a forgotten promise"},
			[]string{"is in slot 1 at n1", "is in slot 1 at n2"}},
		"a gap": {newScene("quorum").node("n1", append(slices.Clone(first),
			saw{at: 60, kind: applied, ballot: "1.n1", slot: 3, ops: wrote("6"), ids: six})...), ledBoth[:1], nil,
			[]string{"is in slot 3 at n1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := goodRun(t)
			in.Nodes, in.Stories = tt.scene.in.Nodes, tt.scene.in.Stories
			before(&in, newScript(t, "x").do(0, write(5)).do(1, write(6)).ops)
			v := judge(in)
			at := slices.IndexFunc(v.Safety.Findings, func(f verdict.Finding) bool { return f.Checker == CheckAgreement })
			if at < 0 {
				t.Fatalf("agreement is not violated: %+v", v.Safety)
			}
			f := v.Safety.Findings[at]
			if !slices.Equal(f.Story, tt.story) || !slices.Equal(names(f.Causes), tt.causes) {
				t.Errorf("story %q, causes %q", f.Story, names(f.Causes))
			}
			var roles []string
			for _, r := range f.Table {
				roles = append(roles, r.Role)
			}
			if !slices.Equal(roles, tt.roles) || len(f.Operations) != len(tt.roles) {
				t.Errorf("roles %q of operations %v", roles, f.Operations)
			}
		})
	}
}
