package checker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Ending is how a history ended.
type Ending struct {
	Complete, Truncated bool  // those of [history.Log]
	Err                 error // why it could not be read, if it could not: then nothing is judged from it

	// Prefix is the damage in the history or the fault log behind which nothing was looked at, as the user wished.
	Prefix []*history.Damage
}

// Deciding is how registers are decided that are not proven to be linearizable as they go by.
type Deciding struct {
	Searcher Searcher
	Budget   Budget

	// Again shows the history from its beginning: as many of its events as the Stream has observed.
	Again func(each func(*history.Event)) error
}

// Finish is the verdict on the history that was observed, which ended so, and what was decided on each key.
//
// Of most keys nothing is left to find out. The others are read again, a few at a time, so that at most examinedMax
// operations are in memory or those of one key: keys that were not proven to be linearizable, because they are not, or
// are appended to, or hold a value twice; and short keys, which are decided in a second way, too. The error says that
// the history could not be read again.
func (s *Stream) Finish(ctx context.Context, how Ending, by Deciding) (verdict.Verdict, Linearizability, error) {
	if how.Err != nil {
		s = newStream(s.in, s.keys.prove)
	}
	s.in.History = history.Log{Complete: how.Complete, Truncated: how.Truncated}
	s.in.HistoryErr, s.in.Prefix = how.Err, how.Prefix
	s.end()
	begin := time.Now()
	d := newDriver(by.Searcher, history.Windows(s.in.Faults.Events), by.Budget)
	defer d.stop()
	j := s.newJudgement()
	for rest := j.andClashed(s.keys.unsettled(d.budget.Second), s.keys.order); len(rest) > 0; {
		n := 1
		for sum := rest[0].says; n < len(rest) && sum+rest[n].says <= examinedMax; n++ {
			sum += rest[n].says
		}
		ops, err := collect(by.Again, rest[:n], s.Operations())
		if err != nil {
			return verdict.Verdict{}, Linearizability{}, fmt.Errorf("read the history again: %w", err)
		}
		decided := make(map[string]KeyResult)
		for _, r := range d.decide(ctx, ByKey(ops)) {
			decided[r.Key] = r
		}
		j.examine(ctx, ops, func(k KeyHistory) KeyResult { return decided[k.Key] })
		rest = rest[n:]
	}
	lin := Linearizability{Elapsed: time.Since(begin)}
	for _, w := range s.keys.order {
		k, examined := j.keys[w.name]
		if !examined {
			k = w.verdict()
		}
		lin.Keys = append(lin.Keys, k.result)
	}
	return s.conclusion(ctx, j, lin.Elapsed), lin, nil
}

// examinedMax bounds the operations that are read again at a time, unless a single key has more.
const examinedMax = 500_000

// collect reads the operations on some keys again. There are so many in all.
func collect(again func(func(*history.Event)) error, keys []*registerWatch, total int) ([]history.Operation, error) {
	wanted, room := make(map[string]bool, len(keys)), 0
	for _, k := range keys {
		wanted[k.name] = true
		room += k.says
	}
	ops := make([]history.Operation, 0, room)
	keep := func(op *history.Operation) {
		if wanted[op.Op.Key] {
			ops = append(ops, *op)
		}
	}
	var calls history.Calls[struct{}]
	err := again(func(e *history.Event) {
		if e.Type == history.Invoke {
			calls.Begin(e)
		} else if c := calls.End(e); c != nil {
			keep(&c.Operation)
			calls.Free(c)
		}
	})
	for _, c := range calls.Rest() {
		keep(&c.Operation)
	}
	if err == nil && calls.Invoked() != total {
		err = fmt.Errorf("it has %d operations now, and had %d before", calls.Invoked(), total)
	}
	slices.SortFunc(ops, func(a, b history.Operation) int { return cmp.Compare(a.ID, b.ID) })
	return ops, err
}
