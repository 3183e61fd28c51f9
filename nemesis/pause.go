package nemesis

import (
	"context"
	"errors"
	"fmt"

	"elenchus/results/history"
)

// pause stops processes and resumes them.
type pause struct {
	deedBase
	held map[string]Process // by node; those held by this pause
}

// errDied ends the wait for a process to change its state.
var errDied = errors.New("the process has died")

func (p *pause) apply(ctx context.Context) outcome {
	processes, results := p.running(ctx)
	if results.err() != nil {
		return results
	}
	p.held = processes
	names, list := p.among(processes)
	if len(names) == 0 {
		return results
	}
	if err := p.enter(names, list); err != nil {
		return append(results, failed(err))
	}
	// Hold before stopping, so that another pause that ends now leaves the process stopped.
	for _, process := range list {
		p.board.hold(process, p.fault.ID)
	}
	stopped := p.each(names, func(host Host) result { return p.stopOne(ctx, host, p.held[host.Name]) })
	results = append(results, stopped...)
	if status, _, _ := results.sum(history.FaultInstalled); status == history.FaultSkipped {
		// All of them died in the meantime: nothing is held, so nothing is left to revert.
		p.letGo()
		p.written = false
		return p.settle(results)
	}
	return results
}

func (p *pause) letGo() {
	for _, process := range p.held {
		p.board.release(process, p.fault.ID)
	}
}

// stopOne stops a process and waits until all its threads have stopped: a thread stops only when it next leaves the
// kernel.
func (p *pause) stopOne(ctx context.Context, host Host, process Process) result {
	over, err := p.board.turn(ctx, process)
	if err != nil {
		return failed(err)
	}
	defer over()
	if _, err := p.signal(ctx, host, process, "STOP"); err != nil {
		return failed(err)
	}
	var last sighting
	err = p.await(ctx, host, process, func(s sighting) error {
		if last = s; !s.stoppedWhole() {
			return fmt.Errorf("%s: %v: %d of %d threads are stopped", host.Name, process, s.stopped, s.threads)
		}
		return nil
	})
	switch {
	case errors.Is(err, errDied):
		return skipped(fmt.Sprintf("%v died%s before it was stopped", process, p.by(process)))
	case err != nil:
		return failed(err)
	}
	return done(history.FaultInstalled, "%v is stopped, all %d threads", process, last.threads)
}

// by names the fault that killed a process, if one did.
func (p *pause) by(process Process) string {
	if fault := p.board.killedBy(process); fault != "" {
		return ", killed by " + fault + ","
	}
	return ""
}

// await polls a process until it is in the wanted state. The error is errDied if it dies first.
func (p *pause) await(ctx context.Context, host Host, process Process, wanted func(sighting) error) error {
	died := false
	err := poll(ctx, p.proof, func(ctx context.Context) error {
		s, err := p.watch(ctx, host, process)
		if err != nil {
			return err
		}
		if died = !s.alive; died {
			return nil
		}
		return wanted(s)
	})
	if died {
		return errDied
	}
	return err
}

// remains implements [deed]: every process has all threads stopped, or was killed by another fault.
func (p *pause) remains(ctx context.Context) outcome {
	names, _ := p.among(p.held)
	return p.each(names, func(host Host) result { return p.stoppedStill(ctx, host, p.held[host.Name]) })
}

func (p *pause) stoppedStill(ctx context.Context, host Host, process Process) result {
	var last sighting
	err := poll(ctx, p.proof, func(ctx context.Context) (err error) {
		last, err = p.watch(ctx, host, process)
		return err
	})
	switch {
	case err != nil:
		return failed(err)
	case last.stoppedWhole():
		return done(history.FaultInstalled, "%v is stopped, all %d threads", process, last.threads)
	case last.alive:
		return gone("%s: %v: only %d of %d threads are stopped", host.Name, process, last.stopped, last.threads)
	case p.by(process) == "":
		return gone("%s: %v died while it was stopped, and no fault killed it", host.Name, process)
	}
	return result{} // the revert reports it
}

func (p *pause) revert(ctx context.Context) outcome {
	p.letGo()
	names, _ := p.among(p.held)
	return p.settle(p.each(names, func(host Host) result { return p.resumeOne(ctx, host, p.held[host.Name]) }))
}

// resumeOne resumes a process unless another pause holds it, now or when it is inspected. If it has died in the
// meantime, the process that runs in its place is treated instead: nothing may stay stopped that no pause holds.
func (p *pause) resumeOne(ctx context.Context, host Host, process Process) result {
	seen, err := p.resume(ctx, host, process)
	if err == nil {
		return done(history.FaultReverted, "%v %s", process, seen)
	}
	if !errors.Is(err, errDied) {
		return failed(err)
	}
	why := fmt.Sprintf("%v died%s while it was stopped", process, p.by(process))
	next, err := p.find(ctx, host)
	if err != nil {
		return failed(err)
	}
	if !next.alive || next.stopped == 0 {
		return skipped(why)
	}
	seen, err = p.resume(ctx, host, next.Process)
	switch {
	case errors.Is(err, errDied):
		return skipped(why)
	case err != nil:
		return failed(err)
	}
	return done(history.FaultReverted, "%s; %v %s", why, next.Process, seen)
}

// resume resumes one process and returns what was seen.
func (p *pause) resume(ctx context.Context, host Host, process Process) (seen string, err error) {
	over, err := p.board.turn(ctx, process)
	if err != nil {
		return "", err
	}
	defer over()
	if holder := p.board.heldBy(process); holder != "" {
		return "is left stopped: " + holder + " holds it", nil
	}
	if _, err := p.signal(ctx, host, process, "CONT"); err != nil {
		return "", err
	}
	err = p.await(ctx, host, process, func(s sighting) error {
		if holder := p.board.heldBy(process); holder != "" {
			seen = "is stopped again: " + holder + " holds it"
			return nil
		}
		if s.stopped > 0 {
			return fmt.Errorf("%s: %v: %d of %d threads are still stopped", host.Name, process, s.stopped, s.threads)
		}
		seen = "runs"
		return nil
	})
	return seen, err
}
