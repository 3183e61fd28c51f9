package workloads

import (
	"math/rand/v2"

	"elenchus/results/history"
)

// appendKeyOps is the default of Options.KeyOps for the append workload. Every response carries the whole list, so
// the bytes transferred for a key grow with the square of its operations.
const appendKeyOps = 90

// appends is the append workload.
type appends struct {
	opts  Options
	keys  *keyPool
	rngs  []*rand.Rand
	value int64
}

func newAppend(opts Options) (Generator, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.ReadPercent == 0 { // an append reads too
		opts.ReadPercent = 40
	}
	opts = opts.withDefaults(appendKeyOps)
	g := &appends{opts: opts, keys: newKeyPool(opts, func(int) bool { return false })}
	for w := range opts.Workers {
		g.rngs = append(g.rngs, stream(opts.Seed, "append", w))
	}
	return g, nil
}

func (g *appends) Next(w int) history.Op {
	rng := g.rngs[w]
	key := g.keys.pick(w, rng)
	if g.opts.readOnly(w) || rng.IntN(100) < g.opts.ReadPercent {
		return history.Op{Func: history.Read, Key: key.name}
	}
	g.value++
	return history.Op{Func: history.Append, Key: key.name, Value: g.value}
}

func (g *appends) Observe(_ int, op history.Op, a Answer) { g.keys.observe(op, a) }

func (g *appends) Keys() []string { return g.keys.names }
