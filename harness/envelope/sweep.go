package envelope

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"elenchus/results"
	"elenchus/results/envelope"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Tell reports the progress of a sweep. Each of its functions may be nil.
type Tell struct {
	Status func(format string, args ...any) // transient
	Step   func(format string, args ...any) // permanent
}

func (t Tell) withDefaults() Tell {
	nobody := func(string, ...any) {}
	if t.Status == nil {
		t.Status = nobody
	}
	if t.Step == nil {
		t.Step = nobody
	}
	return t
}

// voidMax limits the extra attacks on a cell to make up for void ones, in multiples of the planned number.
const voidMax = 2

// sweep is a sweep in progress.
type sweep struct {
	plan    envelope.Plan
	backend Backend
	record  *Record
	seed    uint64
	tell    Tell
	probes  *probeWriter

	mu     sync.Mutex
	bounds []int64 // that no lane has taken yet
	number int     // of attacks begun
	done   int     // attacks that succeeded
	void   int
	began  time.Time
}

// Run attacks every cell of the plan, and records in dir what happens. When ctx ends, attacks in progress are ended
// in an orderly way, and the error is the context's. The seed determines everything that the plan does not.
func Run(ctx context.Context, dir results.Run, p envelope.Plan, seed uint64, b Backend, tell Tell) (err error) {
	if err := p.Validate(); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	s := &sweep{plan: p, backend: b, seed: seed, tell: tell.withDefaults(), bounds: slices.Clone(p.Bounds)}
	closeRecords, err := s.open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeRecords()) }()
	s.began = time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for lane := range min(b.Lanes(), len(p.Bounds)) {
		group.Go(func() error { return s.lane(ctx, lane) })
	}
	return group.Wait()
}

// open creates the files that a sweep writes as it goes.
func (s *sweep) open(dir results.Run) (closeAll func() error, err error) {
	var closers []func() error
	closeAll = func() error {
		var errs []error
		for _, c := range slices.Backward(closers) {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll())
		}
	}()
	if err = savePlan(dir, s.plan, s.backend.How()); err != nil {
		return nil, err
	}
	s.record = new(Record)
	if s.record.faults, err = history.CreateFaults(dir.Faults()); err != nil {
		return nil, err
	}
	closers = append(closers, s.record.faults.Close)
	if s.probes, err = createProbes(dir); err != nil {
		return nil, err
	}
	closers = append(closers, s.probes.file.Close)
	s.record.history, err = history.Create(dir.History(), history.WriterOptions{Now: s.backend.Now})
	if err != nil {
		return nil, err
	}
	closers = append(closers, s.record.history.Close)
	return closeAll, nil
}

// lane probes one bound after another until none is left.
func (s *sweep) lane(ctx context.Context, lane int) error {
	for {
		bound, ok := s.take()
		if !ok || ctx.Err() != nil {
			return ctx.Err()
		}
		if err := s.column(ctx, lane, bound); err != nil {
			return err
		}
	}
}

func (s *sweep) take() (bound int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bounds) == 0 {
		return 0, false
	}
	bound, s.bounds = s.bounds[0], s.bounds[1:]
	return bound, true
}

// column probes all cells of a bound in rounds, each in random order, so that changes over time affect all cells.
func (s *sweep) column(ctx context.Context, lane int, bound int64) (err error) {
	s.status("starting a cluster with a bound of %s …", s.plan.BoundLabel(bound))
	subject, err := s.backend.Start(ctx, lane, bound)
	if err != nil {
		return fmt.Errorf("start a cluster with a bound of %s: %w", s.plan.BoundLabel(bound), err)
	}
	defer func() { err = errors.Join(err, subject.Stop(context.WithoutCancel(ctx))) }()
	rng := rand.New(rand.NewPCG(s.seed, uint64(bound)))
	void := make(map[int64]int)
	for range s.plan.Probes {
		drifts := slices.Clone(s.plan.Drifts)
		rng.Shuffle(len(drifts), func(i, j int) { drifts[i], drifts[j] = drifts[j], drifts[i] })
		for _, drift := range drifts {
			if err := s.attack(ctx, subject, bound, drift, void); err != nil {
				return err
			}
		}
	}
	s.tell.Step("probed a bound of %s", s.plan.BoundLabel(bound))
	return nil
}

// attack attacks a cell until an attack has succeeded, or too many have not.
func (s *sweep) attack(ctx context.Context, subject Subject, bound, drift int64, void map[int64]int) error {
	for void[drift] <= voidMax*s.plan.Probes {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.mu.Lock()
		s.number++
		number := s.number
		s.mu.Unlock()
		a := Attack{Number: number, Key: fmt.Sprintf("p%d", number), Plan: s.plan, Bound: bound, Drift: drift}
		p, err := subject.Attack(ctx, a, s.record)
		if ctx.Err() != nil && p.Void == "" {
			p.Void = "the sweep was interrupted"
		}
		if err := errors.Join(err, s.probes.write(p)); err != nil {
			return fmt.Errorf("attack %d: %w", number, err)
		}
		s.count(p)
		if p.Void == "" {
			return nil
		}
		void[drift]++
	}
	return nil
}

// count records that an attack is over.
func (s *sweep) count(p envelope.Probe) {
	s.mu.Lock()
	if p.Void == "" {
		s.done++
	} else {
		s.void++
	}
	s.mu.Unlock()
	if p.Void != "" {
		s.tell.Step("attack %d, bound %s, clock off by %s, did not come off: %s", p.Number, s.plan.BoundLabel(p.Bound),
			s.plan.DriftLabel(p.Drift), p.Void)
	}
	s.status("bound %s, clock off by %s", s.plan.BoundLabel(p.Bound), s.plan.DriftLabel(p.Drift))
}

// status shows the progress of the sweep, and its estimated end.
func (s *sweep) status(format string, args ...any) {
	s.mu.Lock()
	done, void := s.done, s.void
	s.mu.Unlock()
	all := s.plan.Probes * len(s.plan.Bounds) * len(s.plan.Drifts)
	text := fmt.Sprintf("%d of %s", done, verdict.Count(all, "attack"))
	if void > 0 {
		text += fmt.Sprintf(", %d more did not come off", void)
	}
	if done > 0 {
		left := time.Since(s.began) * time.Duration(all-done) / time.Duration(done)
		text += fmt.Sprintf(", about %v left", left.Round(time.Second))
	}
	s.tell.Status("%s: %s", text, fmt.Sprintf(format, args...))
}

// probeWriter appends probes to their file.
type probeWriter struct {
	mu   sync.Mutex
	file *os.File
}

func createProbes(dir results.Run) (*probeWriter, error) {
	f, err := os.OpenFile(dir.Path(envelope.ProbesFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create probes: %w", err)
	}
	return &probeWriter{file: f}, nil
}

func (w *probeWriter) write(p envelope.Probe) error {
	line, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write probe: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write probe: %w", err)
	}
	return nil
}
