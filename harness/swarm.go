package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"elenchus/harness/run"
	"elenchus/results/history"
	"elenchus/workloads"
)

// applySwarm sets the options that --swarm draws, as if they had been typed. Inside a lab the same ones are drawn
// again.
func applySwarm(c *cli.Context, seed uint64) error {
	if !c.Bool("swarm") {
		return nil
	}
	if c.String("lab") == simLab {
		return usageError("--swarm is for labs with hosts: elenchus sim draws all that, and more, for every seed")
	}
	said := func(option string) (string, bool) {
		hostsAreGiven := option == "nodes" && c.String("lab") != "local"
		return fmt.Sprint(c.Value(option)), c.IsSet(option) || hostsAreGiven
	}
	choices := run.Swarm(seed, said)
	var words []string
	for _, choice := range choices {
		if err := c.Set(choice.Option, choice.Value); err != nil {
			return fmt.Errorf("draw --%s: %w", choice.Option, err)
		}
		words = append(words, fmt.Sprintf("--%s=%s", choice.Option, choice.Value))
	}
	if !inside() {
		run.NewUI(c.App.ErrWriter).Say("drawn from seed %d: %s", seed, strings.Join(words, " "))
	}
	// What can be decided only at the end ends at its end.
	if w, err := workloads.Lookup(c.String("workload")); err == nil && slices.Contains(w.Funcs, history.Append) {
		return c.Set("fail-fast", "false")
	}
	return nil
}
