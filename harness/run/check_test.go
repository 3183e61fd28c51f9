package run

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"elenchus/checker"
	"elenchus/results"
)

// What was planned says how long faults were to be in effect: what is done in a moment for as little as there is, and
// what lasts until the end is marked by zero.
func TestPlannedDurations(t *testing.T) {
	dir := results.Run{Dir: t.TempDir()}
	text := "elenchus-schedule 1\nnodes n1 n2 n3\nlength 10s\nat 1s for 2s kill n1\nat 2s transfer leader\n" +
		"at 3s for 1s transfer all\nat 4s pause n2\n"
	if err := os.WriteFile(dir.SchedulePlanned(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := plan(dir, 9*time.Second)
	want := &checker.Plan{Until: 9 * time.Second, Faults: []checker.PlannedFault{
		{ID: "f1", Kind: "kill", At: time.Second, For: 2 * time.Second},
		{ID: "f2", Kind: "transfer", At: 2 * time.Second, For: 1},
		{ID: "f3", Kind: "transfer", At: 3 * time.Second, For: 1},
		{ID: "f4", Kind: "pause", At: 4 * time.Second},
	}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
