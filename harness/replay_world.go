package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"elenchus/harness/run"
	"elenchus/harness/sim"
	"elenchus/harness/sim/carry"
	"elenchus/nemesis"
	"elenchus/results"
)

// replayFromLab plays the schedule of a lab's run in the simulator.
func replayFromLab(c *cli.Context, found *simulated) error {
	schedule, err := scheduleOf(c, found.dir)
	if err != nil {
		return err
	}
	plan, left, err := carry.FromLab(found.manifest, schedule)
	if err != nil {
		return usageError("%v", err)
	}
	found.plan = plan
	manifest := found.manifest
	found.manifest = nil // the hash of a run in a lab means nothing in the simulator
	result, err := sim.New(sim.Options{}).Run(plan)
	if err != nil {
		return err
	}
	out := replayed{
		Of: found.name, Seed: result.Seed, Mutant: found.mutantName(), Hash: hashText(result.Hash),
		Simulated: result.Simulated, Violation: result.Violation, Outside: plan.Outside(), Stats: result.Stats,
		NotTaken: left,
	}
	ui := run.NewUI(c.App.ErrWriter)
	name := fmt.Sprintf("sim-of-%s-seed%d", manifest.Config.Workload, manifest.Seed)
	if out.Directory, err = keepReplay(c, ui, found, name); err != nil {
		return err
	}
	return concludeReplay(c, found, &out)
}

// scheduleOf reads the schedule of a run, as it was played or as it was planned.
func scheduleOf(c *cli.Context, dir results.Run) (*nemesis.Schedule, error) {
	path := dir.SchedulePlayed()
	if c.Bool("planned") {
		path = dir.SchedulePlanned()
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usageError("the run has no such schedule: %v", err)
	}
	schedule, err := nemesis.Parse(path, text)
	if err != nil {
		return nil, usageError("%v", err)
	}
	return schedule, nil
}

// replayInLab plays the schedule of a run in a local lab, as elenchus test does it.
func replayInLab(c *cli.Context, found *simulated) error {
	if found.plan == nil {
		return usageError("%s is the run of a %s lab: elenchus test --schedule=%s plays its schedule there again",
			found.name, found.manifest.Lab, found.dir.SchedulePlayed())
	}
	plan := found.plan
	if !c.Bool("planned") { // roles are replaced by the nodes that they were resolved to
		var err error
		if plan, _, err = sim.New(sim.Options{Checker: sim.NoChecker{}}).Frozen(plan); err != nil {
			return err
		}
		plan.Load = found.plan.Load
	}
	lab, err := carry.ToLab(plan)
	if err != nil {
		return usageError("%v", err)
	}
	ui := run.NewUI(c.App.ErrWriter)
	for _, what := range lab.Left {
		ui.Say("not taken along: %s", what)
	}
	file, remove, err := temporarySchedule(lab.Schedule)
	if err != nil {
		return err
	}
	defer remove()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	argv := append([]string{self, "test", "--lab=local"}, lab.Options...)
	argv = append(argv, "--schedule="+file, "--results="+c.String("results"))
	if binary := c.String("node-binary"); binary != "" {
		argv = append(argv, "--node-binary="+binary)
	} else if found.mutant != nil {
		argv = append(argv, "--mutant="+found.mutant.Dir)
	}
	if c.Bool("json") {
		argv = append(argv, "--json")
	}
	// In a lab the node has the mutant, not this program.
	if err := os.Unsetenv(envMutant); err != nil {
		return fmt.Errorf("run in a lab: %w", err)
	}
	return execHere(c.Context, argv)
}

// temporarySchedule writes a schedule to a temporary file for another program, which stores a copy in its run
// directory.
func temporarySchedule(s *nemesis.Schedule) (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "elenchus-replay-")
	if err != nil {
		return "", nil, fmt.Errorf("write the schedule: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) }
	path = filepath.Join(dir, results.SchedulePlannedFile)
	if err := results.WriteFile(path, s.Format()); err != nil {
		remove()
		return "", nil, err
	}
	return path, remove, nil
}
