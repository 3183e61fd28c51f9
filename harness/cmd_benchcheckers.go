package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/bench/checkers"
	"elenchus/harness/run"
	"elenchus/harness/sim"
	"elenchus/results/verdict"
)

func benchCheckersCommand() *cli.Command {
	return &cli.Command{
		Name:  "checkers",
		Usage: "measure the cost of deciding simulated runs: by order, and by Porcupine's search",
		Description: "Simulates every seed twice, with faults: the system as it is, and with reads that may be stale.\n" +
			"Decides each history in four ways and measures how long they take: as elenchus check does it; the same\n" +
			"without second opinions; by a search of what unique values leave undecided; by a search of the whole\n" +
			"history. It is an error if two of them disagree.",
		Flags:  withEnv(benchCheckersFlags()),
		Action: benchCheckers,
	}
}

func benchCheckersFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "seeds", Category: catWorkload, Value: "1-1000",
			Usage: "simulate seeds `A-B`, or a single seed"},
		&cli.StringFlag{Name: "workload", Category: catWorkload, Value: "all",
			Usage: "run the workloads `NAMES` (see elenchus list workloads), each by itself, or all"},
		&cli.DurationFlag{Name: "time-limit", Category: catWorkload, Value: 2 * time.Second,
			Usage: "run the workload for `TIME`, in virtual time"},
		&cli.StringFlag{Name: "nemesis", Category: catNemesis, Value: "all",
			Usage: "draw faults from `KINDS`: " + strings.Join(sim.Kinds(), ", ") + "; or all, or none"},
		&cli.DurationFlag{Name: "budget", Category: catChecking, Value: time.Second,
			Usage: "limit the search in one history to `TIME`"},
		jsonFlag(),
	}
}

func benchCheckers(c *cli.Context) error {
	o, err := benchCheckersOptions(c)
	if err != nil {
		return err
	}
	ui := run.NewUI(c.App.ErrWriter)
	report, failed := checkers.Run(c.Context, o, ui.Status)
	if c.Bool("json") {
		err = printJSON(c, report)
	} else {
		err = report.Table(c.App.Writer)
	}
	switch {
	case c.Err() != nil:
		return exitError{code: verdict.ExitHarness, msg: fmt.Sprintf("interrupted after %d of %s: those are shown, the one "+
			"in progress is not counted", len(report.Sets), verdict.Count(o.Sets(), "table"))}
	case failed == nil && err == nil && report.Undecided() > 0:
		return exitError{code: verdict.ExitUnknown}
	}
	return errors.Join(failed, err)
}

// benchCheckersOptions turns the command line into options, complete and valid.
func benchCheckersOptions(c *cli.Context) (o checkers.Options, err error) {
	var problems []error
	add := func(flag string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", flag, err))
		}
	}
	o.From, o.To, err = parseSeeds(c.String("seeds"))
	add("seeds", err)
	o.Draw.Workloads, err = parseWorkloads(c.String("workload"))
	add("workload", err)
	o.Draw.Kinds, err = sim.ParseKinds(c.String("nemesis"))
	add("nemesis", err)
	o.Draw.Length, o.Budget = c.Duration("time-limit"), c.Duration("budget")
	if len(problems) == 0 {
		problems = append(problems, o.Validate())
	}
	if err := errors.Join(problems...); err != nil {
		return o, usageError("%v", err)
	}
	return o, nil
}
