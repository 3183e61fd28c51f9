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
		Usage: "what it takes to decide simulated runs: by order, and by Porcupine's search",
		Description: "Each seed is a simulated run with faults, once of the system as it is, and once with reads that\n" +
			"may be stale. Its history is decided in four ways: as elenchus check does it; without second opinions; by a\n" +
			"search of what unique values leave of it; by a search of the history as it is. It is an error if two disagree.",
		Flags:  withEnv(benchCheckersFlags()),
		Action: benchCheckers,
	}
}

func benchCheckersFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "seeds", Category: catWorkload, Value: "1-1000", Usage: "play the seeds `A-B`, or one"},
		&cli.StringFlag{Name: "workload", Category: catWorkload, Value: "all",
			Usage: "what the clients do: `NAMES` from elenchus list workloads, each by itself, or all"},
		&cli.DurationFlag{Name: "time-limit", Category: catWorkload, Value: 2 * time.Second,
			Usage: "run the workload for `TIME` of the virtual clock"},
		&cli.StringFlag{Name: "nemesis", Category: catNemesis, Value: "all",
			Usage: "`KINDS` of faults to draw from: " + strings.Join(sim.Kinds(), ", ") + "; or all, or none"},
		&cli.DurationFlag{Name: "budget", Category: catChecking, Value: time.Second,
			Usage: "search for an order of one history for `TIME` at most"},
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
