package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"elenchus/harness/sim"
	"elenchus/node/mutants"
	"elenchus/results"
	"elenchus/results/history"
)

// simulated is a simulated run that the command line names by its seed or by its directory.
type simulated struct {
	name string // for messages
	plan *sim.Plan

	dir      results.Run       // of a run on disk
	manifest *results.Manifest // nil for a seed

	mutant *mutants.Mutant // the mutant to play it with; nil for none
	made   string          // the mutant that it was made with; empty for none
}

// findMutated is findRun, and also finds out with which mutant the run is to be played. If this program was not built
// with that mutant, it runs the same command with one that was, and done is true.
func findMutated(c *cli.Context) (found simulated, done bool, err error) {
	if found, err = findRun(c); err != nil {
		return found, true, err
	}
	if found.manifest != nil {
		if found.mutant, err = recordedMutant(found.dir, found.manifest); err != nil && !c.IsSet("mutant") {
			return found, true, err
		}
		found.made = found.manifest.Node.Mutant
	}
	switch {
	case c.String("mutant") == noMutant:
		found.mutant = nil
	case c.IsSet("mutant"):
		if found.mutant, err = chosenMutant(c); err != nil {
			return found, true, err
		}
	}
	done, err = asMutated(c, found.mutant)
	return found, done, err
}

// mutantName is the name of the mutant that the run is played with; empty for none.
func (s *simulated) mutantName() string {
	if s.mutant == nil {
		return ""
	}
	return s.mutant.Name
}

// options stops a run at the same answer again if it was stopped at a violation.
func (s *simulated) options() (o sim.Options) {
	if s.manifest != nil && s.manifest.Stopped != nil {
		last := s.manifest.Stopped.Seq
		o.Each = func(e *history.Event) bool { return e.Seq != last }
	}
	return o
}

// amend marks the repetition of a run that was stopped at a violation as stopped there, not as interrupted.
func (s *simulated) amend(m *results.Manifest) {
	if s.manifest != nil && s.manifest.Stopped != nil && m.Interrupted {
		m.Interrupted, m.Stopped = false, s.manifest.Stopped
	}
}

// findRun returns the run that the argument of a command names. A number is a seed. The plan is nil for the run of a
// lab.
func findRun(c *cli.Context) (simulated, error) {
	ref := c.Args().First()
	if seed, err := strconv.ParseUint(ref, 10, 64); err == nil {
		return drawRun(c, seed)
	}
	if words := drawWords(c); len(words) > 0 {
		return simulated{}, usageError("%s says what a seed is drawn from; a run has its plan already", words[0])
	}
	dir, err := results.Open(c.String("results"), ref)
	if err != nil {
		if looksLikeSeed(ref) {
			return simulated{}, usageError("%q is no seed: those are whole numbers from 0 to 18446744073709551615", ref)
		}
		return simulated{}, noRun(c.String("results"), ref, err)
	}
	run := simulated{name: dir.Name(), dir: dir}
	if run.manifest, err = dir.LoadManifest(); err != nil {
		return run, err
	}
	if run.manifest.Kind != results.KindTest {
		return run, notATest(c, &run)
	}
	run.plan, err = sim.LoadPlan(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && run.manifest.Lab != "sim":
		return run, nil
	case err != nil:
		return run, usageError("%s: %v", dir.Name(), err)
	}
	return run, nil
}

// notATest explains why a sweep or a benchmark cannot be played again, and names the newest run that can be.
func notATest(c *cli.Context, found *simulated) error {
	what := "a benchmark, which measures"
	if found.manifest.Kind == results.KindEnvelope {
		what = "a sweep, which is made of many attacks"
	}
	hint := "name another run, or a seed"
	entries, err := results.List(c.String("results"))
	if err != nil {
		return err
	}
	for _, e := range entries { // the newest first
		if m, err := e.Run.LoadManifest(); err == nil && m.Kind == results.KindTest && m.Imported == "" {
			hint = fmt.Sprintf("the newest run of a test is %s", e.Run.Name())
			break
		}
	}
	return usageError("%s is %s: elenchus %s is for the run of a test (%s)", found.name, what, c.Command.Name, hint)
}

// looksLikeSeed reports whether an argument is meant as a number.
func looksLikeSeed(ref string) bool {
	return ref != "" && strings.Trim(ref, "+-0123456789.eExX_") == ""
}

func drawRun(c *cli.Context, seed uint64) (simulated, error) {
	options, err := drawOptions(c)
	if err != nil {
		return simulated{}, usageError("%v", err)
	}
	plan, err := sim.Draw(seed, options)
	if err != nil {
		return simulated{}, usageError("%v", err)
	}
	return simulated{name: fmt.Sprintf("seed %d", seed), plan: plan}, nil
}

// onlySimulated refuses runs of a lab.
func (s *simulated) onlySimulated(what string) error {
	if s.plan != nil {
		return nil
	}
	return usageError("%s is the run of a %s lab, which cannot be played again exactly: %s needs a simulated run "+
		"(elenchus replay plays its schedule in the simulator)", s.name, s.manifest.Lab, what)
}

// hashText formats a hash as it is printed everywhere.
func hashText(hash uint64) string { return fmt.Sprintf("%016x", hash) }
