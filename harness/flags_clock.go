package main

import (
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/control"
	"elenchus/harness/lab"
	"elenchus/harness/run"
	"elenchus/nemesis"
	"elenchus/nemesis/hostclock"
)

// clockFlags are the options for clock faults and for hunts.
func clockFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "clock-drift", Category: catNemesis, DefaultText: "the nodes' --drift-bound",
			Usage: "let planned faults make clocks run up to `SHARE` apart: 2%, 0.02 or none"},
		&cli.StringFlag{Name: "clock-step", Category: catNemesis, DefaultText: "the nodes' --max-offset, or 1h",
			Usage: "limit planned steps of wall clocks to `TIME`, or none"},
		&cli.StringFlag{Name: "hunt", Category: catNemesis, DefaultText: "33% with lease reads",
			Usage: "spend `SHARE` of the time under faults on recipes of several faults: 50%, 1 or none; less if " +
				"kinds of faults that no recipe has would find no time"},
		&cli.StringFlag{Name: "hunts", Category: catNemesis, DefaultText: "all that fit",
			Usage: "use only the recipes `NAMES` in that time, separated by commas (see elenchus list hunts)"},
		&cli.BoolFlag{Name: "hunt-elections", Category: catNemesis,
			Usage: "attack changes of the leader in that time, too, with or without leases"},
	}
}

// clockOptions parses clockFlags, and finds out how the clocks of the lab's hosts can be moved.
func clockOptions(c *cli.Context, opts *run.Options, hosts []control.Host) error {
	opts.ClockBinary = clockBinary()
	opts.ClockWays = make(map[string]hostclock.Way)
	for _, h := range hosts {
		opts.ClockWays[h.Name] = run.ClockWay(h)
	}
	var err error
	if opts.ClockDrift, err = share(c, "clock-drift"); err != nil {
		return err
	}
	if opts.Hunt, err = share(c, "hunt"); err != nil {
		return err
	}
	if opts.Hunt > 1 {
		return usageError("--hunt must be more than 0%% and at most 100%%, or none, not %q", c.String("hunt"))
	}
	opts.HuntElections, opts.Drawn = c.Bool("hunt-elections"), c.Bool("swarm")
	opts.HuntOnly = run.HuntNames(c.String("hunts"))
	switch step := c.String("clock-step"); step {
	case "":
		if c.IsSet("clock-step") {
			return usageError("--clock-step must be a time like 2s, or none, not %q", step)
		}
	case "none":
		opts.ClockStep = -1
	default:
		opts.ClockStep, err = time.ParseDuration(step)
		if err != nil || opts.ClockStep <= 0 {
			return usageError("--clock-step must be a time like 2s, or none, not %q", step)
		}
	}
	return nil
}

// share parses a share: 2%, 0.02, or none, for which it returns a negative number. An option that is not given is
// zero.
func share(c *cli.Context, name string) (float64, error) {
	text := c.String(name)
	switch {
	case !c.IsSet(name):
		return 0, nil
	case text == "none":
		return -1, nil
	}
	digits, percent := strings.CutSuffix(text, "%")
	f, err := strconv.ParseFloat(digits, 64)
	if percent {
		f /= 100
	}
	if err != nil || math.IsNaN(f) || f <= 0 || math.IsInf(f, 0) {
		return 0, usageError("--%s must be a share like 2%% or 0.02, or none, not %q", name, text)
	}
	return f, nil
}

// checkClockTools refuses clock faults when clocks cannot be moved: the helper is missing, or there is no clock shim
// for the processor of the machine that a local lab is on.
func checkClockTools(c *cli.Context, opts run.Options, s *nemesis.Schedule) error {
	if !slices.Contains(s.Kinds(), nemesis.Clock) {
		return nil
	}
	if !c.Bool("dry-run") && c.String("lab") != simLab {
		if err := checkClockBinary(opts.ClockBinary); err != nil {
			return err
		}
	}
	if c.String("lab") == "local" && runtime.GOARCH != "amd64" {
		return usageError("the hosts of a local lab share this machine's kernel, and the shim that gives them clocks of "+
			"their own exists for amd64 only: %s has no faults of clocks in a local lab", runtime.GOARCH)
	}
	return nil
}

// localHosts are the hosts that a local lab will have, as far as clocks are concerned, before it is up.
func localHosts(names []string) []control.Host {
	hosts := make([]control.Host, len(names))
	for i, name := range names {
		hosts[i] = control.Host{Name: name, Capabilities: []string{string(lab.SharedKernel), string(lab.Ptrace)}}
	}
	return hosts
}
