package checker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Budget limits the search. The zero value is a usable default.
type Budget struct {
	Key    time.Duration // to decide one key (default 30 s), half of it for the whole and the rest for its prefixes
	Total  time.Duration // to decide all keys (default 5 min)
	Memory int64         // bytes that the searching process may occupy (default 2 GiB); [Linearize] does not watch it

	Explained int           // how many violated keys are explained and drawn, the earliest first (default 30)
	Explain   time.Duration // to explain one key (default 20 s)

	// Second is how long a key may be, in operations, that is decided by order and yet searched, too, for a second
	// opinion (default 500; negative: none). It is only asked where little overlaps, so that it costs milliseconds.
	Second int
}

func (b Budget) withDefaults() Budget {
	b.Key = cmp.Or(b.Key, 30*time.Second)
	b.Total = cmp.Or(b.Total, 5*time.Minute)
	b.Memory = cmp.Or(b.Memory, 2<<30)
	b.Explained = cmp.Or(b.Explained, 30)
	b.Explain = cmp.Or(b.Explain, 20*time.Second)
	b.Second = cmp.Or(b.Second, 500)
	return b
}

// Linearizability is what was decided on each key, in the order of [ByKey].
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
	By        Method         // what decided
	Tightened bool           // the bounds that unique values allow were used
	Elapsed   time.Duration

	// Answers says that a violation is one of the history up to the first so many answers, because the whole was too much;
	// zero when the whole was decided.
	Answers int

	// Explanation is why the key is violated, as far as the budget allowed; nil when it was not explained.
	Explanation *Explanation
	// Picture is an HTML page that shows the violation; empty when none was drawn.
	Picture []byte

	core []history.Operation // of Explanation, as it was confirmed; ByOrder only
}

// Method is a way to decide a key.
type Method string

// The methods, in the order in which they are tried.
const (
	ByOrder  Method = "order"  // package register, or the only order of a list, with a proof of every decision
	BySearch Method = "search" // Porcupine
)

// request is a task for a solver.
type request struct {
	Explain bool // explain and draw a key that is violated, rather than decide it
	Key     KeyHistory
	Windows []history.FaultWindow // Explain only: faults, to show beside the operations
	Budget  time.Duration

	// Explain only: what is known already. Then Key holds only the operations to draw, and Core the explanation's core.
	Known *Explanation
	Core  []history.Operation
}

// solver does requests, here or in another process. After an error it can only be closed.
type solver interface {
	solve(ctx context.Context, req request) (KeyResult, error)
	close()
}

// inProcess does requests with a model: what both a worker and Linearize come down to.
type inProcess struct {
	model porcupine.Model
	raw   bool // search histories as they are, see [SearchAlone]
}

func (s inProcess) solve(req request) KeyResult {
	begin := time.Now()
	res := KeyResult{Key: req.Key.Key, Ops: len(req.Key.Ops)}
	if req.Explain {
		res.Status = verdict.Violated
		deadline := begin.Add(req.Budget)
		ops := req.Key.Ops
		if res.Explanation = req.Known; res.Explanation != nil {
			res.Explanation.Order = longestOrder(s.model, req.Core, deadline)
		} else if res.Explanation = explain(s.model, ops, deadline); res.Explanation != nil {
			ops = pictureOps(ops, res.Explanation)
		}
		res.Picture = draw(s.model, ops, res.Explanation, req.Windows, deadline)
	} else {
		res.By = BySearch
		ivs, tightened := asRecorded(req.Key.Ops), false
		if !s.raw {
			ivs, tightened = intervals(req.Key.Ops)
		}
		res.Status, res.Tightened = search(s.model, ivs, req.Budget), tightened
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

// Searcher starts what searches for linearizations: [SearchHere] or [SearchIn].
type Searcher func(budget Budget) (solver, error)

// SearchHere searches in this process, without a limit of memory: for simulated runs, whose histories are short, and
// for tests.
func SearchHere(model porcupine.Model) Searcher {
	return func(Budget) (solver, error) { return local{inProcess{model: model}}, nil }
}

// Linearize decides every key in this process, and searches here, see [SearchHere]. Runs of a lab use [RunWorker].
func Linearize(ctx context.Context, model porcupine.Model, ops []history.Operation, windows []history.FaultWindow,
	budget Budget,
) Linearizability {
	return linearize(ctx, SearchHere(model), ops, windows, budget)
}

func linearize(ctx context.Context, searcher Searcher, ops []history.Operation, windows []history.FaultWindow,
	budget Budget,
) Linearizability {
	begin := time.Now()
	d := newDriver(searcher, windows, budget)
	defer d.stop()
	return Linearizability{Keys: d.decide(ctx, ByKey(ops)), Elapsed: time.Since(begin)}
}

// failuresMax is how often solvers may fail before the rest is given up: each failure can cost a whole budget.
const failuresMax = 20

// driver decides keys by order where it can, and has solvers decide the others. A key whose solver fails is unknown,
// and a new solver goes on with the next. Budgets are for all keys together that it is asked for.
type driver struct {
	start     Searcher
	budget    Budget
	deadline  time.Time
	windows   []history.FaultWindow
	current   solver
	failures  int
	explained int
	orderer   orderer
	alone     bool // keys are searched as wholes, and not decided in any other way
}

func newDriver(searcher Searcher, windows []history.FaultWindow, budget Budget) *driver {
	budget = budget.withDefaults()
	return &driver{start: searcher, budget: budget, windows: windows, deadline: time.Now().Add(budget.Total)}
}

// decide decides keys, and explains those that are violated, the earliest first. Searches are cheapest first, so that
// one hopeless key costs no other its answer.
func (d *driver) decide(ctx context.Context, keys *Keys) []KeyResult {
	results := make([]KeyResult, keys.Len())
	var rest []int // keys that need a search
	costs := make([]float64, keys.Len())
	for i := range results {
		k := keys.At(i)
		var decided bool
		if results[i], decided = d.byOrder(ctx, k); !decided {
			rest = append(rest, i)
			costs[i] = k.cost()
		}
	}
	slices.SortStableFunc(rest, func(a, b int) int { return cmp.Compare(costs[a], costs[b]) })
	for _, i := range rest {
		objection := results[i].Reason
		results[i] = d.bySearch(ctx, keys.At(i))
		if objection != "" && results[i].Status == verdict.Unknown {
			results[i].Reason = objection + "; " + results[i].Reason
		}
	}
	for i := range results { // in order of their first operations: what happened early explains what came later
		if results[i].Status == verdict.Violated && d.explained < d.budget.Explained && ctx.Err() == nil {
			d.explain(ctx, keys.At(i), &results[i])
			d.explained++
		}
	}
	return results
}

// byOrder decides a key by order, and has what it found confirmed: a violation by a search among the few operations
// that prove it, and a short key by a search in all of it. It reports false if the key is to be searched, with a reason
// if something is wrong with the proof.
func (d *driver) byOrder(ctx context.Context, key KeyHistory) (KeyResult, bool) {
	begin := time.Now()
	res := KeyResult{Key: key.Key, Ops: len(key.Ops), Status: verdict.Unknown, By: ByOrder}
	if ctx.Err() != nil {
		return res, false
	}
	status, err := d.orderer.decide(key.Ops)
	explain := d.orderer.explain
	if err == nil && status == verdict.Unknown && isPureList(key.Ops) && uniqueValues(key) {
		status, explain = decideList(key.Ops), explainList
	}
	if err == nil {
		var object bool
		if status, object, err = asObject(key.Ops, status); object {
			explain = explainObject
		}
	}
	switch {
	case err != nil:
		res.Reason = err.Error()
		return res, errors.Is(err, errDisagree)
	case status == verdict.Violated:
		e, core, err := explain(key.Ops)
		if err == nil {
			err = d.confirm(ctx, KeyHistory{Key: key.Key, Ops: core}, verdict.Violated, d.budget.Key)
		}
		if err != nil {
			res.Reason = err.Error()
			return res, false
		}
		res.Explanation, res.core = e, core
	case status != verdict.Valid:
		return res, false
	}
	if n := len(key.Ops); 0 < n && n <= d.budget.Second && d.failures == 0 && key.overlap() <= secondOverlapMax {
		if err := d.confirm(ctx, key, status, secondBudget); errors.Is(err, errDisagree) {
			res.Reason, res.Elapsed = err.Error(), time.Since(begin)
			return res, true
		}
	}
	res.Status, res.Elapsed = status, time.Since(begin)
	return res, true
}

// A second opinion is asked for only where the search is certain to be quick.
const (
	secondOverlapMax = 8
	secondBudget     = 200 * time.Millisecond
)

// errDisagree means that one of the two methods is wrong, which no verdict may hide.
var errDisagree = errors.New("two ways to decide disagree, so that one of them is wrong")

// confirm has a solver decide what was already decided.
func (d *driver) confirm(ctx context.Context, key KeyHistory, want verdict.Status, budget time.Duration) error {
	got, err := d.solve(ctx, request{Key: key, Budget: budget})
	switch {
	case err != nil:
		return fmt.Errorf("confirm by a search that %s is %s: %w", verdict.Count(len(key.Ops), "operation"), want, err)
	case got.Status == verdict.Unknown:
		return fmt.Errorf("confirm by a search that %s is %s: %s", verdict.Count(len(key.Ops), "operation"), want, got.Reason)
	case got.Status != want:
		return fmt.Errorf("%w: %s among %s, by order %s, by search %s",
			errDisagree, key.Key, verdict.Count(len(key.Ops), "operation"), want, got.Status)
	}
	return nil
}

// bySearch has a solver decide a key: the whole of it, or if that is too much a prefix that is violated.
func (d *driver) bySearch(ctx context.Context, key KeyHistory) KeyResult {
	res := KeyResult{Key: key.Key, Ops: len(key.Ops), Status: verdict.Unknown, By: BySearch}
	begin := time.Now()
	left := d.deadline.Sub(begin)
	switch {
	case ctx.Err() != nil:
		res.Reason = "the check was stopped before this key's turn"
		return res
	case left <= 0:
		res.Reason = fmt.Sprintf("the %v for all keys were used up before this key's turn", d.budget.Total)
		return res
	}
	budget := min(left, d.budget.Key)
	deadline, legal := begin.Add(budget), 0
	c := newCut(key)
	if d.alone || len(c.answers) < 2 {
		c.answers = nil
	} else {
		var final bool
		if res, legal, final = d.byUniquePrefix(ctx, c); final {
			return res
		}
		budget /= wholeShare
	}
	objection := res.Reason
	got, err := d.solve(ctx, request{Key: key, Budget: budget})
	if err != nil {
		got = KeyResult{Key: key.Key, Ops: len(key.Ops), Status: verdict.Unknown, By: BySearch, Reason: err.Error()}
	}
	if objection != "" && got.Status == verdict.Unknown {
		got.Reason = objection + "; " + got.Reason
	}
	if tooMuch := err == nil || errors.Is(err, errKilled); got.Status == verdict.Unknown && tooMuch && c.answers != nil {
		return d.byShorterPrefix(ctx, c, legal, got, deadline)
	}
	return got
}

// explain adds to a violated key what is not known yet of its explanation, and a picture.
func (d *driver) explain(ctx context.Context, key KeyHistory, res *KeyResult) {
	key = res.decided(key)
	req := request{Explain: true, Key: key, Windows: d.windows, Budget: d.budget.Explain}
	if e := res.Explanation; e != nil {
		req.Known, req.Core = e, res.core
		if !isPureList(key.Ops) { // where answers show all of the past
			key.Ops = lately(key.Ops, e)
		}
		req.Key.Ops = pictureOps(key.Ops, e)
	}
	got, err := d.solve(ctx, req)
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
		s, err := d.start(d.budget)
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
