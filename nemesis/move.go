package nemesis

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
)

// parseRate parses a clock rate: a factor such as 0.9, or a relative change such as -10% or +500ppm.
func parseRate(word string) (clockshim.Rate, error) {
	digits, unit, base := word, 1.0, 0.0
	for suffix, size := range map[string]float64{"%": 1e-2, "ppm": 1e-6} {
		if rest, found := strings.CutSuffix(word, suffix); found {
			if !strings.HasPrefix(rest, "+") && !strings.HasPrefix(rest, "-") {
				return 0, fmt.Errorf("%q is no rate: say what the clock gains or loses with a sign, like +%s or -%s",
					word, word, word)
			}
			digits, unit, base = rest, size, 1
		}
	}
	number, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no rate: write a factor, like 0.9, or a difference, like -10%% or +500ppm", word)
	}
	ppb := math.Round((base + number*unit) * float64(clockshim.Nominal))
	if math.IsNaN(ppb) || ppb < float64(clockshim.MinRate) || ppb > float64(clockshim.MaxRate) {
		return 0, fmt.Errorf("no clock runs at rate %s: there are %s to %s, 1 being the real one", word,
			formatRate(clockshim.MinRate), formatRate(clockshim.MaxRate))
	}
	return clockshim.Rate(ppb), nil
}

// formatRate formats a rate for parseRate: a factor without trailing zeros.
func formatRate(r clockshim.Rate) string {
	return strings.TrimSuffix(strings.TrimRight(r.String(), "0"), ".")
}

// moveWords returns what follows the targets of a clock fault in a schedule.
func moveWords(m hostclock.Move) string {
	switch {
	case m.Rate != 0:
		return formatRate(m.Rate)
	case m.Step != 0:
		return signed(m.Step)
	case m.Strobe != 0:
		return m.Strobe.String() + " every " + m.Every.String()
	}
	return ""
}

func signed(d time.Duration) string {
	if d > 0 {
		return "+" + d.String()
	}
	return d.String()
}

// moveProblems lists the problems of a clock fault's move, independent of where it is played.
func (f Fault) moveProblems() []problem {
	one := func(format string, args ...any) []problem {
		return []problem{{field: "move", msg: fmt.Sprintf(format, args...)}}
	}
	if f.Kind != Clock {
		if f.Move != (hostclock.Move{}) {
			return one("%s moves no clocks", f.Kind)
		}
		return nil
	}
	given := map[string]bool{ClockRate: f.Move.Rate != 0, ClockStep: f.Move.Step != 0, ClockStrobe: f.Move.Strobe != 0}
	if !slices.Contains(moveNames, f.Shape) {
		return nil // reported elsewhere
	}
	if !given[f.Shape] {
		return one("%s takes what it says: %s", f.Shape, map[string]string{ClockRate: "a rate, like 0.9",
			ClockStep: "a step, like +2s", ClockStrobe: "a distance and a time, like 200ms every 50ms"}[f.Shape])
	}
	if err := f.Move.Validate(); err != nil {
		return one("%v", err)
	}
	return nil
}

// CheckClocks returns an error that lists the clock faults of the schedule that cannot be played, with host and
// reason. Way returns how a node's clocks are moved, or "" if they cannot be. A fault aimed at a role may hit any
// node.
func (s *Schedule) CheckClocks(way func(node string) hostclock.Way) error {
	var problems []error
	for _, f := range s.Faults {
		if f.Kind != Clock {
			continue
		}
		for _, node := range s.Nodes {
			if !f.mayHit(node) {
				continue
			}
			err := errors.New("its clocks cannot be moved: it has neither a clock of its own (own-clock) nor can its " +
				"processes be traced (ptrace)")
			if w := way(node); w != "" {
				err = w.Fit(f.Move)
			}
			if err != nil {
				problems = append(problems, fmt.Errorf("%s (%s) on host %s: %w", f.ID, f.name(), node, err))
			}
		}
	}
	return errors.Join(problems...)
}

// mayHit reports whether a node may be among the targets of a fault with one group.
func (f Fault) mayHit(node string) bool {
	return len(f.Groups) > 0 && (slices.Contains(f.Groups[0], node) || slices.ContainsFunc(f.Groups[0], isRole))
}
