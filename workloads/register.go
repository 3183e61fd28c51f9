package workloads

import (
	"math/rand/v2"

	"elenchus/results/history"
)

// registerKeyOps is the default of Options.KeyOps for the register workload.
const registerKeyOps = 240

// casPercent is the share of compare-and-set among the updates of a key that is not CAS only. After its own update,
// a worker reads the same key with probability ownReadPercent.
const (
	casPercent     = 60
	ownReadPercent = 20
)

// register is the workload of the same name.
type register struct {
	opts    Options
	keys    *keyPool
	workers []registerWorker
	value   int64 // the last value handed out: values are unique in the whole run
}

type registerWorker struct {
	rng  *rand.Rand
	seen map[string]history.Result // what the worker last learned of each key
	own  string                    // a key whose value the worker has just changed and will read back
}

func newRegister(opts Options) (Generator, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults(registerKeyOps)
	g := &register{
		opts:    opts,
		keys:    newKeyPool(opts, func(i int) bool { return i%3 == 2 }),
		workers: make([]registerWorker, opts.Workers),
	}
	for w := range g.workers {
		g.workers[w] = registerWorker{rng: stream(opts.Seed, "register", w), seen: make(map[string]history.Result)}
	}
	return g, nil
}

func (g *register) Next(w int) history.Op {
	me := &g.workers[w]
	if key := me.own; key != "" {
		me.own = ""
		return history.Op{Func: history.Read, Key: key}
	}
	key := g.keys.pick(w, me.rng)
	if g.opts.readOnly(w) {
		return history.Op{Func: history.Read, Key: key.name}
	}
	readPercent := g.opts.ReadPercent
	if key.casOnly { // every update must build on the previous one, so make many of them
		readPercent /= 2
	}
	if me.rng.IntN(100) < readPercent {
		return history.Op{Func: history.Read, Key: key.name}
	}
	g.value++
	if seen, ok := me.seen[key.name]; ok && (key.casOnly || me.rng.IntN(100) < casPercent) {
		return history.Op{Func: history.CAS, Key: key.name, Value: g.value, Expect: single(seen.Values)}
	}
	if key.casOnly { // the worker has not seen the key yet, and guesses that nobody wrote it
		return history.Op{Func: history.CAS, Key: key.name, Value: g.value}
	}
	return history.Op{Func: history.Write, Key: key.name, Value: g.value}
}

// single returns a register's contents as a CAS expects them.
func single(values []int64) *int64 {
	if len(values) == 0 {
		return nil
	}
	v := values[0]
	return &v
}

func (g *register) Observe(w int, op history.Op, a Answer) {
	g.keys.observe(op, a)
	if a.Type != history.OK {
		return
	}
	me := &g.workers[w]
	updated := op.Func == history.Write || op.Func == history.CAS && a.Result.Matched
	if updated {
		me.seen[op.Key] = history.Result{Values: []int64{op.Value}}
		if me.rng.IntN(100) < ownReadPercent {
			me.own = op.Key
		}
		return
	}
	me.seen[op.Key] = a.Result
}

func (g *register) Keys() []string { return g.keys.names }
