package envelope

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"elenchus/checker"
	"elenchus/results"
	"elenchus/results/envelope"
	"elenchus/results/history"
	"elenchus/results/verdict"
	"elenchus/workloads"
)

const checkWorker = "check-worker"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == checkWorker {
		if err := checker.WorkerMain(os.Stdin, os.Stdout, workloads.Model()); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const percent = envelope.Unit / 100

func plan() envelope.Plan {
	return envelope.Plan{Mode: envelope.Rate, Term: time.Second, Probes: 2,
		Bounds: []int64{0, 20 * percent}, Drifts: []int64{0, 20 * percent, 70 * percent}}
}

// world is a backend with a clock of its own in which an attack is a scripted sequence of operations.
type world struct {
	lanes int
	// does determines the cluster's behaviour: whether it answers stale, and why the attack fails, if so.
	does func(a Attack) (stale bool, void string)
	stop func(n int) // called with the number of attacks so far

	mu      sync.Mutex
	now     time.Duration
	attacks []Attack
	running map[int]int64 // bound by lane
	most    int           // subjects at once
	begun   int
	ended   int
}

func (w *world) How() string { return "imagination" }
func (w *world) Lanes() int  { return w.lanes }

func (w *world) Now() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now += time.Millisecond
	return w.now
}

func (w *world) Start(_ context.Context, lane int, bound int64) (Subject, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, busy := w.running[lane]; busy {
		return nil, errors.New("the lane has a subject already")
	}
	if w.running == nil {
		w.running = map[int]int64{}
	}
	w.running[lane] = bound
	w.begun++
	w.most = max(w.most, len(w.running))
	return &imagined{w, lane}, nil
}

type imagined struct {
	world *world
	lane  int
}

func (s *imagined) Stop(context.Context) error {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	delete(s.world.running, s.lane)
	s.world.ended++
	return nil
}

// says is a client that always gives the same answer.
type says workloads.Answer

func (s says) Do(context.Context, uint64, history.Op) workloads.Answer { return workloads.Answer(s) }
func (says) Close() error                                              { return nil }

func (s *imagined) Attack(ctx context.Context, a Attack, r *Record) (envelope.Probe, error) {
	w := s.world
	w.mu.Lock()
	w.attacks = append(w.attacks, a)
	n := len(w.attacks)
	w.mu.Unlock()
	if w.stop != nil {
		w.stop(n)
	}
	stale, void := w.does(a)
	p := a.probe(w.Now())
	p.Leader, p.Self, p.Void = "n1", "n1", void
	leader, other := r.Process("n1"), r.Process("n2")
	do := func(p *Process, f history.Func, by string, value int64) error {
		op := history.Op{Func: f, Key: a.Key}
		answer := says{Type: history.OK, By: history.Witness{Leader: by}}
		if f == history.Read {
			answer.Result.Values = []int64{value}
		} else {
			op.Value = value
		}
		_, err := p.Do(ctx, answer, op)
		return err
	}
	last := int64(2)
	if stale {
		last = 1
	}
	err := do(leader, history.Write, "n1", 1)
	p.Moved, p.Cut, p.Alone = w.Now(), w.Now(), w.Now()
	err = errors.Join(err, do(leader, history.Read, "n1", 1), do(other, history.Write, "n2", 2),
		do(leader, history.Read, map[bool]string{true: "n1", false: "n2"}[stale], last))
	p.Healed = w.Now()
	return p, err
}

// byTheBook violates leases exactly where the arithmetic allows it.
func byTheBook(a Attack) (bool, string) { return a.Drift > a.Bound, "" }

// sweepIn carries out a sweep in a world, as the command does, and returns its directory.
func sweepIn(ctx context.Context, t *testing.T, w *world) (results.Run, error) {
	t.Helper()
	dir, err := results.Create(t.TempDir(), "envelope-rate-seed1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m := &results.Manifest{Kind: results.KindEnvelope, Lab: "sim", Config: results.Config{Reads: "lease"}}
	err = Run(ctx, dir, plan(), 1, w, Tell{})
	m.Interrupted = ctx.Err() != nil
	if err != nil && !m.Interrupted {
		m.HarnessErrors = []string{err.Error()}
	}
	var evidenceErr error
	m.Files, evidenceErr = dir.Evidence(nil)
	if err := errors.Join(evidenceErr, m.Enter(results.StateCollected, w.Now()), dir.SaveManifest(m)); err != nil {
		t.Fatal(err)
	}
	return dir, err
}

func check(t *testing.T, dir results.Run) (verdict.Verdict, envelope.Sweep) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	v, s, err := Check(context.Background(), dir, CheckOptions{Worker: []string{self, checkWorker}})
	if err != nil {
		t.Fatal(err)
	}
	return v, s
}

func TestASweepProbesEveryCell(t *testing.T) {
	w := &world{lanes: 2, does: byTheBook}
	dir, err := sweepIn(context.Background(), t, w)
	if err != nil {
		t.Fatal(err)
	}
	if w.begun != 2 || w.ended != 2 || w.most > 2 {
		t.Errorf("%d clusters begun, %d ended, %d at once", w.begun, w.ended, w.most)
	}
	v, s := check(t, dir)
	if v.Word() != "VALID" || !s.Agreement.Agree || s.Agreement.Probes != 12 || s.How != "imagination" {
		t.Errorf("%s: %+v", v.Word(), s.Agreement)
	}
	for _, c := range s.Cells {
		if broke := c.Stale == 2; c.Probes() != 2 || broke == c.Inside {
			t.Errorf("%+v", c)
		}
	}
	if v.Safety.Status != verdict.Valid || len(v.Safety.Findings) > 0 ||
		!strings.HasPrefix(v.Safety.Checks[0].Detail, "6 keys, 24 operations, longest key 4") {
		t.Errorf("safety is about more than what is inside: %+v", v.Safety)
	}
	// Repeat it from the files alone.
	before, err := os.ReadFile(dir.Path(envelope.File))
	if err != nil {
		t.Fatal(err)
	}
	again, _ := check(t, dir)
	after, err := os.ReadFile(dir.Path(envelope.File))
	if err != nil || string(before) != string(after) || again.Word() != v.Word() {
		t.Errorf("another check says %s: %v", again.Word(), err)
	}
	for _, name := range []string{envelope.PictureFile, envelope.SummaryFile, results.VerdictFile} {
		if _, err := os.Stat(dir.Path(name)); err != nil {
			t.Error(err)
		}
	}
}

// Attacks of a cell come in rounds, and a seed determines their order.
func TestTheOrderComesFromTheSeed(t *testing.T) {
	order := func() (out []int64) {
		w := &world{lanes: 1, does: byTheBook}
		if _, err := sweepIn(context.Background(), t, w); err != nil {
			t.Fatal(err)
		}
		for i, a := range w.attacks {
			out = append(out, a.Drift)
			if round := out[i/3*3:]; slices.Index(round, a.Drift) != len(round)-1 {
				t.Errorf("a cell is attacked twice in a round: %v", out)
			}
		}
		return out
	}
	if a, b := order(), order(); !slices.Equal(a, b) {
		t.Errorf("%v and then %v", a, b)
	}
}

func TestAttacksThatDoNotComeOffAreMadeAgain(t *testing.T) {
	w := &world{lanes: 1}
	w.does = func(a Attack) (bool, string) {
		if a.Drift == 0 && a.Number%2 == 1 {
			return false, "the moon was full"
		}
		return byTheBook(a)
	}
	dir, err := sweepIn(context.Background(), t, w)
	if err != nil {
		t.Fatal(err)
	}
	v, s := check(t, dir)
	if v.Word() != "VALID" || s.Agreement.Probes != 12 || s.Agreement.Void == 0 {
		t.Errorf("%s: %+v", v.Word(), s.Agreement)
	}
	// A cell whose attacks never succeed is given up, and reported as a hole.
	w = &world{lanes: 1, does: func(a Attack) (bool, string) {
		if a.Drift == 0 {
			return false, "never"
		}
		return byTheBook(a)
	}}
	dir, err = sweepIn(context.Background(), t, w)
	if err != nil {
		t.Fatal(err)
	}
	v, s = check(t, dir)
	if v.Word() != "VACUOUS" || s.At(0, 0).Void != voidMax*2+1 || !strings.Contains(strings.Join(v.Coverage.Reasons, " "),
		"2 of 6 cells not probed") {
		t.Errorf("%s: %+v %q", v.Word(), s.At(0, 0), v.Coverage.Reasons)
	}
}

func TestABrokenLeaseInsideIsABug(t *testing.T) {
	w := &world{lanes: 2, does: func(a Attack) (bool, string) {
		stale, void := byTheBook(a)
		return stale || a.Bound == 20*percent && a.Drift == 20*percent, void
	}}
	dir, err := sweepIn(context.Background(), t, w)
	if err != nil {
		t.Fatal(err)
	}
	v, s := check(t, dir)
	if v.ExitCode() != verdict.ExitViolated || len(v.Safety.Findings) != 2 || s.Agreement.Agree {
		t.Errorf("%s: %+v", v.Word(), v.Safety.Findings)
	}
}

// Probes that never observe a violation prove nothing.
func TestProbesThatNeverSeeAnythingAreVacuous(t *testing.T) {
	w := &world{lanes: 1, does: func(Attack) (bool, string) { return false, "" }}
	dir, err := sweepIn(context.Background(), t, w)
	if err != nil {
		t.Fatal(err)
	}
	v, s := check(t, dir)
	if v.Word() != "VACUOUS" || s.Agreement.Missed != 2 || s.Agreement.Agree {
		t.Errorf("%s: %+v", v.Word(), s.Agreement)
	}
}

func TestAnInterruptedSweepKeepsWhatItHas(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := &world{lanes: 1, does: byTheBook, stop: func(n int) {
		if n == 4 {
			cancel()
		}
	}}
	dir, err := sweepIn(ctx, t, w)
	if !errors.Is(err, context.Canceled) || w.begun != w.ended || len(w.attacks) != 4 {
		t.Errorf("%v; %d begun, %d ended, %d attacks", err, w.begun, w.ended, len(w.attacks))
	}
	v, s := check(t, dir)
	if v.Word() != "INTERRUPTED" || s.Agreement.Probes+s.Agreement.Void != 4 || s.Agreement.Cells[envelope.NotProbed] != 3 {
		t.Errorf("%s: %+v", v.Word(), s.Agreement)
	}
}

func TestChangedEvidenceIsNoticed(t *testing.T) {
	dir, err := sweepIn(context.Background(), t, &world{lanes: 1, does: byTheBook})
	if err != nil {
		t.Fatal(err)
	}
	path := dir.Path(envelope.ProbesFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(data), `"drift":700000000`, `"drift":0`, 1)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, _ := check(t, dir); v.Harness.Status != verdict.Failed {
		t.Errorf("%s: %+v", v.Word(), v.Harness)
	}
}

func TestClocksAreMadeAsSlowAsIsSaid(t *testing.T) {
	for drift, want := range map[int64]int64{20 * percent: 833_333_334, 100 * percent: 500_000_000, 1: 1_000_000_000} {
		got := int64(Move(envelope.Rate, drift).Rate)
		// Never slower than specified: rate·(1+drift) is at least 1.
		if got != want || float64(got)*(1+float64(drift)/envelope.Unit) < envelope.Unit*(1-1e-12) {
			t.Errorf("slower by %d: rate %d, want %d", drift, got, want)
		}
	}
	if m := Move(envelope.Wall, int64(time.Second)); m.Step != -time.Second || m.Rate != 0 {
		t.Errorf("%+v", m)
	}
	for ppb, want := range map[int64]string{0: "0.000000000", 1: "0.000000001", 15 * percent: "0.150000000",
		envelope.Unit: "1.000000000"} {
		if got := driftText(ppb); got != want {
			t.Errorf("%d: %s, want %s", ppb, got, want)
		}
	}
}
