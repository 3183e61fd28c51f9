package run

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"elenchus/harness/clockprobe"
	"elenchus/results/history"
)

// clocks measures the clocks of the hosts during a run.
type clocks struct {
	prober *clockprobe.Prober
	record *history.ClockWriter
}

// clockTargets returns the clocks to measure: those of all hosts as their nodes see them, that is, with the clock
// shim where there is one.
func (t *test) clockTargets() []clockprobe.Target {
	targets := make([]clockprobe.Target, len(t.clients))
	for i, c := range t.clients {
		helper, controlFile := t.system.Clock(c.Host().Name)
		targets[i] = clockprobe.Target{Node: c.Host().Name, How: "there is no elenchus-clock beside this program"}
		if helper == "" {
			continue
		}
		argv := []string{helper, "probe"}
		if controlFile != "" {
			argv = append(argv, "-f", controlFile)
		}
		targets[i].How = strings.Join(append([]string{"elenchus-clock"}, argv[1:]...), " ")
		targets[i].Answer = clockprobe.OnHost(c.Host(), argv)
	}
	return targets
}

// startClocks begins to measure the clocks of all hosts, until stopClocks. An interruption of the run does not end
// this, because the nodes keep running and observing until they are stopped.
func (t *test) startClocks() error {
	record, err := history.CreateClocks(t.dir.Clocks())
	if err != nil {
		return err
	}
	prober, err := clockprobe.Start(context.Background(), t.clockTargets(),
		clockprobe.Options{Now: t.now, Record: record.Append})
	if err != nil {
		return errors.Join(err, record.Close())
	}
	t.clocks = &clocks{prober: prober, record: record}
	return nil
}

// stopClocks ends the measurements. If clocks were to be moved but could not be measured, the run cannot be trusted;
// other runs do not depend on them.
func (t *test) stopClocks() {
	if t.clocks == nil {
		return
	}
	found, err := t.clocks.prober.Stop()
	err = errors.Join(err, t.clocks.record.Close())
	t.clocks = nil
	t.log.Info("clocks measured", "error", err)
	if t.movesClocks() {
		t.blame(err)
	}
	for _, r := range found {
		t.log.Info("clocks", "node", r.Node, "samples", r.Samples, "lost", r.Lost, "reason", r.Reason)
		if r.Samples == 0 && t.movesClocks() {
			t.blame(fmt.Errorf("the clocks of %s could not be measured: %s", r.Node, r.Reason))
		}
	}
}
