package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"elenchus/nemesis"
	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/verdict"
	"elenchus/workloads"
)

// mainPhase runs the workload and the nemesis until the time limit or the end of ctx. The error is one of the
// harness.
func (t *test) mainPhase(ctx context.Context) error {
	t.enter(results.StateRunning)
	player, err := nemesis.NewPlayer(nemesis.PlayerOptions{
		Schedule: t.schedule, Cluster: t.cluster, Ledger: t.ledger, Record: t.recordFault, Now: t.now,
		InTurn: t.opts.Schedule == nil,
	})
	if err != nil {
		return err
	}
	t.player = player
	ctx, cancel := context.WithTimeout(ctx, max(0, t.opts.TimeLimit-t.now()))
	defer cancel()
	t.sentinel.arm(cancel)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return t.load.run(ctx) })
	if t.opts.readsAskNoLog() {
		group.Go(func() error { return t.watch.run(ctx) })
	}
	group.Go(func() error {
		// Faults that could not be injected are recorded in the fault log. The remaining error says that the end of
		// the run cut off the schedule, as it may.
		if err := player.Play(ctx); err != nil && ctx.Err() == nil {
			t.log.Warn("schedule played with failures", "error", err)
		}
		return nil
	})
	group.Go(func() error { t.showStatus(ctx); return nil })
	group.Go(func() error {
		select {
		case <-t.lock.Lost():
			return fmt.Errorf("%w: %w", nemesis.ErrLost, t.lock.Err())
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error {
		<-ctx.Done()
		if s := t.sentinel.Stopped(); s != nil && s.At < t.opts.TimeLimit {
			t.manifest.Stopped = s
			t.ui.Step("stopping: %s", StoppedBecause(s))
		}
		return nil
	})
	err = group.Wait()
	t.manifest.PlayedUntil = player.Until()
	return err
}

// recordFault writes a step of a fault to disk and to the screen. The player calls it for one step at a time.
func (t *test) recordFault(e history.FaultEvent) {
	if err := t.faults.Append(e); err != nil {
		t.log.Error("cannot record fault", "id", e.ID, "error", err)
		t.recordErr.CompareAndSwap(nil, &err)
	}
	t.log.Info("fault", "id", e.ID, "kind", e.Kind, "played", e.Played, "step", string(e.Step),
		"status", string(e.Status), "evidence", e.Evidence, "error", e.Error)
	switch {
	case e.Status == history.FaultInstalled:
		t.active.Add(1)
		t.installed[e.ID] = true
	case e.Step == history.FaultRevert && t.installed[e.ID]: // whatever the outcome: another fault may have ended it
		t.active.Add(-1)
		delete(t.installed, e.ID)
	}
	t.watch.note(e)
	t.ui.Step("%s", stepLine(e))
}

// stepLine describes the outcome of a step of a fault: "installed f3 pause n3". For a step that was skipped it also
// says whether that was the begin or the end of the fault.
func stepLine(e history.FaultEvent) string {
	what := strings.TrimSpace(fmt.Sprintf("%s %s %s", e.ID, e.Kind, cmp.Or(e.Played, e.Detail)))
	why := ""
	for _, text := range e.Evidence {
		if e.Status == history.FaultSkipped && strings.Contains(text, "skipped: ") {
			why = ": " + strings.Replace(text, "skipped: ", "", 1)
			break
		}
	}
	switch {
	case e.Error != "":
		return fmt.Sprintf("%-9s %s, %s: %s", e.Status, what, e.Step, e.Error)
	case e.Status == history.FaultSkipped && e.Step == history.FaultApply:
		return fmt.Sprintf("%-9s %s, nothing to do%s", e.Status, what, why)
	case e.Status == history.FaultSkipped:
		return fmt.Sprintf("%-9s %s, nothing to revert%s", "over", what, why)
	}
	return fmt.Sprintf("%-9s %s", e.Status, what)
}

// showStatus keeps the status line up to date until ctx ends.
func (t *test) showStatus(ctx context.Context) {
	rate := meter{last: t.now()}
	for sleep(ctx, redrawEvery) {
		counts, now := t.history.Counts(), t.now()
		rate.observe(now, counts.OK)
		t.ui.Status("%s  %d ok%v  %d fail  %d unknown  %d under way   faults in effect: %d",
			remaining(t.opts.TimeLimit-now), counts.OK, rate, counts.Fail, counts.Unknown, counts.Outstanding,
			t.active.Load())
	}
}

// meter measures a rate, anew every second.
type meter struct {
	last   time.Duration // when it was measured
	before int           // the count at that time
	rate   float64       // per second
	known  bool
}

func (m *meter) observe(now time.Duration, count int) {
	if since := now - m.last; since >= time.Second {
		m.rate, m.known = float64(count-m.before)/since.Seconds(), true
		m.before, m.last = count, now
	}
}

// String formats the rate to stand behind the count; it is empty until there is a rate.
func (m meter) String() string {
	if !m.known {
		return ""
	}
	return fmt.Sprintf(" (%.0f/s)", m.rate)
}

func remaining(d time.Duration) string {
	return fmt.Sprintf("%2.0fs left", max(0, d).Seconds())
}

// recoverAndRead heals everything, waits until the system answers everywhere, and reads every key at every node. It
// has its own deadlines, so that a run that was interrupted is healed like any other.
func (t *test) recoverAndRead(ctx context.Context) {
	t.ui.Status("healing …")
	t.blame(t.heal(ctx))
	if err := t.recordErr.Load(); err != nil {
		t.blame(*err)
	}
	t.enter(results.StateHealed)
	recovery := &t.manifest.Recovery
	recovery.Attempted, recovery.HealedAt = true, t.now()

	t.ui.Status("waiting for every node to answer …")
	ctx, cancel := context.WithTimeout(ctx, t.opts.RecoveryTimeout)
	defer cancel()
	if err := t.system.Ready(ctx); err != nil {
		recovery.Nodes = []results.NodeReady{{Node: "cluster", Detail: err.Error()}}
		t.ui.Step("not recovered after %v: %v", round(t.now()-recovery.HealedAt), err)
		t.blame(t.save())
		return
	}
	recovery.Recovered, recovery.Took = true, t.now()-recovery.HealedAt
	t.ui.Step("recovered in %v", round(recovery.Took))
	t.blame(t.save())
	t.useAgain(ctx)
}

// useAgain updates something through every node, and then reads everything at every node.
func (t *test) useAgain(ctx context.Context) {
	t.ui.Status("an update through every node …")
	keys := t.gen.Keys()
	err := t.load.updateEverywhere(ctx)
	if err == nil {
		t.ui.Step("updated something through each of %s", verdict.Count(len(t.load.nodes), "node"))
		err = t.repeat(ctx)
	}
	if err == nil {
		keys = t.gen.Keys()
		t.ui.Status("final reads of %s at every node …", verdict.Count(len(keys), "key"))
		err = t.load.finalReads(ctx, keys)
	}
	recovery := &t.manifest.Recovery
	if unanswered := (unansweredError{}); errors.As(err, &unanswered) {
		recovery.Nodes = append(recovery.Nodes, results.NodeReady{Node: "clients", Detail: err.Error()})
		t.ui.Step("%v", err)
		return
	}
	if err != nil {
		t.blame(err)
		return
	}
	t.ui.Step("read %s at each of %s", verdict.Count(len(keys), "key"), verdict.Count(len(t.load.nodes), "node"))
}

// repeat sends the latest request of every session once more, if the workload has sessions.
func (t *test) repeat(ctx context.Context) error {
	gen, ok := t.gen.(workloads.Repeater)
	if !ok {
		return nil
	}
	requests := gen.Latest()
	sessions := verdict.Count(len(requests), "session")
	t.ui.Status("repeating the latest requests of %s …", sessions)
	err := t.load.repeatEverywhere(ctx, requests)
	if err == nil {
		t.ui.Step("repeated the latest requests of %s", sessions)
	}
	return err
}

// heal undoes all faults: first those that this run knows of, then any others found on the hosts.
func (t *test) heal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	if t.player != nil {
		_, err := t.player.HealAll(ctx)
		return err
	}
	_, err := nemesis.Heal(ctx, t.cluster, nemesis.HealOptions{Ledger: t.ledger})
	return err
}

// cleanUp ends the system and collects its files. It runs whatever happened before.
func (t *test) cleanUp(ctx context.Context) {
	if t.system == nil || t.cluster == nil {
		t.blame(t.save())
		return
	}
	if t.player == nil { // setup failed, so nothing was healed yet
		t.blame(t.heal(ctx))
	}
	if !t.deployed {
		t.blame(t.save())
		return
	}
	begin := time.Now()
	stopCtx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	t.ui.Status("collecting logs and data …")
	if err := t.system.StopAll(stopCtx); err != nil {
		t.blame(fmt.Errorf("stop the nodes: %w", err))
	}
	collectCtx, cancelCollect := context.WithTimeout(ctx, 2*healTimeout)
	defer cancelCollect()
	err := t.system.Collect(collectCtx, t.dir.Path(results.NodesDir))
	if t.history == nil { // no operation was sent, so there may be nothing to collect
		t.log.Info("collected after a setup that failed", "error", err)
		t.blame(t.save())
		return
	}
	if err != nil {
		t.blame(fmt.Errorf("collect: %w", err))
	} else {
		t.ui.Step("collected logs and data of %s in %v", verdict.Count(len(t.clients), "node"), round(time.Since(begin)))
	}
	if files, err := t.dir.Evidence(nil); err != nil {
		t.blame(err)
	} else {
		t.manifest.Files = files
	}
	t.enter(results.StateCollected)
}

func (t *test) disconnect() {
	if t.lock != nil {
		ctx, cancel := context.WithTimeout(context.Background(), healTimeout)
		defer cancel()
		if err := t.lock.Release(ctx); err != nil {
			t.log.Warn("lock not released", "error", err)
		}
	}
	for _, c := range t.clients {
		_ = c.Close() // nothing more is asked of the host
	}
	if t.ledger != nil {
		_ = t.ledger.Close() // its content was synced when it was written
	}
}
