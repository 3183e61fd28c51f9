package sim

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"elenchus/harness/sim/planted"
)

// huntVariable makes a test binary hunt, rather than test.
const huntVariable = "ELENCHUS_SIM_HUNT"

// hunted is what a hunt prints.
type hunted struct {
	Runs    uint64        `json:"runs"`
	CPU     time.Duration `json:"cpu_ns"`
	Failure *Failure      `json:"failure"`
}

// hunting hunts until something is found, and prints what: TestPlantedBugsAreFound runs it in binaries that have a bug in
// them.
func hunting() error {
	begun := processTime()
	s, err := Campaign{From: 1, To: 100_000, UntilFailure: true}.Run(context.Background())
	if err != nil {
		return err
	}
	h := hunted{Runs: s.Runs, CPU: processTime() - begun}
	if len(s.Failures) > 0 {
		h.Failure = &s.Failures[0]
	}
	return json.NewEncoder(os.Stdout).Encode(h)
}

// A harness that has never caught a real flaw proves nothing. Each of these is a bug that somebody could make, in the
// source as it is built for the test: no wrapper could make it.
func TestPlantedBugsAreFound(t *testing.T) {
	files, err := filepath.Glob("testdata/planted/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bugs to plant: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			h := hunt(t, plant(t, file))
			if h.Failure == nil {
				t.Fatalf("not found in %d runs", h.Runs)
			}
			t.Logf("found in run %d, after %v of CPU time: %s", h.Runs, h.CPU, h.Failure.Message)
		})
	}
}

// plant builds a test binary of this package with a bug in it.
func plant(t *testing.T, file string) (binary string) {
	t.Helper()
	binary, err := planted.Build(filepath.Join("..", ".."), file, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

func hunt(t *testing.T, binary string) (h hunted) {
	t.Helper()
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), huntVariable+"=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("hunt: %v\n%s", err, out)
	}
	if err := json.Unmarshal(out, &h); err != nil {
		t.Fatalf("hunt printed %q: %v", out, err)
	}
	return h
}
