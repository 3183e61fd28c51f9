package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/run"
	"elenchus/harness/sim"
	"elenchus/harness/sim/picture"
	"elenchus/harness/sim/shrink"
	"elenchus/results"
	"elenchus/results/verdict"
)

func shrinkCommand() *cli.Command {
	return &cli.Command{
		Name:      "shrink",
		Usage:     "reduce a failing simulated run to a minimal one",
		ArgsUsage: "[SEED|RUN]",
		Description: "SEED is expanded as by elenchus sim, with the same options. RUN is the directory of a simulated\n" +
			"run, its name, or latest (the default). Faults, clients, keys, operations, nodes, settings and time are removed\n" +
			"as long as the run still fails in the same way. The result is a run directory like any other, with a picture of\n" +
			"what happened, spacetime.svg. Ctrl-C keeps the smallest run so far. A run with a mutant is shrunk with it,\n" +
			"which needs the sources.",
		Flags: withEnv(append(drawFlags(),
			mutantAgainFlag(),
			&cli.DurationFlag{Name: "budget", Category: catChecking, Value: 30 * time.Second,
				Usage: "search for at most `TIME`"},
			&cli.IntFlag{Name: "candidates", Category: catChecking,
				Usage: "try at most `N` smaller runs; the same N gives the same result", DefaultText: "no limit"},
			&cli.IntFlag{Name: "nodes-min", Category: catChecking, Value: 3,
				Usage: "keep at least `N` nodes, if there are that many"},
			&cli.IntFlag{Name: "workers", Category: catOutput, Value: runtime.GOMAXPROCS(0),
				Usage: "use `N` processors", DefaultText: "all"},
			resultsFlag(),
			jsonFlag(),
		)),
		Action: shrinkAction,
	}
}

// shrunk is what the command prints as JSON.
type shrunk struct {
	Of        string         `json:"of"`
	Directory string         `json:"directory,omitempty"` // empty when the run does not fail
	Picture   string         `json:"picture,omitempty"`
	Hash      string         `json:"hash,omitempty"`
	Result    *shrink.Result `json:"result,omitempty"`
}

func shrinkAction(c *cli.Context) error {
	opts := shrink.Options{
		Budget: c.Duration("budget"), Candidates: c.Int("candidates"), NodesMin: c.Int("nodes-min"),
		Workers: c.Int("workers"),
	}
	found, done, err := findMutated(c)
	if done {
		return err
	}
	if err := found.onlySimulated("elenchus shrink"); err != nil {
		return err
	}
	ui := run.NewUI(c.App.ErrWriter)
	opts.Progress = func(p shrink.Progress) {
		ui.Status("%s: %d tried, %d kept  %v", p.Pass, p.Candidates, p.Kept, p.Size)
	}
	result, err := shrink.Run(c.Context, found.plan, opts)
	switch {
	case errors.Is(err, shrink.ErrPasses):
		if c.Bool("json") {
			return printJSON(c, shrunk{Of: found.name})
		}
		fmt.Fprintf(c.App.Writer, "%s does not fail: there is nothing to shrink\n", found.name)
		return nil
	case err != nil:
		return err
	}
	least := shrunk{Of: found.name, Result: result}
	if err := keepShrunk(c, ui, &least, &found); err != nil {
		return err
	}
	if c.Bool("json") {
		err = printJSON(c, least)
	} else {
		printShrunk(c, &least)
	}
	return errors.Join(err, exitError{code: verdict.ExitViolated})
}

// keepShrunk writes the run directory of the smallest run.
func keepShrunk(c *cli.Context, ui *run.UI, done *shrunk, of *simulated) error {
	r := done.Result
	ui.Step("%s tried, %d kept", verdict.Count(r.Candidates, "smaller run"), len(r.Steps))
	directory := sim.Directory{
		Root: c.String("results"), Name: fmt.Sprintf("shrunk-%s-seed%d", r.Plan.Load.Workload, of.plan.Seed),
		Argv: commandLine(), Now: time.Now(),
	}
	dir, result, err := directory.Write(sim.Options{}, r.Plan)
	if err != nil {
		return err
	}
	done.Directory, done.Hash = dir.Dir, hashText(result.Hash)
	if err := errors.Join(repeatBy(dir, "elenchus replay "+dir.Name()), recordMutant(dir, of.mutant), dir.SaveShrink(done),
		drawPicture(dir, r.Plan, &result)); err != nil {
		return err
	}
	done.Picture = dir.Path(results.PictureFile)
	_, err = run.Check(context.WithoutCancel(c.Context), dir, time.Minute, 2<<30, ui)
	return err
}

// repeatBy records in the manifest the command that repeats the run.
func repeatBy(dir results.Run, command string) error {
	manifest, err := dir.LoadManifest()
	if err != nil {
		return err
	}
	manifest.Repeat = command
	return dir.SaveManifest(manifest)
}

// drawPicture draws a run that was played with a trace.
func drawPicture(dir results.Run, plan *sim.Plan, result *sim.Result) error {
	var svg bytes.Buffer
	if err := picture.Of(plan, result).Render(&svg); err != nil {
		return err
	}
	return results.WriteFile(dir.Path(results.PictureFile), svg.Bytes())
}

func printShrunk(c *cli.Context, done *shrunk) {
	out, r := c.App.Writer, done.Result
	broken, demand := r.Violation.Explain(r.Plan.Schedule.Nodes)
	fmt.Fprintf(out, "%s\n%s\n", broken, demand)
	fmt.Fprintf(out, "  %s %s\n\n", r.Violation.Invariant, r.Violation.Seen())
	fmt.Fprintf(out, "before: %v\nafter:  %v\n", r.Before, r.After)
	for _, f := range r.Plan.Schedule.Faults {
		fmt.Fprintf(out, "  %s: %s\n", f.ID, f)
	}
	for _, f := range r.Plan.Faults {
		fmt.Fprintf(out, "  %s: %s\n", f.ID, f)
	}
	for _, call := range r.Plan.Load.Script {
		fmt.Fprintf(out, "  client %d at %v: %v\n", call.Client, call.At, call.Op)
	}
	ended := "nothing more can be left out"
	if !r.Finished {
		ended = "not everything was tried"
	}
	fmt.Fprintf(out, "%s tried in %v: %s\n", verdict.Count(r.Candidates, "smaller run"),
		r.Elapsed.Round(10*time.Millisecond), ended)
	fmt.Fprintf(out, "run      %s\npicture  %s\n", done.Directory, done.Picture)
}
