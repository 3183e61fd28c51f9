package main

import (
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/checker"
	"elenchus/harness/run"
	"elenchus/results"
	"elenchus/workloads"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "judge a run again, from its files alone",
		ArgsUsage: "[RUN]",
		Description: "RUN is a run directory, the name of one, or latest (the default). The verdict and the exit code are\n" +
			"those of the run; the report is written anew. Nothing is judged from a history with a damaged line unless\n" +
			"--prefix is given, and of its verdict the name says that it is one of a part.",
		Flags: withEnv([]cli.Flag{
			&cli.DurationFlag{Name: "check-time", Category: catChecking, Value: time.Minute,
				Usage: "the linearizability check may take `TIME`"},
			&cli.IntFlag{Name: "check-memory", Category: catChecking, Value: 2048,
				Usage: "the linearizability check may use `MIB` of memory"},
			&cli.BoolFlag{Name: "prefix", Category: catChecking,
				Usage: "of a damaged history or fault log, judge what stands before the damage"},
			resultsFlag(),
			jsonFlag(),
		}),
		Action: checkAction,
	}
}

// checkWorkerCommand is the process in which linearizations are searched for; elenchus starts it itself.
func checkWorkerCommand() *cli.Command {
	return &cli.Command{
		Name: run.CheckWorker, Hidden: true, Usage: "check the keys that come in on standard input",
		Action: func(*cli.Context) error { return checker.WorkerMain(os.Stdin, os.Stdout, workloads.Model()) },
	}
}

func checkAction(c *cli.Context) error {
	if c.Duration("check-time") <= 0 || c.Int("check-memory") < 64 {
		return usageError("--check-time must be positive, and --check-memory at least 64")
	}
	dir, err := results.Open(c.String("results"), c.Args().First())
	if err != nil {
		return noRun(c.String("results"), c.Args().First(), err)
	}
	manifest, err := dir.LoadManifest()
	if err != nil {
		return err
	}
	if manifest.Kind == results.KindBench {
		return usageError("%s is a benchmark: there is nothing to judge (%s has its figures)", dir.Name(), benchSummary)
	}
	ui := run.NewUI(c.App.ErrWriter)
	if manifest.Kind == results.KindEnvelope {
		return concludeEnvelope(c, dir, ui)
	}
	check := run.Check
	if c.Bool("prefix") {
		check = run.CheckPrefix
	}
	v, err := check(c.Context, dir, c.Duration("check-time"), int64(c.Int("check-memory"))<<20, ui)
	if err != nil {
		return err
	}
	if manifest, err = dir.LoadManifest(); err != nil {
		return err
	}
	return conclude(c, ui, run.Outcome{Run: dir, Manifest: manifest, Verdict: v})
}
