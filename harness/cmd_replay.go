package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/run"
	"elenchus/harness/sim"
	"elenchus/results"
	"elenchus/results/verdict"
)

func replayCommand() *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "repeat a simulated run, or play the faults of a run in another world",
		ArgsUsage: "[SEED|RUN]",
		Description: "SEED is expanded as by elenchus sim, with the same options. RUN is a run directory, its name, or\n" +
			"latest (the default). A simulated run is repeated event for event, and the hashes are compared. A run with a\n" +
			"mutant is repeated with it, which needs the sources.\n\n" +
			"With --lab local, the schedule of a simulated run is played in a local lab, as by elenchus test --schedule.\n" +
			"The schedule of a lab's run is played in the simulator. What the other world lacks is listed.\n\n" +
			"--bisect-time finds the moment of no return of a failing run. At chosen points in virtual time, all random\n" +
			"choices that are still to come are made anew, many times; the share of these futures that fail in the same\n" +
			"way shows when the failure became inevitable.",
		Flags: withEnv(slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "lab", Category: catLab, Value: "sim",
				Usage: "play the run in `WORLD`: sim (the simulator) or local (network namespaces on this machine)"},
			&cli.BoolFlag{Name: "planned", Category: catNemesis,
				Usage: "in another world, play the schedule as planned, with its roles, rather than as played"},
			&cli.BoolFlag{Name: "write", Category: catOutput,
				Usage: "write a run directory, with a picture, even if the simulated run does not fail"},
			&cli.BoolFlag{Name: "bisect-time", Category: catChecking, Usage: "find the moment of no return"},
			&cli.IntFlag{Name: "points", Category: catChecking, Value: 16,
				Usage: "for --bisect-time: try `N` points first"},
			&cli.IntFlag{Name: "samples", Category: catChecking, Value: 200,
				Usage: "for --bisect-time: simulate `N` futures from every point"},
			&cli.DurationFlag{Name: "resolution", Category: catChecking, Value: 20 * time.Millisecond,
				Usage: "for --bisect-time: narrow the moment down to `TIME`"},
			&cli.IntFlag{Name: "workers", Category: catOutput, Value: runtime.GOMAXPROCS(0),
				Usage: "for --bisect-time: use `N` processors", DefaultText: "all"},
			&cli.StringFlag{Name: "node-binary", Category: catSystem, TakesFile: true,
				Usage: "for --lab local: deploy `FILE` as the node", DefaultText: "elenchus-node beside this program"},
		}, drawFlags(), []cli.Flag{mutantAgainFlag(), resultsFlag(), jsonFlag()})),
		Action: replayAction,
	}
}

func replayAction(c *cli.Context) error {
	if err := checkReplayFlags(c); err != nil {
		return err
	}
	found, done, err := findMutated(c)
	if done {
		return err
	}
	switch {
	case c.Bool("bisect-time"):
		if err := found.onlySimulated("--bisect-time"); err != nil {
			return err
		}
		return bisectAction(c, &found)
	case c.String("lab") == "local":
		return replayInLab(c, &found)
	case found.plan == nil:
		return replayFromLab(c, &found)
	}
	return replayExactly(c, &found)
}

// checkReplayFlags finds options that do not go together.
func checkReplayFlags(c *cli.Context) error {
	local, bisect := c.String("lab") == "local", c.Bool("bisect-time")
	var problems []error
	if lab := c.String("lab"); lab != "sim" && lab != "local" {
		problems = append(problems, fmt.Errorf("unknown world %q: --lab is sim or local", lab))
	}
	if local && bisect {
		problems = append(problems, errors.New("--bisect-time goes with --lab sim: a lab has only one future"))
	}
	for _, name := range []string{"points", "samples", "resolution", "workers"} {
		if c.IsSet(name) && !bisect {
			problems = append(problems, fmt.Errorf("--%s goes with --bisect-time", name))
		}
	}
	if c.Bool("write") && (local || bisect) {
		problems = append(problems, errors.New("--write is for a run that is played again in the simulator"))
	}
	if c.IsSet("node-binary") && !local {
		problems = append(problems, errors.New("--node-binary goes with --lab local"))
	}
	if err := errors.Join(problems...); err != nil {
		return usageError("%v", err)
	}
	return nil
}

// replayed is the result of playing a simulated run again, as printed with --json.
type replayed struct {
	Of        string         `json:"of"`
	Seed      uint64         `json:"seed"`
	Mutant    string         `json:"mutant,omitempty"` // the mutant in the nodes
	Hash      string         `json:"hash"`
	Recorded  string         `json:"recorded,omitempty"` // the hash in the run directory
	Equal     *bool          `json:"equal,omitempty"`    // whether the hash is the same again
	Simulated time.Duration  `json:"simulated_ns"`
	Violation *sim.Violation `json:"violation,omitempty"`
	Outside   []string       `json:"outside,omitempty"` // why the plan is outside of the safe envelope
	Stats     sim.Stats      `json:"stats"`
	Directory string         `json:"directory,omitempty"`
	NotTaken  []string       `json:"not_taken_along,omitempty"`
}

// replayExactly plays a simulated run again.
func replayExactly(c *cli.Context, found *simulated) error {
	if c.Bool("planned") {
		return usageError("--planned is for playing a run in another world: %s was simulated, and is again", found.name)
	}
	result, err := sim.New(found.options()).Run(found.plan)
	if err != nil {
		return err
	}
	out := replayed{
		Of: found.name, Seed: result.Seed, Mutant: found.mutantName(), Hash: hashText(result.Hash),
		Simulated: result.Simulated, Violation: result.Violation, Outside: found.plan.Outside(), Stats: result.Stats,
	}
	if found.manifest != nil && found.mutantName() == found.made {
		out.Recorded = found.manifest.Config.Options[sim.HashOption]
		equal := out.Recorded == out.Hash
		out.Equal = &equal
	}
	if c.Bool("write") {
		ui := run.NewUI(c.App.ErrWriter)
		name := "replayed-" + found.plan.Load.Workload + fmt.Sprintf("-seed%d", found.plan.Seed)
		if out.Directory, err = keepReplay(c, ui, found, name); err != nil {
			return err
		}
	}
	return concludeReplay(c, found, &out)
}

// keepReplay plays a plan and writes a run directory with its picture and its verdict.
func keepReplay(c *cli.Context, ui *run.UI, found *simulated, name string) (string, error) {
	plan := found.plan
	directory := sim.Directory{Root: c.String("results"), Name: name, Argv: commandLine(), Now: time.Now(),
		Amend: found.amend}
	dir, result, err := directory.Write(found.options(), plan)
	if err != nil {
		return "", err
	}
	if err := errors.Join(repeatBy(dir, "elenchus replay "+dir.Name()), recordMutant(dir, found.mutant),
		drawPicture(dir, plan, &result)); err != nil {
		return dir.Dir, err
	}
	_, err = run.Check(context.WithoutCancel(c.Context), dir, time.Minute, 2<<30, ui)
	return dir.Dir, err
}

// concludeReplay prints the result. A run whose hash differs from the recorded one proves nothing about the recorded
// run.
func concludeReplay(c *cli.Context, found *simulated, out *replayed) error {
	if c.Bool("json") {
		if err := printJSON(c, out); err != nil {
			return err
		}
	} else {
		printReplay(c, found, out)
	}
	switch {
	case out.Equal != nil && !*out.Equal:
		return exitError{code: verdict.ExitHarness}
	case out.Violation != nil:
		return exitError{code: verdict.ExitViolated}
	}
	return nil
}

func printReplay(c *cli.Context, found *simulated, out *replayed) {
	w := c.App.Writer
	for _, what := range out.NotTaken {
		fmt.Fprintf(w, "not taken along: %s\n", what)
	}
	fmt.Fprintf(w, "%s: %s, %v of virtual time, %s, %s ok\n", found.name,
		verdict.Count(len(found.plan.Schedule.Nodes), "node"), out.Simulated.Round(time.Millisecond),
		verdict.Count(out.Stats.Events, "event"), verdict.Count(out.Stats.OK, "operation"))
	switch {
	case out.Mutant != "":
		fmt.Fprintf(w, "with the mutant %s in the nodes\n", out.Mutant)
	case found.made != "":
		fmt.Fprintf(w, "without the mutant %s that it was made with\n", found.made)
	}
	for _, reason := range out.Outside {
		fmt.Fprintf(w, "outside the safe envelope: %s\n", reason)
	}
	if v := out.Violation; v != nil {
		broken, demand := v.Explain(found.plan.Schedule.Nodes)
		fmt.Fprintf(w, "%s\n%s\n  %s %s\n", broken, demand, v.Invariant, v.Seen())
	} else {
		fmt.Fprintln(w, "nothing was found")
	}
	switch {
	case out.Equal == nil:
		fmt.Fprintf(w, "hash %s\n", out.Hash)
	case *out.Equal:
		fmt.Fprintf(w, "hash %s, equal to the recorded one: this is the same run\n", out.Hash)
	default:
		fmt.Fprintf(w, "hash %s, and the recorded one is %s: this is another run\n", out.Hash, out.Recorded)
		fmt.Fprintf(w, "the run was made by elenchus %s, this is %s\n", found.manifest.Tool, results.ThisTool())
	}
	if out.Directory != "" {
		fmt.Fprintf(w, "run  %s\n", out.Directory)
	}
}
