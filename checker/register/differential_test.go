package register

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// differentialHistories is how many random histories the deciders are compared on; REGISTER_HISTORIES sets another
// number, and REGISTER_SEED another seed than the time of day.
const differentialHistories = 20_000

func fromEnvironment(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// The checker, the monitor, Porcupine and an exhaustive search never disagree, and every decision comes with a proof.
func TestDifferential(t *testing.T) {
	seed := fromEnvironment(t, "REGISTER_SEED", uint64(time.Now().UnixNano()))
	total := int(fromEnvironment(t, "REGISTER_HISTORIES", differentialHistories))
	t.Logf("REGISTER_SEED=%d REGISTER_HISTORIES=%d", seed, total)
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			d := differential{t: t}
			for i := range total / len(families) {
				d.seed = fmt.Sprintf("%s, seed %d, history %d", f.name, seed, i)
				rng := rand.New(rand.NewPCG(seed, uint64(i)))
				d.compare(f.make(rng, 1+rng.IntN(8)))
				d.compareWithPorcupine(f.make(rng, 5+rng.IntN(16)))
			}
			t.Logf("%d histories: %.1f %% impossible, cores of %.2f operations, the largest of %d",
				d.histories, 100*float64(d.violated)/float64(d.histories), float64(d.coreOps)/float64(max(1, d.violated)), d.largest)
			if d.violated == 0 && f.name != "atomic" || d.violated == d.histories {
				t.Errorf("%d of %d histories are impossible: nothing was compared", d.violated, d.histories)
			}
		})
	}
}

// differential compares deciders. Its checkers are used again and again, as they are meant to be.
type differential struct {
	t         *testing.T
	seed      string
	checker   Checker
	other     Checker
	monitor   Monitor
	histories int
	violated  int
	coreOps   int
	largest   int
}

func (d *differential) compare(ops []Op) {
	d.t.Helper()
	if got, want := d.decide(ops), legal(ops); got != want {
		d.t.Fatalf("%s: checker says %v, the exhaustive search %v:\n%s", d.seed, got, want, listing(ops))
	}
	d.compareWithPorcupine(ops)
}

func (d *differential) compareWithPorcupine(ops []Op) {
	d.t.Helper()
	d.histories++
	got := d.decide(ops)
	if want := porcupineSays(ops); got != want {
		d.t.Fatalf("%s: checker says %v, Porcupine %v:\n%s", d.seed, got, want, listing(ops))
	}
	if got {
		order := d.checker.Order(nil)
		if err := Verify(ops, order); err != nil {
			d.t.Fatalf("%s: %v in order %v:\n%s", d.seed, err, order, listing(ops))
		}
	} else {
		d.violated++
		d.compareCore(ops)
	}
	d.compareMonitor(ops, got)
}

// compareCore has Porcupine confirm that a core is impossible. It proves that all is, because whatever is seen in it is
// also written in it, or nowhere: a linearization of all would be one of the core, without what is left out.
func (d *differential) compareCore(ops []Op) {
	d.t.Helper()
	var core []Op
	for _, w := range d.checker.Core(nil) {
		core = append(core, w.In(ops))
	}
	for _, op := range core {
		if (op.Kind == Read || op.Kind == CAS) && !op.Absent && writes(ops, op.Sees) && !writes(core, op.Sees) {
			d.t.Fatalf("%s: %v is in the core, but not who wrote %d:\n%s\nof\n%s",
				d.seed, &op, op.Sees, listing(core), listing(ops))
		}
	}
	d.coreOps += len(core)
	d.largest = max(d.largest, len(core))
	if len(core) == 0 || porcupineSays(core) {
		d.t.Fatalf("%s: the core is possible:\n%s\nof\n%s", d.seed, listing(core), listing(ops))
	}
}

func writes(ops []Op, value int64) bool {
	return slices.ContainsFunc(ops, func(op Op) bool { return op.updates() && op.Writes == value })
}

func (d *differential) decide(ops []Op) bool {
	d.t.Helper()
	decision := d.checker.Decide(ops)
	if decision == Abstained {
		d.t.Fatalf("%s: abstained: %s\n%s", d.seed, d.checker.Reason(), listing(ops))
	}
	return decision == Valid
}

// compareMonitor has the monitor watch the history: what it accepts is possible up to there, and what it objects to is
// not.
func (d *differential) compareMonitor(ops []Op, possible bool) {
	d.t.Helper()
	if slices.ContainsFunc(ops, func(op Op) bool { return op.Kind == Impossible }) {
		return
	}
	d.monitor.Reset()
	objected := watch(&d.monitor, ops)
	if (objected == nil) != possible {
		d.t.Fatalf("%s: monitor objects to %v (%s), checker says %v:\n%s",
			d.seed, objected, d.monitor.Reason(), possible, listing(ops))
	}
	var proof Proof
	if also := watch(&proof, ops); (also == nil) != possible || also != nil && also.rank != objected.rank {
		d.t.Fatalf("%s: proof objects to %v, monitor to %v:\n%s", d.seed, also, objected, listing(ops))
	}
	if err := proof.Finish(); err != nil {
		d.t.Fatalf("%s: %v:\n%s", d.seed, err, listing(ops))
	}
	if objected == nil {
		return
	}
	before, upTo := prefix(ops, *objected, false), prefix(ops, *objected, true)
	if d.other.Decide(before) != Valid || d.other.Decide(upTo) != Violated {
		d.t.Fatalf("%s: monitor objects to %v (%s), but before it is %v and then %v:\n%s", d.seed, *objected,
			d.monitor.Reason(), d.other.Decide(before), d.other.Decide(upTo), listing(ops))
	}
}

// event is a call or a return.
type event struct {
	at   int64
	ret  bool
	op   int
	rank int
}

func eventsOf(ops []Op) []event {
	var events []event
	for i, op := range ops {
		events = append(events, event{op.Call, false, i, 0})
		if !op.Unknown {
			events = append(events, event{op.Return, true, i, 0})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int {
		switch {
		case a.at != b.at:
			return int(a.at - b.at)
		case a.ret != b.ret && b.ret:
			return -1
		case a.ret != b.ret:
			return 1
		}
		return 0
	})
	for i := range events {
		events[i].rank = i
	}
	return events
}

// watcher is a Monitor or a Proof.
type watcher[T any] interface {
	Invoke(op *Op) T
	Unknown(t T, at int64)
	Done(t T, at int64) bool
	Found(t T, at, value int64) bool
	FoundNothing(t T, at int64) bool
	Decision() Decision
}

// watch has m watch ops and returns the completion that it objects to.
func watch[T any](m watcher[T], ops []Op) *event {
	tickets := make([]T, len(ops))
	for _, e := range eventsOf(ops) {
		op := &ops[e.op]
		ok := true
		switch {
		case !e.ret:
			tickets[e.op] = m.Invoke(op)
			if op.Unknown {
				m.Unknown(tickets[e.op], op.Call)
			}
		case op.updates():
			ok = m.Done(tickets[e.op], e.at)
		case op.Absent:
			ok = m.FoundNothing(tickets[e.op], e.at)
		default:
			ok = m.Found(tickets[e.op], e.at, op.Sees)
		}
		if ok != (m.Decision() == Valid) {
			panic("the monitor contradicts itself")
		}
		if !ok {
			return &e
		}
	}
	return nil
}

// prefix is what was known of ops when an event happened, or just before it.
func prefix(ops []Op, last event, with bool) []Op {
	returned := make([]bool, len(ops))
	called := make([]bool, len(ops))
	for _, e := range eventsOf(ops) {
		if e.rank > last.rank || e.rank == last.rank && !with {
			break
		}
		if e.ret {
			returned[e.op] = true
		} else {
			called[e.op] = true
		}
	}
	var out []Op
	for i, op := range ops {
		switch {
		case returned[i], called[i] && op.Unknown:
			out = append(out, op)
		case called[i] && op.updates():
			op.Unknown = true
			out = append(out, op)
		}
	}
	return out
}

func listing(ops []Op) string {
	var lines []string
	for i := range ops {
		lines = append(lines, fmt.Sprintf("%3d %v", i, &ops[i]))
	}
	return strings.Join(lines, "\n")
}

func FuzzDecide(f *testing.F) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 20 {
		seed := make([]byte, 20)
		for i := range seed {
			seed[i] = byte(rng.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var ops []Op
		for i := 0; i+3 < len(data) && len(ops) < 7; i += 4 { // four bytes are an operation on one of seven values
			op := Op{Kind: Kind(data[i] % 4), Call: int64(data[i+1] % 16), Sees: int64(data[i+3] % 8)}
			op.Return, op.Absent = op.Call+int64(data[i+2]%16), op.Sees == 0
			if op.updates() {
				op.Writes, op.Unknown = int64(len(ops)+1), data[i] >= 128
			}
			ops = append(ops, op)
		}
		d := differential{t: t, seed: "fuzz"}
		d.compare(ops)
	})
}
