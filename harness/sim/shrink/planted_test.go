package shrink

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"elenchus/harness/sim"
	"elenchus/harness/sim/planted"
)

// These variables make a test binary that has a bug in it shrink what the bug does, rather than test.
const (
	shrinkVariable  = "ELENCHUS_SHRINK"            // from which seed on
	budgetVariable  = "ELENCHUS_SHRINK_BUDGET"     // for each
	countVariable   = "ELENCHUS_SHRINK_COUNT"      // so many failing runs
	verboseVariable = "ELENCHUS_SHRINK_VERBOSE"    // print the steps
	candidatesLimit = "ELENCHUS_SHRINK_CANDIDATES" // for each
)

// shrunk is what such a binary prints of a run.
type shrunk struct {
	Seed       uint64        `json:"seed"`
	Kind       string        `json:"kind"`
	Before     Size          `json:"before"`
	After      Size          `json:"after"`
	Candidates int           `json:"candidates"`
	Finished   bool          `json:"finished"`
	Elapsed    time.Duration `json:"elapsed_ns"`
	Hash       uint64        `json:"hash,string"`
}

// TestMain shrinks instead of testing, where TestPlantedBugsBecomeSmall asks a binary that has a bug in it to.
func TestMain(m *testing.M) {
	from, err := strconv.ParseUint(os.Getenv(shrinkVariable), 10, 64)
	if err != nil {
		os.Exit(m.Run())
	}
	if err := shrinking(from); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// shrinking shrinks the first failing runs from a seed on, and prints a line in JSON for each.
func shrinking(from uint64) error {
	budget, _ := time.ParseDuration(os.Getenv(budgetVariable))
	runs, _ := strconv.Atoi(os.Getenv(countVariable))
	candidates, _ := strconv.Atoi(os.Getenv(candidatesLimit))
	world := sim.New(sim.Options{})
	for seed := from; runs > 0; seed++ {
		plan, err := sim.Draw(seed, sim.DrawOptions{})
		if err != nil {
			return err
		}
		if r, err := world.Run(plan); err != nil || r.Violation == nil {
			continue
		}
		runs--
		result, err := Run(context.Background(), plan, Options{Workers: 2, Budget: budget, Candidates: candidates})
		if err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
		r, err := world.Run(result.Plan)
		if err != nil || r.Violation == nil || r.Violation.Invariant != result.Violation.Invariant {
			return fmt.Errorf("seed %d: shrunk, it ends with %v, %w; want %v", seed, r.Violation, err, result.Violation)
		}
		if err := json.NewEncoder(os.Stdout).Encode(shrunk{
			seed, result.Violation.Invariant, result.Before, result.After, result.Candidates, result.Finished, result.Elapsed,
			r.Hash,
		}); err != nil {
			return err
		}
		if os.Getenv(verboseVariable) != "" {
			for _, s := range result.Steps {
				fmt.Fprintf(os.Stderr, "%6d %s: %v\n", s.Candidate, s.What, s.Size)
			}
			text, _ := json.MarshalIndent(result.Plan, "", " ")
			fmt.Fprintf(os.Stderr, "%s\n%v\n", text, result.Violation)
		}
	}
	return nil
}

// shrinkAll shrinks what a bug does, and reads what came of it.
func shrinkAll(t *testing.T, file string, env ...string) (all []shrunk) {
	t.Helper()
	binary, err := planted.Build(filepath.Join("..", "..", ".."), file, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		var one shrunk
		if json.Unmarshal([]byte(line), &one) == nil && one.Seed != 0 {
			all = append(all, one)
		}
	}
	return all
}

// Each of the bugs that package sim can find is shrunk until a person can follow it: one at least of the first three
// runs that fail, because some failures take luck that no smaller run has.
func TestPlantedBugsBecomeSmall(t *testing.T) {
	files, err := filepath.Glob("../testdata/planted/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bugs to plant: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			all := shrinkAll(t, file, shrinkVariable+"=1", countVariable+"=3", candidatesLimit+"=8000")
			if len(all) != 3 {
				t.Fatalf("%d runs were shrunk", len(all))
			}
			small := false
			for _, s := range all {
				t.Logf("seed %d, %s: %v; before: %v; %d candidates in %v", s.Seed, s.Kind, s.After, s.Before, s.Candidates,
					s.Elapsed)
				small = small || s.After.Faults <= 3 && s.After.Operations <= 10
			}
			if !small {
				t.Error("each of them is too much to follow")
			}
		})
	}
}
