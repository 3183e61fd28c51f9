package nemesis

import (
	"context"
	"errors"
	"fmt"

	"elenchus/results/history"
)

// kill kills processes and restarts them.
type kill struct {
	deedBase
	victims map[string]Process // by node; only those that this kill killed
}

func (k *kill) apply(ctx context.Context) outcome {
	processes, results := k.running(ctx)
	if results.err() != nil {
		return results
	}
	k.victims = map[string]Process{}
	for name, p := range processes {
		if k.board.claim(p, k.fault.ID) {
			k.victims[name] = p
			continue
		}
		skip := skipped(fmt.Sprintf("%v is being killed by %s", p, k.board.killedBy(p)))
		skip.node = name
		results = append(results, skip)
	}
	names, list := k.among(k.victims)
	if len(names) == 0 {
		return results
	}
	if err := k.enter(names, list); err != nil {
		return append(results, failed(err))
	}
	killed := k.each(names, func(host Host) result { return k.killOne(ctx, host, k.victims[host.Name]) })
	return append(results, killed...)
}

func (k *kill) killOne(ctx context.Context, host Host, p Process) result {
	if _, err := k.signal(ctx, host, p, "KILL"); err != nil {
		return failed(err)
	}
	err := poll(ctx, k.proof, func(ctx context.Context) error {
		s, err := k.watch(ctx, host, p)
		if err == nil && s.alive {
			err = fmt.Errorf("%s: %v is still there, in state %s", host.Name, p, s.state)
		}
		return err
	})
	if err != nil {
		return failed(err)
	}
	return done(history.FaultInstalled, "%v is gone", p)
}

// remains implements [deed]: the victims are gone, and nothing runs in their place.
func (k *kill) remains(ctx context.Context) outcome {
	names, _ := k.among(k.victims)
	return k.each(names, func(host Host) result { return k.goneStill(ctx, host, k.victims[host.Name]) })
}

// goneStill inspects the recorded process, and the victim if that is another one. Only the revert of this kill
// restarts the victim, so any process found in its place was started by somebody else.
func (k *kill) goneStill(ctx context.Context, host Host, victim Process) result {
	var there, s sighting
	err := poll(ctx, k.proof, func(ctx context.Context) (err error) {
		if there, err = k.find(ctx, host); err != nil || there.recorded && there.Process == victim {
			s = there
			return err
		}
		s, err = k.watch(ctx, host, victim)
		return err
	})
	switch {
	case err != nil:
		return failed(err)
	case s.alive:
		return gone("%s: %v is there again", host.Name, victim)
	case there.recorded && there.Process != victim:
		return gone("%s: somebody has started %v", host.Name, there.Process)
	}
	return done(history.FaultInstalled, "%v is gone", victim)
}

func (k *kill) revert(ctx context.Context) outcome {
	names, _ := k.among(k.victims)
	return k.settle(k.each(names, func(host Host) result { return k.startOne(ctx, host, k.victims[host.Name]) }))
}

// startOne starts processes until one other than the victim runs. A victim that is still alive is killed first: a
// signal from an apply step that failed may still be on its way, and would kill a process that the run takes to be
// healthy.
func (k *kill) startOne(ctx context.Context, host Host, victim Process) result {
	var seen string
	err := poll(ctx, k.proof, func(ctx context.Context) error {
		s, err := k.find(ctx, host)
		switch {
		case err != nil:
			return err
		case s.alive && s.Process == victim:
			_, err := k.signal(ctx, host, victim, "KILL")
			return errors.Join(fmt.Errorf("%s: %v is still there", host.Name, victim), err)
		case s.alive:
			seen = fmt.Sprintf("%v runs already", s.Process)
			return nil
		}
		if err := k.start(ctx, host); err != nil {
			if fault := k.board.killedSince(victim); fault != "" {
				// It was started, by us or by a concurrent start, and then killed by another fault. Starting one
				// more would end that fault.
				seen = "what was started was killed by " + fault
				return nil
			}
			return err
		}
		s, err = k.find(ctx, host)
		switch {
		case err != nil:
			return err
		case !s.recorded || s.Process == victim:
			return fmt.Errorf("%s was started, but no new process is recorded", host.Name)
		case s.alive:
			seen = fmt.Sprintf("%v runs", s.Process)
			return nil
		case k.board.killedBy(s.Process) != "":
			// The new process did run, but another fault has killed it; proving its end is up to that fault.
			seen = fmt.Sprintf("%v ran until %s killed it", s.Process, k.board.killedBy(s.Process))
			return nil
		}
		return fmt.Errorf("%s was started, but %s", host.Name, s.dead())
	})
	if err != nil {
		return failed(err)
	}
	return done(history.FaultReverted, "%s", seen)
}
