package workloads

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"elenchus/results/history"
)

// Client performs operations for one process at one node. It never retries and never follows redirects: one
// operation is one request, so that the recorded interval is the interval in which it could take effect.
type Client interface {
	// Do performs op as the seq-th operation (from 1) of the client's session and returns its outcome. Errors are
	// answers, too: a failure if the operation certainly has no effect, otherwise unknown.
	Do(ctx context.Context, seq uint64, op history.Op) Answer

	// Close drops the client's connection. An answer that arrives later is lost, never paired with another request.
	Close() error
}

// Answer is what a client learned of one operation.
type Answer struct {
	Type   history.Type // history.OK, history.Fail or history.Unknown
	Result history.Result
	Reason string
	By     history.Witness
}

// Generator decides what the clients of one run do next. It is not safe for concurrent use.
type Generator interface {
	// Next returns the next operation of worker w, 0 ≤ w < Options.Workers.
	Next(w int) history.Op

	// Observe reports the outcome of the operation last given to worker w.
	Observe(w int, op history.Op, a Answer)

	// Keys returns the keys used so far, in order of first use, for the final reads.
	Keys() []string
}

// Options configures a generator. The zero value of every field but Seed is a usable default.
type Options struct {
	Seed    uint64
	Workers int // clients; worker w is pinned to node w mod Nodes (default: one per node)
	Nodes   int // default 1

	// ReadPercent is the share of reads among the operations of clients that also write (default 70).
	ReadPercent int
	// ActiveKeys is how many keys are in use at a time (default: one per worker, at least 2).
	ActiveKeys int
	// KeyOps is the mean number of operations after which a key is retired; the bound of each key is drawn from 0.7
	// to 1.3 times this (default 240; 90 for append, whose values grow).
	KeyOps int
	// KeyUnknowns is the number of updates with unknown outcome after which a key is retired (default 6).
	KeyUnknowns int
}

// Validate lists everything that is wrong with the options.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Workers >= 0 && o.Workers <= workersMax, "workers must be 0…%d, not %d", workersMax, o.Workers)
	check(o.Nodes >= 0, "nodes must not be negative, is %d", o.Nodes)
	check(o.ReadPercent >= 0 && o.ReadPercent <= 100, "read percent must be 0…100, not %d", o.ReadPercent)
	check(o.ActiveKeys >= 0, "active keys must not be negative, is %d", o.ActiveKeys)
	check(o.KeyOps >= 0, "operations per key must not be negative, is %d", o.KeyOps)
	check(o.KeyUnknowns >= 0, "unknowns per key must not be negative, is %d", o.KeyUnknowns)
	return errors.Join(errs...)
}

// workersMax bounds the clients of one run: beyond it the harness's own host is the bottleneck.
const workersMax = 1000

func (o Options) withDefaults(keyOps int) Options {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&o.Nodes, 1)
	def(&o.Workers, o.Nodes)
	def(&o.ReadPercent, 70)
	def(&o.ActiveKeys, max(2, o.Workers))
	def(&o.KeyOps, keyOps)
	def(&o.KeyUnknowns, 6)
	return o
}

// readOnly reports whether worker w only reads: the last worker of each node, where a node has more than one.
func (o Options) readOnly(w int) bool { return o.Workers >= 2*o.Nodes && w >= o.Workers-o.Nodes }

// stream returns an independent random number generator per purpose, so that one worker's draws do not shift
// another's.
func stream(seed uint64, purpose string, index int) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for _, c := range []byte(purpose) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h+uint64(index)*0x9e3779b97f4a7c15))
}

// Workload is a named kind of generator.
type Workload struct {
	Name    string
	Summary string
	Funcs   []history.Func // its functions: a run in which one of them never succeeded tested nothing
	New     func(Options) (Generator, error)
}

// All lists the workloads, in the order in which they are shown.
func All() []Workload {
	return []Workload{
		{
			Name:    "register",
			Summary: "reads, writes and compare-and-set of unique values on many registers, some of them CAS only",
			Funcs:   []history.Func{history.Read, history.Write, history.CAS},
			New:     newRegister,
		},
		{
			Name:    "append",
			Summary: "appends of unique elements to lists, and reads: one value shows loss, duplication and order",
			Funcs:   []history.Func{history.Read, history.Append},
			New:     newAppend,
		},
	}
}

// Lookup finds a workload by name; its error lists the known names.
func Lookup(name string) (Workload, error) {
	all := All()
	if i := slices.IndexFunc(all, func(w Workload) bool { return w.Name == name }); i >= 0 {
		return all[i], nil
	}
	names := make([]string, len(all))
	for i, w := range all {
		names[i] = w.Name
	}
	return Workload{}, fmt.Errorf("unknown workload %q: there are %s", name, strings.Join(names, ", "))
}
