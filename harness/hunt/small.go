package hunt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"elenchus/harness/sim/shrink"
)

// Small is a failing run after shrinking.
type Small struct {
	Seed     uint64      `json:"seed"`
	Check    string      `json:"check"` // the check that fails in it
	Before   shrink.Size `json:"before"`
	After    shrink.Size `json:"after"`
	Finished bool        `json:"finished"` // nothing more could be removed; otherwise time ran out
}

// String describes the size of the run, for a cell of a table: faults, operations, messages.
func (s *Small) String() string {
	if s == nil {
		return "?"
	}
	return fmt.Sprintf("%d, %d, %d", s.After.Faults, s.After.Operations, s.After.Messages)
}

// Shrink shrinks the first failing run of a hunt, for at most the given elapsed time. It returns nil if there is no
// such run, or if it cannot be shrunk because the program crashes or hangs in it.
func Shrink(ctx context.Context, o Options, h *Hunt, budget time.Duration) (*Small, error) {
	seed := uint64(0)
	for i := range h.Starts {
		if seed == 0 && h.Starts[i].Found() {
			seed = h.Starts[i].Seed
		}
	}
	if seed == 0 || budget <= 0 {
		return nil, nil
	}
	o = o.withDefaults()
	limited, cancel := context.WithTimeout(ctx, 10*budget+time.Minute)
	defer cancel()
	cmd := command(limited, o.Program, "--shrink", strconv.FormatUint(seed, 10), "--budget", budget.String(),
		"--workers", strconv.Itoa(o.Workers))
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("shrink: %w", context.Cause(ctx))
	}
	var result shrink.Result
	if err != nil || json.Unmarshal(stdout.Bytes(), &result) != nil {
		return nil, nil //nolint:nilerr // how the mutated program fails is not an error of the harness
	}
	return &Small{
		Seed: seed, Check: result.Violation.Invariant, Before: result.Before, After: result.After, Finished: result.Finished,
	}, nil
}
