package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/cpulimit"
	"elenchus/harness/run"
	"elenchus/harness/sim"
	"elenchus/node/mutants"
	"elenchus/node/protocol"
	"elenchus/results"
	"elenchus/results/verdict"
	"elenchus/workloads"
)

func simCommand() *cli.Command {
	return &cli.Command{
		Name:  "sim",
		Usage: "simulate many runs, one for each seed",
		Description: "A seed determines a whole run: cluster size, clocks, disks, network, clients and faults. The run\n" +
			"uses the nodes' own protocol code in virtual time. It is checked against what the clients saw, and against what\n" +
			"an observer of all nodes sees. A run that fails leaves a run directory like any other.\n\n" +
			"The same seed always gives the same run, event for event; a hash of all events proves it.",
		Flags:  withEnv(simFlags()),
		Action: simAction,
	}
}

func simFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.StringFlag{Name: "seeds", Category: catWorkload, Value: "1-1000",
			Usage: "simulate seeds `A-B`, or a single seed"},
	}, drawFlags(), []cli.Flag{
		mutantFlag(),
		&cli.BoolFlag{Name: "until-failure", Category: catChecking, Usage: "stop at the first run that fails"},
		&cli.StringFlag{Name: "judge", Category: catChecking, Value: judgeAll,
			Usage: "decide by `WHAT` whether a run fails: all, or clients (only what clients can see)"},
		&cli.DurationFlag{Name: "cpu-limit", Category: catChecking,
			Usage: "stop after `TIME` of processor time", DefaultText: "none"},
		&cli.BoolFlag{Name: "twice", Category: catChecking, Usage: "run every seed twice and compare the hashes"},
		&cli.IntFlag{Name: "workers", Category: catOutput, Value: 1, Usage: "use `N` processors"},
		&cli.StringFlag{Name: "resume", Category: catOutput, TakesFile: true,
			Usage: "save the campaign's progress in `FILE`, and continue from it if it exists"},
		&cli.IntFlag{Name: "keep", Category: catOutput, Value: 10, Usage: "write at most `N` run directories"},
		resultsFlag(),
		jsonFlag(),
	})
}

// drawFlags are the options that determine how plans are drawn: with other options, a seed gives another run.
func drawFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "nodes", Category: catWorkload, Value: "3,4,5",
			Usage: "draw the cluster size from `LIST`"},
		&cli.StringFlag{Name: "workload", Category: catWorkload, Value: "all",
			Usage: "draw the workload from `NAMES` (see elenchus list workloads), or all: " +
				strings.Join(workloads.Drawn(), " and ")},
		&cli.DurationFlag{Name: "time-limit", Category: catWorkload, Value: 2 * time.Second,
			Usage: "run the workload for `TIME`, in virtual time"},
		&cli.StringFlag{Name: "reads", Category: catSystem,
			Usage: "serve reads by `KIND`: quorum, log, lease or local", DefaultText: "drawn"},
		&cli.StringFlag{Name: "nemesis", Category: catNemesis, Value: "all",
			Usage: "draw faults from `KINDS`: " + strings.Join(sim.Kinds(), ", ") + "; or all, or none"},
		&cli.StringFlag{Name: "style", Category: catNemesis,
			Usage:       "plan all runs in one `STYLE`: " + strings.Join(styleNames(), ", "),
			DefaultText: "a mixture"},
		&cli.BoolFlag{Name: "outside", Category: catNemesis,
			Usage: "go outside the safe envelope: clocks beyond their bounds, nodes that come back without their disk"},
	}
}

func styleNames() []string {
	var names []string
	for _, s := range sim.Styles() {
		names = append(names, s.Name)
	}
	return names
}

func simAction(c *cli.Context) error {
	campaign, err := simCampaign(c)
	if err != nil {
		return err
	}
	mutant, err := chosenMutant(c)
	if err != nil {
		return err
	}
	if done, err := asMutated(c, mutant); done {
		return err
	}
	ui := run.NewUI(c.App.ErrWriter)
	state := c.String("resume")
	if state != "" {
		if campaign.Resume, err = loadCampaign(state); err != nil {
			return err
		}
		if campaign.Resume != nil {
			ui.Say("going on at seed %d", campaign.Resume.Next)
		}
	}
	if err := campaign.Validate(); err != nil {
		return usageError("%v", err)
	}
	saved := time.Now()
	told := newFailuresTold(campaign.Resume)
	campaign.Progress = func(s *sim.Summary) {
		told.tell(ui, s)
		ui.Status("%s", simStatus(s))
		if state != "" && time.Since(saved) > saveEvery {
			saved = time.Now()
			_ = saveCampaign(state, s) // the state is saved again at the end, and that error counts
		}
	}
	ctx, stop := cpulimit.Context(c.Context, c.Duration("cpu-limit"))
	defer stop()
	summary, err := campaign.Run(ctx)
	if err != nil {
		return err
	}
	told.tell(ui, summary)
	err = keepFailures(c, ui, campaign, summary, mutant)
	if state != "" {
		err = errors.Join(err, saveCampaign(state, summary))
	}
	return errors.Join(err, concludeSim(c, campaign, summary))
}

// saveEvery is how often the state of a campaign is saved while it goes on.
const saveEvery = 2 * time.Second

// simCampaign turns the command line into a campaign.
func simCampaign(c *cli.Context) (sim.Campaign, error) {
	campaign := sim.Campaign{Workers: c.Int("workers"), UntilFailure: c.Bool("until-failure"), Twice: c.Bool("twice")}
	var problems []error
	add := func(flag string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", flag, err))
		}
	}
	var err error
	campaign.From, campaign.To, err = parseSeeds(c.String("seeds"))
	add("seeds", err)
	switch c.String("judge") {
	case judgeAll:
	case judgeClients:
		campaign.World.ClientsOnly = true
	default:
		add("judge", fmt.Errorf("%q is neither %s nor %s", c.String("judge"), judgeAll, judgeClients))
	}
	if limit := c.Duration("cpu-limit"); limit < 0 {
		add("cpu-limit", fmt.Errorf("%v is negative", limit))
	}
	campaign.Draw, err = drawOptions(c)
	if err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return campaign, usageError("%v", err)
	}
	return campaign, nil
}

// Values of --judge.
const (
	judgeAll     = "all"
	judgeClients = "clients"
)

// drawOptions parses drawFlags. The error lists everything that is wrong with them.
func drawOptions(c *cli.Context) (sim.DrawOptions, error) {
	o := sim.DrawOptions{
		Length: c.Duration("time-limit"), Style: c.String("style"), Reads: c.String("reads"), Outside: c.Bool("outside"),
	}
	var problems []error
	add := func(flag string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", flag, err))
		}
	}
	var err error
	o.Nodes, err = parseSizes(c.String("nodes"))
	add("nodes", err)
	o.Workloads, err = parseWorkloads(c.String("workload"))
	add("workload", err)
	o.Kinds, err = sim.ParseKinds(c.String("nemesis"))
	add("nemesis", err)
	if len(problems) == 0 {
		return o, o.Validate()
	}
	return o, errors.Join(problems...)
}

// parseSeeds reads "A-B", both included, or a single seed.
func parseSeeds(text string) (from, to uint64, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.ParseUint(strings.TrimSpace(first), 10, 64)
	to, err2 := strconv.ParseUint(strings.TrimSpace(last), 10, 64)
	switch {
	case err1 != nil || err2 != nil:
		return 0, 0, fmt.Errorf("%q is neither a seed (7) nor a range of seeds (1-1000)", text)
	case to < from:
		return 0, 0, fmt.Errorf("the range %q ends before it begins", text)
	}
	return from, to, nil
}

func parseSizes(text string) ([]int, error) {
	var sizes []int
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil {
			return nil, fmt.Errorf("%q is no number of nodes", word)
		}
		if n < 1 || n > protocol.NodesMax {
			return nil, fmt.Errorf("a cluster has 1 to %d nodes, not %d", protocol.NodesMax, n)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

func parseWorkloads(text string) ([]string, error) {
	if text == "all" {
		return nil, nil
	}
	var names []string
	for word := range strings.SplitSeq(text, ",") {
		w, err := workloads.Lookup(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		names = append(names, w.Name)
	}
	return names, nil
}

// simStatus describes the progress of a campaign in one line. Rates take a second to be measured.
func simStatus(s *sim.Summary) string {
	rates := ""
	if seconds := s.Elapsed.Seconds(); seconds >= 1 {
		rates = fmt.Sprintf(" (%.0f/min, %.0f× real time)", float64(s.Runs)/seconds*60, s.Simulated.Seconds()/seconds)
	}
	return fmt.Sprintf("%d of %s%s  %d failed", s.Runs, verdict.Count(s.To-s.From+1, "run"), rates, s.Failed)
}

// failuresTold are the seeds of failures that the user was told of while a campaign goes on.
type failuresTold map[uint64]bool

// failuresToldMax is how many failures the user is told of at once. All of them are listed in the end.
const failuresToldMax = 10

// newFailuresTold leaves out the failures of an earlier part of a campaign; nil is none.
func newFailuresTold(before *sim.Summary) failuresTold {
	told := make(failuresTold)
	if before != nil {
		for _, f := range before.Failures {
			told[f.Seed] = true
		}
	}
	return told
}

// tell says which seeds have failed since the last time, so that they can be played again before the campaign is over.
func (told failuresTold) tell(ui *run.UI, s *sim.Summary) {
	var now []string
	for _, f := range s.Failures {
		if told[f.Seed] {
			continue
		}
		told[f.Seed] = true
		now = append(now, fmt.Sprintf("seed %d (%s)", f.Seed, f.Kind))
	}
	if more := len(now) - failuresToldMax; more > 0 {
		now = append(now[:failuresToldMax], fmt.Sprintf("%d more", more))
	}
	if len(now) > 0 {
		ui.Step("failed: %s", strings.Join(now, ", "))
	}
}

// keepFailures writes run directories of failing runs: the first of each kind, then others, as many as wanted.
func keepFailures(c *cli.Context, ui *run.UI, campaign sim.Campaign, s *sim.Summary, mutant *mutants.Mutant) error {
	var order []int
	seen := make(map[string]bool)
	for i, f := range s.Failures {
		if !seen[f.Kind] {
			seen[f.Kind] = true
			order = append(order, i)
		}
	}
	for i := range s.Failures {
		if !slices.Contains(order, i) {
			order = append(order, i)
		}
	}
	var errs []error
	for _, i := range order[:min(len(order), c.Int("keep"))] {
		f := &s.Failures[i]
		if f.Directory != "" {
			continue // its directory was written by an earlier part of the campaign
		}
		plan, err := sim.Draw(f.Seed, campaign.Draw)
		if err == nil {
			ui.Step("seed %d: playing it again for its run directory", f.Seed)
			f.Directory, err = writeSimRun(context.WithoutCancel(c.Context), c, ui, campaign.World, plan, mutant)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("keep seed %d: %w", f.Seed, err))
		}
	}
	return errors.Join(errs...)
}

// writeSimRun plays a plan once more, writes its run directory, and has that judged like any other run.
func writeSimRun(ctx context.Context, c *cli.Context, ui *run.UI, world sim.Options, plan *sim.Plan,
	mutant *mutants.Mutant) (string, error) {
	directory := sim.Directory{
		Root: c.String("results"), Argv: commandLine(), Now: time.Now(), Repeat: simRepeat(c, plan.Seed),
	}
	dir, _, err := directory.Write(world, plan)
	if err != nil {
		return "", err
	}
	if err := recordMutant(dir, mutant); err != nil {
		return dir.Dir, err
	}
	_, err = run.Check(ctx, dir, time.Minute, 2<<30, ui)
	return dir.Dir, err
}

// simRepeat returns the command that plays one seed again.
func simRepeat(c *cli.Context, seed uint64) string {
	words := append([]string{"elenchus", "sim", "--seeds", strconv.FormatUint(seed, 10)}, drawWords(c)...)
	for _, name := range []string{"judge", "mutant"} {
		if c.IsSet(name) {
			words = append(words, "--"+name, c.String(name))
		}
	}
	return strings.Join(words, " ")
}

// drawWords returns the options of drawFlags as the user typed them.
func drawWords(c *cli.Context) []string {
	var words []string
	for _, name := range []string{"nodes", "workload", "time-limit", "reads", "nemesis", "style"} {
		if c.IsSet(name) {
			words = append(words, "--"+name, fmt.Sprint(c.Value(name)))
		}
	}
	if c.Bool("outside") {
		words = append(words, "--outside")
	}
	return words
}

// concludeSim prints the result of a campaign and chooses the exit code.
func concludeSim(c *cli.Context, campaign sim.Campaign, s *sim.Summary) error {
	if c.Bool("json") {
		if err := printJSON(c, s); err != nil {
			return err
		}
	} else {
		printSummary(c, s)
	}
	switch {
	case s.Failed > 0:
		return exitError{code: verdict.ExitViolated}
	case len(s.Unequal) > 0 || s.Interrupted && c.Err() != nil: // a limit of processor time is no failure
		return exitError{code: verdict.ExitHarness}
	case len(s.Undecided) > 0:
		return exitError{code: verdict.ExitUnknown}
	case s.Stats.OK == 0 || len(campaign.Draw.Kinds) > 0 && campaign.Draw.Style != "calm" && s.Stats.Faults == 0:
		return exitError{code: verdict.ExitVacuous}
	}
	return nil
}

func printSummary(c *cli.Context, s *sim.Summary) {
	out := c.App.Writer
	if s.Interrupted {
		why := "interrupted"
		if c.Err() == nil {
			why = "the processor time is used up"
		}
		fmt.Fprintf(out, "%s: seeds %d to %d are done, of %d to %d\n", why, s.From, s.Next-1, s.From, s.To)
	}
	seconds := max(s.Elapsed.Seconds(), 1e-9)
	fmt.Fprintf(out, "%s, %v of virtual time in %v: %.0f runs a minute, %.0f× real time, %.1f M events a second\n",
		verdict.Count(s.Runs, "run"), s.Simulated.Round(time.Second), s.Elapsed.Round(time.Millisecond),
		float64(s.Runs)/seconds*60, s.Simulated.Seconds()/seconds, float64(s.Stats.Events)/seconds/1e6)
	n := &s.Stats
	fmt.Fprintf(out, "%s ok, %d failed, %d unknown\n", verdict.Count(n.OK, "operation"), n.Failed, n.Unknown)
	fmt.Fprintf(out, "%s, %s, %s, %s, %s\n", verdict.Count(n.Faults, "fault"), verdict.Count(n.Crashes, "crash"),
		verdict.Count(n.Elections, "election"), verdict.Count(n.Leases, "lease"), verdict.Count(n.Snapshots, "snapshot"))
	fmt.Fprintf(out, "fingerprint %016x\n", s.Fingerprint)
	if len(s.Undecided) > 0 {
		fmt.Fprintf(out, "not decided: seeds %v\n", s.Undecided)
	}
	if len(s.Unequal) > 0 {
		fmt.Fprintf(out, "not the same twice: seeds %v\n", s.Unequal)
	}
	if s.Failed == 0 {
		fmt.Fprintln(out, "nothing was found")
		return
	}
	fmt.Fprintf(out, "%s failed\n", verdict.Count(s.Failed, "run"))
	for i, f := range s.Failures {
		if i == 20 {
			fmt.Fprintf(out, "  … and %d more\n", s.Failed-20)
			break
		}
		first, _, _ := strings.Cut(f.Message, "\n")
		fmt.Fprintf(out, "  seed %d: %s\n", f.Seed, first)
		if f.Outside {
			fmt.Fprintf(out, "    outside the safe envelope\n")
		}
		if f.Directory != "" {
			fmt.Fprintf(out, "    %s\n", f.Directory)
		}
	}
	if len(s.Failures) > 0 {
		printRepeat(c, s.Failures[0].Seed)
	}
}

// printRepeat prints how one seed is played again and reduced; for others the commands are the same but for the seed.
// What only clients can see is judged by itself in campaigns alone.
func printRepeat(c *cli.Context, seed uint64) {
	if c.IsSet("judge") {
		fmt.Fprintf(c.App.Writer, "\n  repeat    %s\n", simRepeat(c, seed))
		return
	}
	words := drawWords(c)
	if c.IsSet("mutant") {
		words = append(words, "--mutant", c.String("mutant"))
	}
	options := strings.Join(append(words, strconv.FormatUint(seed, 10)), " ")
	fmt.Fprintf(c.App.Writer, "\n  repeat    elenchus replay %s\n  shrink    elenchus shrink %s\n", options, options)
}

// loadCampaign reads the state of a campaign; nil when there is none.
func loadCampaign(path string) (*sim.Summary, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read campaign: %w", err)
	}
	var s sim.Summary
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, usageError("--resume: %s is not the state of a campaign: %v", path, err)
	}
	return &s, nil
}

func saveCampaign(path string, s *sim.Summary) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("save campaign: %w", err)
	}
	return results.WriteFile(path, append(data, '\n'))
}
