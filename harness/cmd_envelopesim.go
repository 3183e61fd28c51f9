package main

import (
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/control"
	attack "elenchus/harness/envelope"
	"elenchus/harness/lab"
	"elenchus/harness/run"
	"elenchus/results"
	"elenchus/results/envelope"
)

// simProbes is how often each cell is attacked in the simulator unless the user says otherwise.
const simProbes = 20

// envelopeSim is elenchus envelope --lab sim.
func envelopeSim(c *cli.Context, plan envelope.Plan, seed uint64) error {
	if err := checkSimFlags(c); err != nil {
		return err
	}
	if c.IsSet("nodes") {
		return usageError("--nodes does not go with --lab sim: every attack has %d simulated nodes of its own", envelopeNodes)
	}
	inv := lab.Inventory{Name: simLab, Kind: simLab}
	for _, name := range run.NodeNames(envelopeNodes) {
		inv.Hosts = append(inv.Hosts, control.Host{Name: name})
	}
	e, err := newSweeping(c, inv, plan, seed)
	if err != nil {
		return err
	}
	if err := e.dir.PointLatest(); err != nil {
		return err
	}
	said := []byte("simulated: the same seed makes the same attacks\n")
	if err := results.WriteFile(e.dir.HarnessLog(), said); err != nil {
		return err
	}
	begin := time.Now()
	backend := attack.NewSim(attack.SimOptions{
		Plan: plan, Renew: c.Duration("lease-renew"), Election: c.Duration("election-timeout"), Seed: seed,
	})
	if err := e.sweep(c.Context, begin, backend); err != nil {
		return err
	}
	e.ui.Step("simulated %v of attacks in %v", backend.Now().Round(time.Second), time.Since(begin).Round(time.Millisecond))
	if err := e.collected(time.Since(begin)); err != nil {
		return err
	}
	return concludeEnvelope(c, e.dir, e.ui)
}
