package workloads

import (
	"fmt"
	"math/rand/v2"

	"elenchus/results/history"
)

// keyState is one register in use.
type keyState struct {
	name     string
	casOnly  bool
	ops      int // operations left before the key is retired
	unknowns int // updates with unknown outcome left before the key is retired
}

// keyPool keeps a fixed number of keys in use and replaces each when its bound is reached.
type keyPool struct {
	opts   Options
	rng    *rand.Rand
	active []*keyState
	names  []string
	casOf  func(index int) bool
}

func newKeyPool(opts Options, casOf func(index int) bool) *keyPool {
	p := &keyPool{opts: opts, rng: stream(opts.Seed, "keys", 0), casOf: casOf}
	p.active = make([]*keyState, opts.ActiveKeys)
	for i := range p.active {
		p.active[i] = p.fresh()
	}
	return p
}

func (p *keyPool) fresh() *keyState {
	index := len(p.names)
	k := &keyState{
		name:     fmt.Sprintf("r%d", index),
		casOnly:  p.casOf(index),
		ops:      max(1, p.opts.KeyOps*(70+p.rng.IntN(61))/100),
		unknowns: p.opts.KeyUnknowns,
	}
	p.names = append(p.names, k.name)
	return k
}

// pick draws a key for worker w. Writing workers keep to the keys of their group, which has one worker of each
// node, so that a key has few writers, each at a different node; readers use all keys.
func (p *keyPool) pick(w int, rng *rand.Rand) *keyState {
	n := len(p.active)
	slot := rng.IntN(n)
	if groups := p.opts.Workers / p.opts.Nodes; groups > 1 && groups <= n && !p.opts.readOnly(w) {
		writers := groups - 1 // the last group only reads
		group := min(w/p.opts.Nodes, writers-1)
		if share := n / writers; share > 0 {
			slot = group*share + rng.IntN(share)
		}
	}
	k := p.active[slot]
	if k.ops--; k.ops < 0 || k.unknowns <= 0 {
		k = p.fresh()
		k.ops--
		p.active[slot] = k
	}
	return k
}

// observe charges an update of unknown outcome to its key.
func (p *keyPool) observe(op history.Op, a Answer) {
	if a.Type != history.Unknown || op.Func == history.Read {
		return
	}
	for _, k := range p.active {
		if k.name == op.Key {
			k.unknowns--
			return
		}
	}
}
