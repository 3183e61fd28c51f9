package main

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/checker"
	"elenchus/harness/run"
	"elenchus/results"
	"elenchus/results/foreign"
	"elenchus/results/verdict"
	"elenchus/workloads"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "judge a run again, from its files alone, or the history of another tool",
		ArgsUsage: "[RUN|FILE]",
		Description: "RUN is a run directory, the name of one, or latest (the default). The verdict and the exit code are\n" +
			"those of the run; the report is written anew. A history with a damaged line is not judged unless --prefix is\n" +
			"given, and the verdict then says that it is about a part of the run.\n\n" +
			"FILE is a history alone: of Jepsen or Knossos (EDN), of Porcupine's tests, or a history.jsonl; - is the\n" +
			"standard input. It becomes a run, which is kept like any other, but latest stays what it was. Only its\n" +
			"operations are judged: nothing is known of faults or recovery. It may be larger than memory: see\n" +
			"docs/checkers.md.",
		Flags: withEnv(append(checkFlags(time.Minute),
			&cli.BoolFlag{Name: "prefix", Category: catChecking,
				Usage: "judge what stands before the damage in a damaged history or fault log"},
			&cli.StringFlag{Name: "format", Category: catChecking,
				Usage: "read FILE as `FORMAT`: jepsen, porcupine or jsonl", DefaultText: "recognized by its content"},
			&cli.StringFlag{Name: "keys", Category: catChecking, Value: "auto",
				Usage: "read values in a jepsen FILE as `HOW`: pairs of key and value (pair), plain values (none), or pairs if " +
					"all are (auto)"},
			resultsFlag(),
			jsonFlag(),
		)),
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
	ui := run.NewUI(c.App.ErrWriter)
	if ref := c.Args().First(); isFile(ref) {
		return checkFile(c, ui, ref)
	}
	dir, err := runToCheck(c)
	if err != nil {
		return err
	}
	manifest, err := dir.LoadManifest()
	if err != nil {
		return err
	}
	switch manifest.Kind {
	case results.KindBench:
		return usageError("%s is a benchmark: there is nothing to judge (%s has its figures)", dir.Name(), benchSummary)
	case results.KindEnvelope:
		if c.Bool("prefix") {
			return usageError("--prefix is for tests: of a sweep, %s has every attack by itself", dir.Name())
		}
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

// isFile reports whether what is to be judged is a history alone: a file, a pipe, or the standard input.
func isFile(ref string) bool {
	info, err := os.Stat(ref)
	return ref == run.Stdin || err == nil && !info.IsDir()
}

// runToCheck opens the run directory that the command names.
func runToCheck(c *cli.Context) (results.Run, error) {
	ref := c.Args().First()
	if c.IsSet("format") || c.IsSet("keys") {
		return results.Run{}, usageError("--format and --keys are for the history of another tool, and %q is no file", ref)
	}
	dir, err := results.Open(c.String("results"), ref)
	if err != nil {
		return results.Run{}, noRun(c.String("results"), ref, err)
	}
	return dir, nil
}

var keyNames = map[string]foreign.Keys{
	"auto": foreign.KeysAuto, "none": foreign.KeysNone, "pair": foreign.KeysPair,
}

// checkFile imports a history as a run directory, and judges it.
func checkFile(c *cli.Context, ui *run.UI, file string) error {
	keys, known := keyNames[c.String("keys")]
	if !known {
		return usageError("--keys is auto, none or pair, not %q", c.String("keys"))
	}
	if format := c.String("format"); format != "" && !slices.Contains(foreign.Formats, format) {
		return usageError("--format is one of %s, not %q", strings.Join(foreign.Formats, ", "), format)
	}
	if c.Bool("prefix") {
		return usageError("--prefix is for runs: a file that is damaged is not imported")
	}
	imported, err := run.Import(c.Context, run.ImportOptions{
		File: file, Format: c.String("format"), Keys: keys, Results: c.String("results"), Argv: os.Args, Now: time.Now(),
	}, ui)
	switch {
	case c.Err() != nil && err != nil:
		return exitError{code: verdict.ExitHarness, msg: "interrupted: nothing was imported"}
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT): // not a mistake in how the program was called
		return err
	case err != nil:
		return usageError("%v", err)
	}
	v, err := imported.Check(c.Context, c.Duration("check-time"), int64(c.Int("check-memory"))<<20, ui)
	if err != nil {
		return err
	}
	manifest, err := imported.Run.LoadManifest()
	if err != nil {
		return err
	}
	return conclude(c, ui, run.Outcome{Run: imported.Run, Manifest: manifest, Verdict: v})
}
