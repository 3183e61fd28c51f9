package report_test

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"elenchus/checker"
	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/report"
	"elenchus/results/verdict"
	"elenchus/workloads"
)

// sample makes a run's directory as the harness would leave it: five nodes under kills, pauses and partitions, with a
// leader that serves stale reads while it is cut off if the run is to be violated.
type sample struct {
	violated bool
	length   time.Duration // of the workload
	workers  int
	think    time.Duration // mean time between a worker's operations
}

var sampleStart = time.Date(2026, 11, 21, 3, 22, 17, 512e6, time.UTC)

// sampleNodes is the size of the cluster.
const sampleNodes = 5

// reign is a time in which a node led.
type reign struct {
	node, ballot int
	from, to     time.Duration
}

// world is the cluster of a sample: who leads when, and what is done to it.
type world struct {
	reigns []reign
	faults []history.FaultEvent
}

func (s sample) world() *world {
	w := &world{}
	at := func(share float64) time.Duration { return time.Duration(share * float64(s.length)) }
	w.fault("f1", "kill", "leader", "n1", []int{1}, at(.14), at(.22))
	w.fault("f2", "partition", "isolate leader", "isolate n3", []int{3}, at(.34), at(.50))
	w.fault("f3", "pause", "random", "n5", []int{5}, at(.46), at(.53))
	w.fault("f4", "kill", "minority", "n2, n4", []int{2, 4}, at(.62), at(.70))
	w.skip("f5", "pause", "n4", 4, at(.66))
	w.fault("f6", "partition", "halves", "n1 n2 | n3 n4 n5", []int{1, 2, 3, 4, 5}, at(.80), at(.90))
	w.reigns = []reign{
		{1, 1, at(.002), at(.14)}, {3, 3, at(.16), at(.36)}, {2, 5, at(.375), at(.62)}, {5, 7, at(.645), at(.95)},
		{5, 8, at(.95), at(1.2)},
	}
	if s.violated {
		w.reigns[1].to = at(.50) // the deposed leader does not notice, because its clocks are slow
		w.fault("f7", "clock", "rate 0.2 leader", "rate 0.2 n3", []int{3}, at(.33), at(.52))
	}
	return w
}

func (w *world) fault(id, kind, detail, played string, nodes []int, from, to time.Duration) {
	var targets, evidence []string
	for _, n := range nodes {
		targets = append(targets, fmt.Sprintf("n%d", n))
		evidence = append(evidence, fmt.Sprintf("n%d: process 41%02d is in state Z", n, n))
	}
	w.faults = append(w.faults,
		history.FaultEvent{ID: id, Kind: kind, Detail: detail, Played: played, Targets: targets,
			Step:   history.FaultApply,
			Status: history.FaultInstalled, Planned: from.Truncate(time.Second),
			Begin: from - 40*time.Millisecond, End: from,
			Evidence: evidence},
		history.FaultEvent{ID: id, Kind: kind, Detail: detail, Played: played, Targets: targets,
			Step:   history.FaultRevert,
			Status: history.FaultReverted, Planned: to.Truncate(time.Second), Begin: to, End: to + 90*time.Millisecond,
			Evidence: []string{"answers again"}})
}

func (w *world) skip(id, kind, detail string, node int, at time.Duration) {
	w.faults = append(w.faults, history.FaultEvent{ID: id, Kind: kind, Detail: detail, Played: detail,
		Targets: []string{fmt.Sprintf("n%d", node)}, Step: history.FaultApply, Status: history.FaultSkipped,
		Begin: at, End: at,
		Evidence: []string{detail + ": f4 has killed it"}})
}

func (w *world) hit(node int, kind string, at time.Duration) bool {
	name := fmt.Sprintf("n%d", node)
	return slices.ContainsFunc(history.Windows(w.faults), func(f history.FaultWindow) bool {
		return f.Kind == kind && f.From <= at && at < f.To && slices.Contains(f.Targets, name)
	})
}

// leader is the latest node to be elected; zero while there is none that is well.
func (w *world) leader(at time.Duration) int {
	for _, r := range slices.Backward(w.reigns) {
		if r.from <= at && at < r.to {
			return r.node
		}
	}
	return 0
}

// step is something that a worker does at an instant.
type step struct {
	at     time.Duration
	worker int
	finish *history.Event // complete this operation rather than invoke one
	answer workloads.Answer
}

type agenda []step

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at < a[j].at }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(step)) }
func (a *agenda) Pop() any          { s := (*a)[len(*a)-1]; *a = (*a)[:len(*a)-1]; return s }

// make writes the run and returns its directory.
func (s sample) make(tb testing.TB, root string) results.Run {
	tb.Helper()
	check := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	run, err := results.Create(root, "register-seed42", sampleStart)
	check(err)
	w := s.world()
	s.history(tb, run, w)
	faults, err := history.CreateFaults(run.Faults())
	check(err)
	slices.SortStableFunc(w.faults, func(a, b history.FaultEvent) int { return cmp.Compare(a.End, b.End) })
	for _, f := range w.faults {
		check(faults.Append(f))
	}
	check(faults.Close())
	s.nodes(tb, run, w)
	s.clocks(tb, run)
	m := s.manifest()
	check(run.SaveManifest(m))
	for file, text := range map[string]string{results.HarnessLogFile: "…", results.SchedulePlannedFile: "…",
		results.SchedulePlayedFile: "…"} {
		check(os.WriteFile(run.Path(file), []byte(text), 0o644))
	}
	s.judge(tb, run, m)
	return run
}

// history plays the workload against a register that is atomic, except for the stale reads of a violated run.
func (s sample) history(tb testing.TB, run results.Run, w *world) {
	tb.Helper()
	var now time.Duration
	out, err := history.Create(run.History(), history.WriterOptions{Now: func() time.Duration { return now }})
	if err != nil {
		tb.Fatal(err)
	}
	workload, err := workloads.Lookup("register")
	if err != nil {
		tb.Fatal(err)
	}
	gen, err := workload.New(workloads.Options{Seed: 42, Workers: s.workers, Nodes: sampleNodes})
	if err != nil {
		tb.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(42, 1))
	c := &cluster{w: w, rng: rng, state: make(map[string][]int64), stale: make(map[string][]int64)}
	process := make([]int, s.workers)
	var todo agenda
	for i := range s.workers {
		process[i] = i
		heap.Push(&todo, step{at: time.Duration(rng.Int64N(int64(s.think))), worker: i})
	}
	fresh := s.workers
	for todo.Len() > 0 {
		next := heap.Pop(&todo).(step)
		now = next.at
		node := next.worker%sampleNodes + 1
		switch {
		case next.finish != nil:
			a := next.answer
			if _, err := out.Complete(*next.finish, a.Type, a.Result, a.Reason, a.By); err != nil {
				tb.Fatal(err)
			}
			gen.Observe(next.worker, next.finish.Op, a)
			if a.Type == history.Unknown {
				process[next.worker] = fresh
				fresh++
			}
			heap.Push(&todo, step{at: now + time.Duration(rng.ExpFloat64()*float64(s.think)), worker: next.worker})
		case now < s.length:
			inv, err := out.Invoke(process[next.worker], fmt.Sprintf("n%d", node), history.PhaseMain,
				gen.Next(next.worker))
			if err != nil {
				tb.Fatal(err)
			}
			took, answer := c.do(now, node, inv.Op)
			heap.Push(&todo, step{at: now + took, worker: next.worker, finish: &inv, answer: answer})
		}
	}
	now = max(now, s.length) + s.length/20
	for _, key := range gen.Keys() {
		for node := 1; node <= sampleNodes; node++ {
			inv, err := out.Invoke(fresh+node, fmt.Sprintf("n%d", node), history.PhaseFinal,
				history.Op{Func: history.Read, Key: key})
			now += 300 * time.Microsecond
			if err == nil {
				_, err = out.Complete(inv, history.OK, history.Result{Values: c.state[key]}, "", history.Witness{})
			}
			if err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := out.Close(); err != nil {
		tb.Fatal(err)
	}
}

// cluster answers operations. They take effect when they are asked for, which is as good an instant as any.
type cluster struct {
	w            *world
	rng          *rand.Rand
	state, stale map[string][]int64
	cut          bool
}

func (c *cluster) do(now time.Duration, node int, op history.Op) (time.Duration, workloads.Answer) {
	ms := func(mean float64) time.Duration {
		return time.Duration((.3 + c.rng.ExpFloat64()) * mean * float64(time.Millisecond))
	}
	leader := c.w.leader(now)
	reigns := slices.ContainsFunc(c.w.reigns,
		func(r reign) bool { return r.node == node && r.from <= now && now < r.to })
	isolated := node == 3 && c.w.hit(3, "partition", now) && !c.w.hit(1, "partition", now)
	if isolated && !c.cut { // what the deposed leader will go on to serve
		c.cut = true
		for k, v := range c.state {
			c.stale[k] = v
		}
	}
	switch {
	case c.w.hit(node, "kill", now):
		return ms(.4), workloads.Answer{Type: history.Fail, Reason: "connection refused"}
	case isolated && reigns && leader != node && op.Func == history.Read:
		return ms(1), workloads.Answer{Type: history.OK, Result: history.Result{Values: c.stale[op.Key]}}
	case isolated || leader == 0 || c.w.hit(node, "pause", now):
		if c.rng.IntN(3) == 0 && op.Func != history.Read {
			return 500 * time.Millisecond, workloads.Answer{Type: history.Unknown, Reason: "no answer within 500ms"}
		}
		return ms(60), workloads.Answer{Type: history.Fail, Reason: "no leader"}
	}
	mean := 2.2
	if node != leader {
		mean = 4.1
	}
	return ms(mean), workloads.Answer{Type: history.OK, Result: c.apply(op),
		By: history.Witness{Leader: fmt.Sprintf("n%d", leader)}}
}

func (c *cluster) apply(op history.Op) history.Result {
	state := c.state[op.Key]
	switch op.Func {
	case history.Read:
		return history.Result{Values: state}
	case history.CAS:
		if op.Expect == nil && len(state) > 0 || op.Expect != nil && !slices.Equal(state, []int64{*op.Expect}) {
			return history.Result{Values: state}
		}
		c.state[op.Key] = []int64{op.Value}
		return history.Result{Matched: true}
	}
	c.state[op.Key] = []int64{op.Value}
	return history.Result{}
}

// nodes writes what nodes leave behind.
func (s sample) nodes(tb testing.TB, run results.Run, w *world) {
	tb.Helper()
	for n := 1; n <= sampleNodes; n++ {
		dir := run.NodeDir(fmt.Sprintf("n%d", n))
		if err := os.MkdirAll(filepath.Join(dir, "wal"), 0o755); err != nil {
			tb.Fatal(err)
		}
		type line struct {
			at   time.Duration
			text string
		}
		var lines []line
		boot := 1
		put := func(at time.Duration, kind string, format string, args ...any) {
			mono, wall := s.clock(n, at)
			lines = append(lines, line{at, fmt.Sprintf(`{"mono_ns":%d,"wall_ns":%d,"boot":%d,"node":"n%d","kind":"%s"%s}`,
				mono-sampleBoot, wall, boot, n, kind, fmt.Sprintf(format, args...))})
		}
		put(-time.Second, "recovered", "")
		for slot := range 40 {
			at := time.Duration(slot+1) * s.length / 40
			if c := "," + fmt.Sprintf(`"slot":%d,"ids":["7:%d"]`, slot+1, slot+1); !w.hit(n, "kill", at) {
				put(at, "applied", "%s", c)
			} else {
				put(at-1, "applied", "%s", c)
			}
		}
		for _, r := range w.reigns {
			if r.node == n {
				put(r.from, "elected", `,"ballot":"%d.n%d"`, r.ballot, n)
				put(r.to, "deposed", `,"ballot":"%d.n%d","reason":"promised a higher ballot"`, r.ballot, n)
			}
		}
		s.leases(w, n, put)
		slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
		text := ""
		for _, l := range lines {
			text += l.text + "\n"
		}
		for file, content := range map[string]string{results.ObservationsFile: text, "node.log": "…",
			"wal/000001.wal": "…"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// sampleBoot is what the hosts' monotonic clocks say when the nodes start.
const sampleBoot = int64(5e9)

// clock is what the clocks of a node say. Those of n3 are slow while f7 is in effect.
func (s sample) clock(node int, at time.Duration) (mono, wall int64) {
	from, to := s.length*33/100, s.length*52/100
	if s.violated && node == 3 && at > from {
		at -= (min(at, to) - from) * 4 / 5
	}
	return sampleBoot + int64(10*time.Second+at), sampleStart.Add(at).UnixNano() + int64(node)*30_000
}

// leases writes who held a lease and who honoured it: a second, three times in each. The isolated leader renews it
// until it is cut off.
func (s sample) leases(w *world, node int, put func(time.Duration, string, string, ...any)) {
	const term, renew = time.Second, 300 * time.Millisecond
	for _, r := range w.reigns {
		kind := "lease-held"
		for at := r.from; at < r.to; at += renew {
			mono, _ := s.clock(node, at)
			args := []any{r.ballot, r.node, mono - sampleBoot + int64(term)}
			cut := r.node == 3 && at > s.length*34/100
			switch {
			case cut || at > s.length || w.hit(node, "kill", at):
			case node == r.node:
				put(at, kind, `,"ballot":"%d.n%d","lease":"rate","until_ns":%d`, args...)
				kind = "lease-renewed"
			default:
				put(at, "lease-granted", `,"ballot":"%d.n%d","lease":"rate","until_ns":%d`, args...)
			}
		}
	}
}

// clocks measures the clocks of all nodes, over a network that takes its time now and then.
func (s sample) clocks(tb testing.TB, run results.Run) {
	tb.Helper()
	out, err := history.CreateClocks(run.Clocks())
	if err != nil {
		tb.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(42, 2))
	way := func() time.Duration { return time.Duration(50e3 + rng.ExpFloat64()*1e5) }
	for n := 1; n <= sampleNodes && err == nil; n++ {
		l := history.ClockLine{Node: fmt.Sprintf("n%d", n), Event: history.ClockOpened, Detail: "elenchus-clock probe"}
		for at := time.Duration(0); at < s.length && err == nil; at += 100 * time.Millisecond {
			err = out.Append(l)
			read := at + way()
			l = history.ClockLine{Node: l.Node, Sent: at, Received: read + way()}
			l.Mono, l.Wall = s.clock(n, read)
		}
	}
	if err = errors.Join(err, out.Close()); err != nil {
		tb.Fatal(err)
	}
}

func (s sample) manifest() *results.Manifest {
	m := &results.Manifest{
		Tool: results.ThisTool(),
		Argv: []string{"elenchus", "run", "--workload", "register", "--nemesis", "kill,pause,partition", "--seed",
			"42"},
		Repeat: "elenchus run --workload register --nemesis kill,pause,partition --time-limit 60s --seed 42",
		Seed:   42, Lab: "local", Started: sampleStart,
		Node: results.NodeBinary{Version: "(devel)",
			SHA256: "9f2c1e7a51b0c4d3e8f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c"},
		Config: results.Config{
			System: "paxos", Protocol: "multipaxos", Workload: "register", Reads: "lease",
			Funcs: []history.Func{history.Read, history.Write, history.CAS}, Nemesis: []string{"kill", "pause",
				"partition"},
			Rate: 1000, Concurrency: s.workers, TimeLimit: s.length, OpTimeout: 500 * time.Millisecond,
			UniqueValues: true, Observations: true, SharedClock: true, Options: map[string]string{"lease": "1s",
				"renew": "300ms"},
		},
		Recovery: results.Recovery{Attempted: true, HealedAt: s.length, Deadline: time.Minute, Recovered: true,
			Took: 1230 * time.Millisecond},
	}
	for n := 1; n <= sampleNodes; n++ {
		name := fmt.Sprintf("n%d", n)
		m.Hosts = append(m.Hosts, results.Host{Name: name, Address: fmt.Sprintf("10.99.0.%d", 10+n),
			Kernel: "Linux 6.12", Arch: "amd64"})
	}
	for i, state := range []results.State{results.StateCreated, results.StateRunning, results.StateHealed,
		results.StateCollected} {
		at := []time.Duration{-4 * time.Second, 0, s.length + s.length/100, s.length + s.length/10}[i]
		if err := m.Enter(state, at); err != nil {
			panic(err)
		}
	}
	return m
}

// judge has the real checkers judge the run and writes verdict, pictures and report.
func (s sample) judge(tb testing.TB, run results.Run, m *results.Manifest) {
	tb.Helper()
	log, err := history.ReadFile(run.History())
	if err != nil {
		tb.Fatal(err)
	}
	faults, err := history.ReadFaults(run.Faults())
	if err != nil {
		tb.Fatal(err)
	}
	in := checker.Input{
		Run: run.Name(), History: log, Faults: faults,
		Facts: checker.Facts{
			Funcs: m.Config.Funcs, WantedKinds: m.Config.Nemesis, TimeLimit: m.Config.TimeLimit, UniqueValues: true,
			Observations: true, Collected: true,
			Recovery: checker.Recovery{Attempted: true, Recovered: true, Took: m.Recovery.Took,
				Deadline: m.Recovery.Deadline},
		},
	}
	for _, h := range m.Hosts {
		obs, err := history.ReadObservations(run.Observations(h.Name))
		in.Facts.Nodes = append(in.Facts.Nodes, h.Name)
		in.Nodes = append(in.Nodes, checker.NodeObservations{Node: h.Name, Log: obs, Err: err})
	}
	in.Linearizability = checker.Linearize(context.Background(), workloads.Model(), history.Operations(log.Events),
		history.Windows(faults.Events), checker.Budget{})
	if err := os.Mkdir(run.Path("linearizability"), 0o755); err != nil {
		tb.Fatal(err)
	}
	for _, k := range in.Linearizability.Keys {
		if len(k.Picture) > 0 {
			err = errors.Join(err, results.WriteFile(run.Path(verdict.PictureFile(k.Key)), k.Picture))
		}
	}
	err = errors.Join(err, run.SaveVerdict(checker.Check(context.Background(), in)),
		m.Enter(results.StateChecked, m.Config.TimeLimit*2), run.SaveManifest(m))
	if err == nil {
		err = report.Write(run.Dir, nil)
	}
	if err != nil {
		tb.Fatal(err)
	}
}
