package workloads

import (
	"math/rand/v2"

	"elenchus/results/history"
)

// plain is a workload whose workers read keys and update them, always in the same way, each time with a value of its
// own.
type plain struct {
	opts   Options
	keys   *keyPool
	rngs   []*rand.Rand
	update history.Func // a compare-and-set expects that nothing is there
	value  int64        // the last value handed out: values are unique in the whole run
}

// newPlain returns the workload of that name. Of the options those that are zero get their usual defaults, but for the
// share of reads and the operations on a key.
func newPlain(name string, update history.Func, opts Options, readPercent, keyOps int) (Generator, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.ReadPercent == 0 {
		opts.ReadPercent = readPercent
	}
	opts = opts.withDefaults(keyOps)
	g := &plain{opts: opts, keys: newKeyPool(opts, func(int) bool { return false }), update: update}
	for w := range opts.Workers {
		g.rngs = append(g.rngs, stream(opts.Seed, name, w))
	}
	return g, nil
}

func (g *plain) Next(w int) history.Op {
	rng := g.rngs[w]
	key := g.keys.pick(w, rng)
	if g.opts.readOnly(w) || rng.IntN(100) < g.opts.ReadPercent {
		return history.Op{Func: history.Read, Key: key.name}
	}
	g.value++
	return history.Op{Func: g.update, Key: key.name, Value: g.value}
}

func (g *plain) Observe(_ int, op history.Op, a Answer) { g.keys.observe(op, a) }

func (g *plain) Keys() []string { return g.keys.names }
