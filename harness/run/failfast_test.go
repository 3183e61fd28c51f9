package run

import (
	"context"
	"strings"
	"testing"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
	"elenchus/workloads"
	"elenchus/workloads/paxosclient"
)

// TestFailFastEndsTheWorkload: after the first answer without a linearization no client asks for more than the one
// operation that it may just have been about to.
func TestFailFastEndsTheWorkload(t *testing.T) {
	for _, workload := range []string{"register", "append"} {
		t.Run(workload, func(t *testing.T) { failsFast(t, workload) })
	}
}

func failsFast(t *testing.T, workload string) {
	t.Helper()
	const workers = 6
	system, urls := serveRegisters(t)
	kind, err := workloads.Lookup(workload)
	if err != nil {
		t.Fatal(err)
	}
	gen, err := kind.New(workloads.Options{Seed: 1, Workers: workers, Nodes: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := new(Sentinel)
	path := t.TempDir() + "/history.jsonl"
	h, err := history.Create(path, history.WriterOptions{Each: func(e *history.Event) { s.Observe(e) }})
	if err != nil {
		t.Fatal(err)
	}
	l := &load{nodes: NodeNames(3), workers: workers, rate: 600, opTimeout: time.Minute, history: h, gen: gen,
		dial: func(node string, process int) workloads.Client {
			return paxosclient.New(urls[node], uint64(process)+1)
		}}
	ctx, cancel := context.WithCancel(t.Context()) // nothing else ends the load
	defer cancel()
	s.arm(cancel)
	time.AfterFunc(200*time.Millisecond, func() { system.cutOff("n1") })
	if err := l.run(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	found := s.Stopped()
	if found == nil || found.Key == "" || !strings.Contains(found.Reason, " at n") {
		t.Fatalf("stopped at %+v", found)
	}
	log, err := history.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	later := 0
	for _, e := range log.Events {
		if e.Type == history.Invoke && e.Seq > found.Seq {
			later++
		}
	}
	if later > workers {
		t.Errorf("%d operations were invoked after the violation, by %d clients", later, workers)
	}
}

// TestStopWithoutAViolationIsNotTrusted: a run that was stopped at a violation that its history does not show has been
// judged by two checkers of which one is wrong.
func TestStopWithoutAViolationIsNotTrusted(t *testing.T) {
	for i := range 4 {
		stale := i%2 == 1
		dir := planted(t, []string{"register", "append"}[i/2], stale)
		m, err := dir.LoadManifest()
		if err != nil {
			t.Fatal(err)
		}
		s := new(Sentinel)
		log, err := history.ReadFile(dir.History())
		if err != nil {
			t.Fatal(err)
		}
		for i := range log.Events {
			s.Observe(&log.Events[i])
		}
		if m.Stopped = s.Stopped(); (m.Stopped != nil) != stale {
			t.Fatalf("stale %v: stopped at %+v", stale, m.Stopped)
		}
		want := verdict.Violated
		if !stale {
			first := log.Events[1]
			m.Stopped, want = stopAt(&first, "for no reason"), verdict.Unknown
		}
		if err := dir.SaveManifest(m); err != nil {
			t.Fatal(err)
		}
		v := check(t, dir)
		if v.Safety.Status != want || v.Coverage.Status != verdict.None || !strings.Contains(v.Stopped, m.Stopped.Key) {
			t.Errorf("stale %v: %+v, coverage %s, stopped %q", stale, v.Safety, v.Coverage.Status, v.Stopped)
		}
	}
}
