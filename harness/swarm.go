package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"elenchus/harness/run"
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
	return nil
}
