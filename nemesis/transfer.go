package nemesis

import (
	"context"
	"errors"
	"fmt"

	"elenchus/results/history"
)

// transfer has leaders hand over. Nothing of it remains on the hosts, so it is not in the ledger. What lasts is only
// the time in which the others elect.
type transfer struct {
	deedBase
	gave bool // some node gave up leading
}

// entered implements [deed]: the fault is on record as long as it lasts if it took effect anywhere.
func (t *transfer) entered() bool { return t.gave }

func (t *transfer) apply(ctx context.Context) outcome {
	results := t.each(t.targets, func(host Host) result { return t.askOne(ctx, host) })
	for _, r := range results {
		t.gave = t.gave || r.status == history.FaultInstalled
	}
	return results
}

// askOne asks the node on a host until it answers. Only the node knows whether it led when it was asked: its answer is
// the proof. A node that is starting refuses connections for a moment; one that is stopped answers when it goes on.
func (t *transfer) askOne(ctx context.Context, host Host) result {
	var ballot, dead string
	err := poll(ctx, t.proof, func(ctx context.Context) (err error) {
		if ballot, err = t.handOver(ctx, host); err == nil || errors.Is(err, ErrNotLeader) {
			return nil
		}
		if s, seenErr := t.find(ctx, host); seenErr == nil && !s.alive {
			dead = s.dead()
			return nil
		}
		return err
	})
	switch {
	case dead != "":
		return skipped(dead)
	case err == nil && ballot == "":
		return skipped("it does not lead")
	case err == nil:
		return done(history.FaultInstalled, "gave up leading in ballot %s", ballot)
	}
	if s, seenErr := t.find(ctx, host); seenErr == nil && s.alive && s.stopped > 0 {
		return skipped(fmt.Sprintf("%v is stopped and has not answered; it may hand over when it goes on", s.Process))
	}
	return failed(err)
}

// remains implements [deed]: a leader that gave up has done so for good, even if it is elected again.
func (t *transfer) remains(context.Context) outcome { return nil }

func (t *transfer) revert(context.Context) outcome {
	return outcome{done(history.FaultReverted, "there is nothing to undo")}
}
