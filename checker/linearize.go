package checker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Budget limits the search. The zero value is a usable default.
type Budget struct {
	Key    time.Duration // to decide one key (default 30 s)
	Total  time.Duration // to decide all keys (default 5 min)
	Memory int64         // bytes that the searching process may occupy (default 2 GiB); [Linearize] does not watch it

	Explained int           // how many violated keys are explained and drawn, the earliest first (default 30)
	Explain   time.Duration // to explain one key (default 20 s)
}

func (b Budget) withDefaults() Budget {
	b.Key = orElse(b.Key, 30*time.Second)
	b.Total = orElse(b.Total, 5*time.Minute)
	b.Memory = orElse(b.Memory, 2<<30)
	b.Explained = orElse(b.Explained, 30)
	b.Explain = orElse(b.Explain, 20*time.Second)
	return b
}

// Linearizability is what was decided on each key, in the order of [SplitByKey].
type Linearizability struct {
	Keys    []KeyResult
	Elapsed time.Duration
}

// KeyResult is what was decided on one key.
type KeyResult struct {
	Key       string
	Ops       int            // operations of its history, without those that say nothing
	Status    verdict.Status // valid, violated or unknown
	Reason    string         // why unknown
	Tightened bool           // the bounds that unique values allow were used
	Elapsed   time.Duration

	// Explanation is why the key is violated, as far as the budget allowed; nil when it was not explained.
	Explanation *Explanation
	// Picture is an HTML page that shows the violation; empty when none was drawn.
	Picture []byte
}

// request is a task for a solver.
type request struct {
	Explain bool // explain and draw a key that is violated, rather than decide it
	Key     KeyHistory
	Windows []history.FaultWindow // Explain only: faults, to show beside the operations
	Budget  time.Duration
}

// solver does requests, here or in another process. After an error it can only be closed.
type solver interface {
	solve(ctx context.Context, req request) (KeyResult, error)
	close()
}

// inProcess does requests with a model: what both a worker and Linearize come down to.
type inProcess struct{ model porcupine.Model }

func (s inProcess) solve(req request) KeyResult {
	begin := time.Now()
	res := KeyResult{Key: req.Key.Key, Ops: len(req.Key.Ops)}
	if req.Explain {
		res.Status = verdict.Violated
		res.Explanation = explain(s.model, req.Key.Ops, begin.Add(req.Budget))
		res.Picture = draw(s.model, req.Key, res.Explanation, req.Windows, begin.Add(req.Budget))
	} else {
		res.Status, res.Tightened = decide(s.model, req.Key.Ops, req.Budget)
		if res.Status == verdict.Unknown {
			res.Reason = fmt.Sprintf("no decision within %v", req.Budget.Round(time.Millisecond))
		}
	}
	res.Elapsed = time.Since(begin)
	return res
}

// local is an inProcess as a solver.
type local struct{ inProcess }

func (l local) solve(_ context.Context, req request) (KeyResult, error) {
	return l.inProcess.solve(req), nil
}

func (local) close() {}

// Linearize decides every key in this process, without a limit of memory: for simulated runs, whose histories are
// short, and for tests. Runs of a lab use [RunWorker].
func Linearize(ctx context.Context, model porcupine.Model, ops []history.Operation, windows []history.FaultWindow,
	budget Budget,
) Linearizability {
	start := func() (solver, error) { return local{inProcess{model}}, nil }
	return linearize(ctx, start, ops, windows, budget)
}

// linearize has solvers decide all keys, cheapest first, so that one hopeless key costs no other its answer. A key
// whose solver fails is unknown, and a new solver goes on with the next.
func linearize(ctx context.Context, start func() (solver, error), ops []history.Operation,
	windows []history.FaultWindow, budget Budget,
) Linearizability {
	begin := time.Now()
	d := &driver{start: start, budget: budget.withDefaults(), windows: windows}
	defer d.stop()
	keys := SplitByKey(ops)
	results := make([]KeyResult, len(keys))
	order := make([]int, len(keys))
	costs := make([]float64, len(keys))
	for i, k := range keys {
		order[i], costs[i] = i, k.cost()
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(costs[a], costs[b]) })
	deadline := begin.Add(d.budget.Total)
	for _, i := range order {
		results[i] = d.decide(ctx, keys[i], deadline)
	}
	explained := 0
	for i := range keys { // in order of their first operations: what happened early explains what came later
		if results[i].Status == verdict.Violated && explained < d.budget.Explained && ctx.Err() == nil {
			d.explain(ctx, keys[i], &results[i])
			explained++
		}
	}
	return Linearizability{Keys: results, Elapsed: time.Since(begin)}
}

// failuresMax is how often solvers may fail before the rest is given up: each failure can cost a whole budget.
const failuresMax = 20

type driver struct {
	start    func() (solver, error)
	budget   Budget
	windows  []history.FaultWindow
	current  solver
	failures int
}

func (d *driver) decide(ctx context.Context, key KeyHistory, deadline time.Time) KeyResult {
	res := KeyResult{Key: key.Key, Ops: len(key.Ops), Status: verdict.Unknown}
	left := time.Until(deadline)
	switch {
	case len(key.Ops) == 0: // nothing was observed of it
		res.Status = verdict.Valid
		return res
	case ctx.Err() != nil:
		res.Reason = "the check was stopped before this key's turn"
		return res
	case left <= 0:
		res.Reason = fmt.Sprintf("the %v for all keys were used up before this key's turn", d.budget.Total)
		return res
	}
	got, err := d.solve(ctx, request{Key: key, Budget: min(left, d.budget.Key)})
	if err != nil {
		res.Reason = err.Error()
		return res
	}
	return got
}

func (d *driver) explain(ctx context.Context, key KeyHistory, res *KeyResult) {
	got, err := d.solve(ctx, request{Explain: true, Key: key, Windows: d.windows, Budget: d.budget.Explain})
	if err != nil {
		res.Reason = "not explained: " + err.Error()
		return
	}
	res.Explanation, res.Picture = got.Explanation, got.Picture
	res.Elapsed += got.Elapsed
}

func (d *driver) solve(ctx context.Context, req request) (KeyResult, error) {
	if d.failures >= failuresMax {
		return KeyResult{}, fmt.Errorf("given up after %d failures of the checking process", d.failures)
	}
	if d.current == nil {
		s, err := d.start()
		if err != nil {
			d.failures++
			return KeyResult{}, fmt.Errorf("start the checking process: %w", err)
		}
		d.current = s
	}
	res, err := d.current.solve(ctx, req)
	if err != nil {
		d.failures++
		d.stop()
	}
	return res, err
}

func (d *driver) stop() {
	if d.current != nil {
		d.current.close()
		d.current = nil
	}
}
