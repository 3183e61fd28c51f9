package run

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"elenchus/harness/clockprobe"
	"elenchus/harness/control"
	"elenchus/results/history"
)

// clockBinDir is where the program that reads clocks is put on hosts.
const clockBinDir = "/opt/elenchus/bin"

// clocks is the measuring of the hosts' clocks that goes on beside a run.
type clocks struct {
	prober *clockprobe.Prober
	record *history.ClockWriter
}

// findClocks puts the program that reads clocks on all hosts. A host whose clocks cannot be measured will be recorded as
// such, and is no reason not to run.
func (t *test) findClocks(ctx context.Context) error {
	t.measured = make([]clockprobe.Target, len(t.clients))
	index := make(map[string]int)
	for i, c := range t.clients {
		index[c.Host().Name] = i
		t.measured[i] = clockprobe.Target{Node: c.Host().Name}
	}
	return control.Each(ctx, t.clients, func(ctx context.Context, c *control.Client) error {
		target := &t.measured[index[c.Host().Name]]
		if t.opts.ClockBinary == "" {
			target.How = "this program has no elenchus-clock beside it"
			return nil
		}
		path, _, err := c.UploadFile(ctx, t.opts.ClockBinary, clockBinDir, 0o755)
		if err != nil {
			target.How = fmt.Sprintf("the program that reads clocks could not be put there: %v", err)
			return nil
		}
		target.How = filepath.Base(t.opts.ClockBinary) + " probe"
		target.Answer = clockprobe.OnHost(c.Host(), []string{path, "probe"})
		return nil
	})
}

// startClocks begins to measure the clocks of all hosts, until stopClocks, whoever interrupts the run: clocks matter for
// as long as the nodes live.
func (t *test) startClocks() error {
	record, err := history.CreateClocks(t.dir.Clocks())
	if err != nil {
		return err
	}
	prober, err := clockprobe.Start(context.Background(), t.measured,
		clockprobe.Options{Now: t.now, Record: record.Append})
	if err != nil {
		return errors.Join(err, record.Close())
	}
	t.clocks = &clocks{prober: prober, record: record}
	return nil
}

// stopClocks ends the measuring. Where clocks were to be moved and nobody could see it, the run cannot be trusted.
func (t *test) stopClocks() {
	if t.clocks == nil {
		return
	}
	found, err := t.clocks.prober.Stop()
	t.blame(errors.Join(err, t.clocks.record.Close()))
	t.clocks = nil
	for _, r := range found {
		t.log.Info("clocks", "node", r.Node, "samples", r.Samples, "lost", r.Lost, "reason", r.Reason)
		if r.Samples == 0 && slices.Contains(t.wantedKinds(), clockKind) {
			t.blame(fmt.Errorf("the clocks of %s could not be measured: %s", r.Node, r.Reason))
		}
	}
}

// clockKind is the kind of faults that cannot be believed without measurements.
const clockKind = "clock"
