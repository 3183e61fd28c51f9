package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/leases"
	"elenchus/results/verdict"
)

// Boxes that are too narrow for their names are named below the timeline, and the legend has the kinds that are drawn.
func TestTimelineNamesEveryBox(t *testing.T) {
	window := func(id, kind string, from, to time.Duration, nodes ...string) history.FaultWindow {
		return history.FaultWindow{ID: id, Kind: kind, From: from, To: to, Targets: nodes, Status: history.FaultInstalled}
	}
	st := stories{end: 30 * time.Second, nodes: []leases.Story{{Node: "n1"}, {Node: "n2"}},
		windows: []history.FaultWindow{
			window("f3", "transfer", 20*time.Second, 20*time.Second, "n1"),
			window("f1", "partition", 2*time.Second, 9*time.Second, "n1"),
			window("f2", "disk-full", 12*time.Second, 12100*time.Millisecond, "n1", "n2"),
			{ID: "f4", Kind: "pause", From: 25 * time.Second, Targets: []string{"n1"}, Status: history.FaultFailed},
		}}
	drawn := newTimeline(Input{Manifest: &results.Manifest{}, Activity: &Activity{}}, st)
	if want := []string{"f2 disk-full", "f3 transfer"}; !slices.Equal(drawn.Nameless, want) || drawn.MoreNameless != 0 {
		t.Errorf("named below: %q and %d more; want %q", drawn.Nameless, drawn.MoreNameless, want)
	}
	kinds := []kindMark{{"f-disk", "disk-full"}, {"f-partition", "partition"}, {"f-transfer", "transfer"}}
	if !slices.Equal(drawn.Kinds, kinds) || !drawn.Marked {
		t.Errorf("the legend has %v, and crosses: %v", drawn.Kinds, drawn.Marked)
	}
	st.windows = nil
	for i := range namelessMax + 5 {
		at := time.Duration(i) * time.Second
		st.windows = append(st.windows, window(fmt.Sprintf("f%d", i), "kill", at, at, "n1"))
	}
	drawn = newTimeline(Input{Manifest: &results.Manifest{}, Activity: &Activity{}}, st)
	if len(drawn.Nameless) != namelessMax || drawn.MoreNameless != 5 || drawn.Marked || len(drawn.Kinds) != 1 {
		t.Errorf("%d are named below, and %d more; %v", len(drawn.Nameless), drawn.MoreNameless, drawn.Kinds)
	}
}

// The page says in plain words what was run, and has no row for a check that had nothing to look at.
func TestPageLeavesOutWhatDoesNotApply(t *testing.T) {
	m := &results.Manifest{Lab: "local", Config: results.Config{System: "paxos", Protocol: "multipaxos", Workload: "register"}}
	v := verdict.Verdict{Safety: verdict.Safety{Status: verdict.Valid, Checks: []verdict.Check{
		{Checker: "linearizability", Status: verdict.Valid, Detail: "12 keys"},
		{Checker: "lists", Status: verdict.None, Detail: "0 lists"}}}}
	var page bytes.Buffer
	if err := Render(&page, Input{Manifest: m, Checked: true, Verdict: v}); err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]bool{
		"workload register on Multi-Paxos, 0 nodes, local lab": true, `<td class="nowrap">linearizability</td>`: true,
		`<td class="nowrap">lists</td>`: false, "Not called for: lists (0 lists).": true,
	} {
		if strings.Contains(page.String(), part) != want {
			t.Errorf("the page has %q: %v", part, !want)
		}
	}
	for want, m := range map[string]*results.Manifest{
		"workload append on etcd, 0 nodes, vagrant lab":            {Lab: "vagrant", Config: results.Config{System: "etcd", Workload: "append"}},
		"workload register on Multi-Paxos, 0 nodes, simulated":     {Lab: "sim", Config: m.Config},
		"a history in the format jepsen, recorded by another tool": {Lab: "none", Imported: "jepsen"},
	} {
		if got := what(m); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
