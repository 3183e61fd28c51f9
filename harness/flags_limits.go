package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/lab/local"
	"elenchus/harness/sim"
	"elenchus/harness/system"
	"elenchus/node/protocol"
	"elenchus/results/envelope"
	"elenchus/workloads"
)

// limit is the smallest and the largest value of an option, both allowed.
type limit[T cmp.Ordered] struct{ least, most T }

// Limits of the values of options. They are checked before anything else, so that the message names the option: the
// packages that take the values know only their own field names. A key is the name of an option. Where an option has
// other limits than elsewhere, the name of the command stands before it, and perhaps the kind of lab. Limits that
// depend on other options are checked where both are known.
var (
	timeLimits = map[string]limit[time.Duration]{
		"budget":              {time.Millisecond, 24 * time.Hour},
		"run budget":          {time.Second, 24 * time.Hour}, // of mutants
		"check-time":          {time.Millisecond, 24 * time.Hour},
		"cpu-limit":           {time.Millisecond, 1000 * time.Hour},
		"election-timeout":    {time.Microsecond, time.Hour},
		"lease-renew":         {time.Microsecond, time.Hour},
		"lease-term":          {time.Microsecond, time.Hour},
		"max-offset":          {time.Microsecond, time.Hour},
		"op-timeout":          {10 * time.Millisecond, time.Hour},
		"promise-grace":       {0, time.Hour},
		"recovery-timeout":    {time.Millisecond, time.Hour},
		"resolution":          {time.Microsecond, time.Hour},
		"run shrink":          {0, 24 * time.Hour}, // of mutants
		"time":                {time.Millisecond, time.Hour},
		"time-limit":          {time.Second, 24 * time.Hour},
		"wall":                {0, 1000 * time.Hour},
		"checkers time-limit": simulatedTime,
		"replay time-limit":   simulatedTime,
		"shrink time-limit":   simulatedTime,
		"sim time-limit":      simulatedTime,
		"test sim time-limit": simulatedTime,
	}
	numberLimits = map[string]limit[int]{
		"candidates":    {0, 1_000_000_000},
		"check-memory":  {64, 1 << 20}, // MiB
		"client-seeds":  {0, 1_000_000},
		"clients":       {1, 1000},
		"deposed-reads": {-1, 1_000_000_000},
		"give-up":       {0, 1_000_000},
		"keep":          {0, 1_000_000},
		"keys":          {1, 10_000},
		"labs":          {1, 64},
		"nodes":         {1, min(protocol.NodesMax, local.HostsMax)},
		"nodes-min":     {1, protocol.NodesMax},
		"points":        {1, 10_000},
		"probes":        {1, 1000},
		"read-percent":  {0, 100},
		"rounds":        {1, 1000},
		"sample":        {1, 1_000_000},
		"samples":       {1, 1_000_000},
		"seeds":         {1, 1_000_000}, // of mutants; elsewhere it is a range, and text
		"window":        {1, 65_536},
		"workers":       {1, 1024},
	}
	rateLimits = map[string]limit[float64]{
		"rate": {0, 1e6}, // operations a second; 0 is no limit
	}
	choices = map[string][]string{
		"mode":  {string(envelope.Rate), string(envelope.Wall)},
		"lease": {system.LeaseRate, system.LeaseWall, system.LeaseNone},
		"reads": {"lease", "quorum", "log", "local"},
		"style": styleNames(),

		"test workload": workloadNames(),
	}
)

// simulatedTime is how long a run in virtual time may last.
var simulatedTime = limit[time.Duration]{time.Second, sim.LengthMax}

func workloadNames() []string {
	var names []string
	for _, w := range workloads.All() {
		names = append(names, w.Name)
	}
	return names
}

// check returns what is wrong with the value of an option; empty if nothing is.
func (l limit[T]) check(name string, value T) error {
	if value >= l.least && value <= l.most { // false for NaN
		return nil
	}
	return fmt.Errorf("--%s must be from %v to %v, not %v", name, l.least, l.most, value)
}

// limitOf finds the limit of an option of a command that works with a kind of lab.
func limitOf[T any](all map[string]T, command, lab, name string) (l T, ok bool) {
	for _, key := range []string{command + " " + lab + " " + name, command + " " + name, name} {
		if l, ok = all[key]; ok {
			break
		}
	}
	return l, ok
}

// checkLimits lists the options of a command whose values are out of range.
func checkLimits(c *cli.Context) error {
	var problems []error
	for _, f := range c.Command.Flags {
		if name := f.Names()[0]; c.IsSet(name) {
			problems = append(problems, checkLimit(c, f, name))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return usageError("%v", err)
	}
	return nil
}

// checkLimit says what is wrong with one option.
func checkLimit(c *cli.Context, f cli.Flag, name string) error {
	command, lab := c.Command.Name, c.String("lab")
	switch f.(type) {
	case *cli.DurationFlag:
		if l, ok := limitOf(timeLimits, command, lab, name); ok {
			return l.check(name, c.Duration(name))
		}
	case *cli.IntFlag:
		if l, ok := limitOf(numberLimits, command, lab, name); ok {
			return l.check(name, c.Int(name))
		}
	case *cli.Float64Flag:
		if l, ok := limitOf(rateLimits, command, lab, name); ok {
			return l.check(name, c.Float64(name))
		}
	case *cli.StringFlag:
		if words, ok := limitOf(choices, command, lab, name); ok && !slices.Contains(words, c.String(name)) {
			return fmt.Errorf("--%s is one of %s, not %q", name, strings.Join(words, ", "), c.String(name))
		}
	}
	return nil
}
