package main

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/control"
	"elenchus/harness/run"
	"elenchus/nemesis"
	"elenchus/results/report"
	"elenchus/workloads"
)

func testCommand() *cli.Command {
	return &cli.Command{
		Name:  "test",
		Usage: "run a workload under faults and check what the clients saw",
		Description: "Deploys the node in a local lab, which is made for the test unless one is up, and runs the workload\n" +
			"while the nemesis plays its schedule. Then heals all faults, waits for recovery, reads everything once more,\n" +
			"collects logs and data, and checks. The run directory is results/runs/latest, its index.html the report.\n\n" +
			"With --lab sim there are no hosts: the run is simulated in virtual time, and is the same every time.",
		Flags:  withEnv(slices.Concat(labFlags(simLab), testFlags(), checkFlags(time.Minute), leaseFlags(), clockFlags())),
		Action: testAction,
		BashComplete: func(c *cli.Context) {
			for _, w := range workloads.All() {
				fmt.Fprintln(c.App.Writer, "--workload="+w.Name)
			}
			cli.DefaultCompleteWithFlags(c.Command)(c)
		},
	}
}

func testFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "workload", Category: catWorkload, Value: "register",
			Usage: "run the workload `NAME` (see elenchus list workloads)"},
		&cli.DurationFlag{Name: "time-limit", Category: catWorkload, Value: 30 * time.Second,
			Usage: "run the workload for `TIME`"},
		&cli.Float64Flag{Name: "rate", Category: catWorkload, Value: 200,
			Usage: "limit all clients together to `OPS` operations per second, besides reads at nodes under faults; " +
				"0 means no limit"},
		&cli.StringFlag{Name: "concurrency", Category: catWorkload, Value: "2n",
			Usage: "run this number of `CLIENTS`, or 2n for two per node"},
		&cli.IntFlag{Name: "keys", Category: catWorkload, DefaultText: "one per client",
			Usage: "use `N` registers at a time: with few, more operations contend for each"},
		&cli.IntFlag{Name: "read-percent", Category: catWorkload, DefaultText: "70",
			Usage: "let `N` of 100 operations be reads, of clients that also write"},
		&cli.DurationFlag{Name: "op-timeout", Category: catWorkload, Value: 2 * time.Second,
			Usage: "let a client wait `TIME` for an answer"},
		&cli.StringFlag{Name: "retry", Category: catWorkload, DefaultText: "none",
			Usage: "retry `SHARE` of the updates without an answer, in the same session, at the same or another node"},
		&cli.Uint64Flag{Name: "seed", Category: catWorkload,
			Usage:       "derive all random choices from `SEED`; a --schedule resolves roles by a seed of its own",
			DefaultText: "random, and printed"},
		&cli.StringFlag{Name: "nemesis", Category: catNemesis, Value: "partition,kill,pause",
			Usage: "inject these `KINDS` of faults (see elenchus list nemeses), all or none"},
		&cli.StringFlag{Name: "schedule", Category: catNemesis, TakesFile: true,
			Usage: "play the schedule in `FILE` instead of planning one"},
		&cli.BoolFlag{Name: "swarm", Category: catNemesis,
			Usage: "draw the options that are not given from the seed: nodes, workload, faults, reads, leases, ..."},
		&cli.BoolFlag{Name: "dry-run", Category: catNemesis, Usage: "print the schedule with a timeline, and stop"},
		readsFlag(),
		mutantFlag(),
		nodeBinaryFlag(),
		nodeFlagFlag(),
		&cli.DurationFlag{Name: "recovery-timeout", Category: catChecking, Value: 30 * time.Second,
			Usage: "require every node to answer within `TIME` of the last heal"},
		&cli.IntFlag{Name: "deposed-reads", Category: catChecking, DefaultText: "1 if leases are attacked, else none",
			Usage: "call the run vacuous unless `N` reads were attempted at deposed leaders; -1 means no minimum"},
		&cli.BoolFlag{Name: "fail-fast", Category: catChecking,
			Usage: "stop the workload at the first answer that cannot be linearized; then heal, collect and check as usual"},
		breakLockFlag(),
		resultsFlag(),
		jsonFlag(),
	}
}

func testAction(c *cli.Context) error {
	if err := checkLabFlags(c, simLab); err != nil {
		return err
	}
	seed, err := chooseSeed(c)
	if err != nil {
		return err
	}
	if err := applySwarm(c, seed); err != nil {
		return err
	}
	mutant, err := chosenMutant(c)
	if err != nil {
		return err
	}
	if c.String("lab") == simLab {
		if done, err := asMutated(c, mutant); done {
			return err
		}
		return testSim(c, seed, mutant)
	}
	node, remove, err := buildMutatedNode(c, mutant)
	if err != nil {
		return err
	}
	defer remove()
	if c.String("lab") == "local" && !inside() {
		names := run.NodeNames(c.Int("nodes"))
		opts, err := testOptions(c, seed, localHosts(names), node)
		if err != nil {
			return err
		}
		if c.Bool("dry-run") {
			return dryRun(c, opts, names)
		}
		return enterLab(c, false, fmt.Sprintf("ELENCHUS_SEED=%d", seed), envMutant+"="+node)
	}
	inv, err := inventory(c)
	if err != nil {
		return err
	}
	names := make([]string, len(inv.Hosts))
	for i, h := range inv.Hosts {
		names[i] = h.Name
	}
	opts, err := testOptions(c, seed, inv.Hosts, node)
	if err != nil {
		return err
	}
	if c.Bool("dry-run") {
		return dryRun(c, opts, names)
	}
	opts.Mutant = mutant
	ui := run.NewUI(c.App.ErrWriter)
	outcome, err := run.Test(c.Context, opts, inv, ui)
	if err != nil {
		return err
	}
	return conclude(c, ui, outcome)
}

// chooseSeed returns the seed of the run: the user's, or a random one.
func chooseSeed(c *cli.Context) (uint64, error) {
	if c.IsSet("seed") {
		return c.Uint64("seed"), nil
	}
	var b [4]byte // short enough to be typed
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("draw a seed: %w", err)
	}
	return uint64(binary.LittleEndian.Uint32(b[:])), nil
}

// testOptions parses the command line and returns complete and valid options for nodes on these hosts. If mutated is
// not empty, it is the path of a node program with a mutant, which is deployed in place of the usual one.
func testOptions(c *cli.Context, seed uint64, hosts []control.Host, mutated string) (run.Options, error) {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	opts := run.Options{
		Workload: c.String("workload"), TimeLimit: c.Duration("time-limit"), Rate: c.Float64("rate"), Seed: seed,
		Keys: c.Int("keys"), ReadPercent: c.Int("read-percent"),
		OpTimeout: c.Duration("op-timeout"), RecoveryTimeout: c.Duration("recovery-timeout"),
		NodeFlags: c.StringSlice("node-flag"), CheckTime: c.Duration("check-time"),
		DeposedReads: c.Int("deposed-reads"), FailFast: c.Bool("fail-fast"),
		CheckMemory: int64(c.Int("check-memory")) << 20, Results: c.String("results"),
		Argv: append(commandLine(), fromEnvironment(c)...), BreakLock: c.Bool("break-lock"),
	}
	empty := leaseOptions(c, &opts)
	var err error
	if opts.Retry, err = share(c, "retry"); err != nil {
		return opts, err
	}
	if opts.Nemesis, err = nemesis.ParseKinds(c.String("nemesis")); err != nil {
		return opts, usageError("--nemesis: %v", err)
	}
	if opts.Concurrency, err = run.ParseConcurrency(c.String("concurrency"), len(names)); err != nil {
		return opts, usageError("--concurrency: %v", err)
	}
	if path := c.String("schedule"); path != "" {
		if c.IsSet("nemesis") {
			return opts, usageError("--schedule says which faults there are: leave --nemesis out")
		}
		if opts.Schedule, err = readSchedule(path, names); err != nil {
			return opts, err
		}
		if c.IsSet("time-limit") {
			return opts, usageError("--schedule says how long the run is: leave --time-limit out")
		}
		opts.TimeLimit = opts.Schedule.Length
	}
	if err := errors.Join(empty, opts.Validate(len(names))); err != nil {
		return opts, usageError("%v", err)
	}
	if err := clockOptions(c, &opts, hosts); err != nil {
		return opts, err
	}
	schedule, err := run.Plan(opts, names)
	if err != nil {
		return opts, usageError("%v", err)
	}
	if !c.Bool("dry-run") && c.String("lab") != simLab {
		if opts.NodeBinary, err = nodeBinary(cmp.Or(mutated, c.String("node-binary"))); err != nil {
			return opts, err
		}
	}
	return opts, checkClockTools(c, opts, schedule)
}

// readSchedule reads a schedule for nodes of these names.
func readSchedule(path string, names []string) (*nemesis.Schedule, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usageError("--schedule: %v", err)
	}
	schedule, err := nemesis.Parse(path, text)
	if err != nil {
		return nil, usageError("%v", err)
	}
	have := make(map[string]bool)
	for _, name := range names {
		have[name] = true
	}
	for _, name := range schedule.Nodes {
		if !have[name] {
			return nil, usageError("%s is for nodes %v, the lab has %v", path, schedule.Nodes, names)
		}
	}
	return schedule, nil
}

func dryRun(c *cli.Context, opts run.Options, names []string) error {
	schedule, err := run.Plan(opts, names)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c, scheduleJSON(schedule))
	}
	var timeline strings.Builder
	if err := schedule.Timeline(&timeline, 98); err != nil {
		return err
	}
	run.Warn(run.NewUI(c.App.ErrWriter), &opts, schedule)
	// The picture is a comment, so that all of the output is a schedule.
	picture := strings.ReplaceAll(strings.TrimRight(timeline.String(), "\n"), "\n", "\n# ")
	fmt.Fprintf(c.App.Writer, "%s\n# %s\n", schedule.FormatNamed(), picture)
	return nil
}

// plannedJSON is a schedule for scripts.
type plannedJSON struct {
	Seed   uint64        `json:"seed,string"`
	Nodes  []string      `json:"nodes"`
	Length time.Duration `json:"length_ns"`
	Faults []faultJSON   `json:"faults"`
}

// faultJSON is a fault of a schedule for scripts.
type faultJSON struct {
	ID     string        `json:"id"`
	At     time.Duration `json:"at_ns"`
	For    time.Duration `json:"for_ns,omitempty"` // without it the fault lasts until everything is healed
	Kind   string        `json:"kind"`
	Shape  string        `json:"shape,omitempty"`
	Groups [][]string    `json:"groups,omitempty"`
	Detail string        `json:"detail,omitempty"` // in the words of the schedule file
}

func scheduleJSON(s *nemesis.Schedule) plannedJSON {
	planned := plannedJSON{Seed: s.Seed, Nodes: s.Nodes, Length: s.Length, Faults: []faultJSON{}}
	for _, f := range s.Faults {
		planned.Faults = append(planned.Faults, faultJSON{ID: f.ID, At: f.At, For: f.For, Kind: f.Kind, Shape: f.Shape,
			Groups: f.Groups, Detail: f.Detail()})
	}
	return planned
}

func printJSON(c *cli.Context, v any) error {
	enc := json.NewEncoder(c.App.Writer)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// conclude prints a verdict and ends the program with its exit code.
func conclude(c *cli.Context, ui *run.UI, o run.Outcome) error {
	if c.Bool("json") {
		if err := printJSON(c, o.Verdict); err != nil {
			return err
		}
	} else if err := report.Summary(c.App.Writer, o.Run.Dir, o.Verdict, o.Manifest, ui.Color()); err != nil {
		return err
	}
	if code := o.Verdict.ExitCode(); code != 0 {
		return exitError{code: code}
	}
	return nil
}
