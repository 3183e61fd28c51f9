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
	// Do performs op as the seq-th operation (from 1) of the client's session, or as an attempt at op's request if it has
	// one, and returns its outcome. Errors are answers, too: a failure if this attempt certainly has no effect, otherwise
	// unknown.
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

// Repeater is a generator that has requests sent several times.
type Repeater interface {
	Generator

	// Latest returns the latest request of each session so far: those that the system must answer however late they are
	// repeated.
	Latest() []history.Op
}

// Options configures a generator. The zero value of every field but Seed is a usable default.
type Options struct {
	Seed    uint64
	Workers int // clients; worker w is pinned to node w mod Nodes (default: one per node)
	Nodes   int // default 1

	// ReadPercent is the share of reads among the operations of clients that also write (default 70, and less where
	// updates show what was there).
	ReadPercent int
	// ActiveKeys is how many keys are in use at a time (default: one per worker, at least 2; for write-once 2).
	ActiveKeys int
	// KeyOps is the mean number of operations after which a key is retired; the bound of each key is drawn from 0.7
	// to 1.3 times this (default 240; 90 for append and session, whose values grow; 14 for write-once).
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

	// Requests means that updates are sent several times, by whoever likes, as [history.Op.Request] says. The generator
	// is a [Repeater] then.
	Requests bool

	// ByName means that the workload is used only where it is asked for by name: draws of a workload from a seed go on
	// to give what they gave before there was this one.
	ByName bool
}

// Session is the session of a process's own operations, those that have no request: none that a request has.
func (w Workload) Session(process int) uint64 {
	if w.Requests {
		return 2 * (uint64(process) + 1)
	}
	return uint64(process) + 1
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
		{
			Name:     "session",
			Summary:  "appends that are sent several times, to several nodes: each must be executed once, and answered alike",
			Funcs:    []history.Func{history.Read, history.Append},
			New:      newSession,
			Requests: true,
			ByName:   true,
		},
		{
			Name:    "write-once",
			Summary: "proposals of different values for objects that keep the first one, and reads",
			Funcs:   []history.Func{history.Read, history.CAS},
			New:     newWriteOnce,
			ByName:  true,
		},
	}
}

// Drawn lists the names of the workloads that are drawn from where none is named.
func Drawn() []string {
	var names []string
	for _, w := range All() {
		if !w.ByName {
			names = append(names, w.Name)
		}
	}
	return names
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
