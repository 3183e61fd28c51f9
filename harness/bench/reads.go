package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"elenchus/harness/fleet"
	"elenchus/harness/system"
	"elenchus/results/history"
	"elenchus/workloads"
	"elenchus/workloads/paxosclient"
)

// Ways lists the kinds of read that are compared. Unchecked reads of a replica's own state do not qualify.
var Ways = []string{"lease", "quorum", "log"}

// Options configures a benchmark. Validate replaces zeros by defaults.
type Options struct {
	Time    time.Duration // measured per kind of read, all rounds together (default 10 s)
	Rounds  int           // default 10
	Clients int           // closed loops at the leader (default 16)
	Keys    int           // number of registers read, with one value each (default 16)
	Seed    uint64        // of the order in each round, and of the keys read

	Lease           system.Lease // of all clusters, so that they differ only in how they read
	ElectionTimeout time.Duration
	PromiseGrace    time.Duration
	Window          int
	NodeBinary      string
}

// Limits of the options.
const (
	roundMin   = 50 * time.Millisecond // shorter rounds measure their beginning and end
	timeMax    = time.Hour
	roundsMax  = 1000
	clientsMax = 1000
	keysMax    = 10_000
)

// Validate fills in defaults and lists everything that is wrong.
func (o *Options) Validate() error {
	if o.Time == 0 {
		o.Time = 10 * time.Second
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&o.Rounds, 10}, {&o.Clients, 16}, {&o.Keys, 16}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	o.Lease = o.Lease.WithDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Rounds >= 1 && o.Rounds <= roundsMax, "there must be 1 to %d rounds, not %d", roundsMax, o.Rounds)
	check(o.Time > 0 && o.Time <= timeMax, "the time must be more than 0, up to %v, not %v", timeMax, o.Time)
	if o.Rounds >= 1 && o.Time > 0 {
		check(o.round() >= roundMin, "%d rounds in %v are %v each: a round must last %v", o.Rounds, o.Time, o.round(),
			roundMin)
	}
	check(o.Clients >= 1 && o.Clients <= clientsMax, "there must be 1 to %d clients, not %d", clientsMax, o.Clients)
	check(o.Keys >= 1 && o.Keys <= keysMax, "there must be 1 to %d keys, not %d", keysMax, o.Keys)
	return errors.Join(append(errs, o.Lease.Problems("lease", o.ElectionTimeout)...)...)
}

func (o *Options) round() time.Duration { return o.Time / time.Duration(o.Rounds) }

// way is one cluster with its kind of read.
type way struct {
	name    string
	cluster *fleet.Cluster
	leader  string // host
	clients []workloads.Client
}

// bench is a benchmark in progress.
type bench struct {
	opts Options
	rng  *rand.Rand
	keys []string
	ways []*way
	show func(format string, args ...any) // shows progress
}

// opTimeout is a client's timeout. Without faults it should never expire.
const opTimeout = 5 * time.Second

// redoMax limits how many rounds of a cluster may be repeated because its leader changed meanwhile.
const redoMax = 5

// Reads compares the kinds of read on the hosts of a fleet. Options must be valid. When ctx ends, the report covers
// the rounds completed by then, and the error is returned as well. show displays progress.
func Reads(ctx context.Context, f *fleet.Fleet, run string, o Options, show func(string, ...any)) (Report, error) {
	b := &bench{opts: o, rng: rand.New(rand.NewPCG(o.Seed, 0)), show: show}
	report := newReport(o)
	for i := range o.Keys {
		b.keys = append(b.keys, fmt.Sprintf("k%d", i))
	}
	defer b.close()
	for _, name := range Ways {
		show("starting the cluster that reads by %s …", name)
		c, err := f.Add(ctx, name, nil, system.Options{
			Binary: o.NodeBinary, Cluster: "elenchus-" + run, Reads: name, Lease: o.Lease, Seed: max(1, o.Seed),
			ElectionTimeout: o.ElectionTimeout, PromiseGrace: o.PromiseGrace, Window: o.Window,
		})
		if err != nil {
			return report, err
		}
		w := &way{name: name, cluster: c}
		b.ways = append(b.ways, w)
		if err := b.prepare(ctx, w); err != nil {
			return report, err
		}
	}
	b.show("warming up …")
	if _, err := b.runRound(ctx, 0); err != nil {
		return report, err
	}
	for n := 1; n <= o.Rounds; n++ {
		round, err := b.runRound(ctx, n)
		if err != nil {
			return report, err
		}
		report.add(round)
	}
	report.finish()
	return report, nil
}

// prepare writes every key, and connects to the leader.
func (b *bench) prepare(ctx context.Context, w *way) error {
	if err := b.connect(ctx, w); err != nil {
		return err
	}
	for i, key := range b.keys {
		op := history.Op{Func: history.Write, Key: key, Value: int64(i + 1)}
		if a := do(ctx, w.clients[0], uint64(i+1), op); a.Type != history.OK {
			return fmt.Errorf("write %s before reading by %s: %s: %s", key, w.name, a.Type, a.Reason)
		}
	}
	return nil
}

// connect makes the clients use the cluster's present leader, each over its own connection, established before the
// first measured read.
func (b *bench) connect(ctx context.Context, w *way) error {
	leader, err := w.cluster.Leader(ctx)
	if err != nil || leader == w.leader {
		return err
	}
	w.close()
	w.leader = leader
	for i := range b.opts.Clients {
		c := paxosclient.New(w.cluster.URL(leader), uint64(i)+1)
		w.clients = append(w.clients, c)
		if a := do(ctx, c, 1, history.Op{Func: history.Read, Key: b.keys[0]}); a.Type != history.OK {
			return fmt.Errorf("first read by %s: %s: %s", w.name, a.Type, a.Reason)
		}
	}
	return nil
}

func do(ctx context.Context, c workloads.Client, seq uint64, op history.Op) workloads.Answer {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return c.Do(ctx, seq, op)
}

// runRound loads every cluster once. Round 0 is the warm-up.
func (b *bench) runRound(ctx context.Context, n int) (map[string]Sample, error) {
	samples := make(map[string]Sample)
	order := slices.Clone(b.ways)
	b.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for place, w := range order {
		if n > 0 {
			left := time.Duration((b.opts.Rounds-n+1)*len(b.ways)-place) * b.opts.round()
			b.show("round %d of %d: reads by %s, %.0f s left", n, b.opts.Rounds, w.name, left.Seconds())
		}
		s, err := b.sample(ctx, w)
		if err != nil {
			return nil, err
		}
		s.Place = place + 1
		samples[w.name] = s
	}
	return samples, nil
}

// sample loads one cluster for the length of a round, entirely under one leader.
func (b *bench) sample(ctx context.Context, w *way) (Sample, error) {
	for range redoMax {
		if err := b.connect(ctx, w); err != nil {
			return Sample{}, fmt.Errorf("read by %s: %w", w.name, err)
		}
		seeds := make([]uint64, len(w.clients))
		for i := range seeds {
			seeds[i] = b.rng.Uint64()
		}
		s := load(ctx, w.clients, b.keys, seeds, b.opts.round())
		if ctx.Err() != nil {
			return Sample{}, ctx.Err()
		}
		leader, err := w.cluster.Leader(ctx)
		if err == nil && leader == w.leader {
			return s, nil
		}
		b.show("the leader that reads by %s was replaced: doing that again", w.name)
		w.leader = "" // connections from before a leader change are not reused
	}
	return Sample{}, fmt.Errorf("read by %s: its leader was replaced %d times running", w.name, redoMax)
}

func (w *way) close() {
	for _, c := range w.clients {
		_ = c.Close() // the connection is no longer needed
	}
	w.clients = nil
}

func (b *bench) close() {
	for _, w := range b.ways {
		w.close()
	}
}
