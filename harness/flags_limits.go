package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"
)

// Limits of options that mean the same in every command that has them, and whose values would otherwise be taken for
// "as by default" or reach something that nobody checks. What depends on other options is checked where it is known.
var (
	timeLimits = map[string][2]time.Duration{
		"check-time":       {time.Millisecond, 24 * time.Hour},
		"op-timeout":       {10 * time.Millisecond, time.Hour},
		"promise-grace":    {0, time.Hour},
		"recovery-timeout": {time.Millisecond, time.Hour},
	}
	numberLimits = map[string][2]int{
		"check-memory":  {64, 1 << 20}, // MiB
		"deposed-reads": {-1, 1_000_000_000},
	}
)

// checkLimits lists the options of a command whose values are out of range.
func checkLimits(c *cli.Context) error {
	var problems []error
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if !c.IsSet(name) {
			continue
		}
		if l, ok := timeLimits[name]; ok {
			if d := c.Duration(name); d < l[0] || d > l[1] {
				problems = append(problems, fmt.Errorf("--%s must be from %v to %v, not %v", name, l[0], l[1], d))
			}
		}
		if l, ok := numberLimits[name]; ok {
			if n := c.Int(name); n < l[0] || n > l[1] {
				problems = append(problems, fmt.Errorf("--%s must be from %d to %d, not %d", name, l[0], l[1], n))
			}
		}
	}
	if err := errors.Join(problems...); err != nil {
		return usageError("%v", err)
	}
	return nil
}
