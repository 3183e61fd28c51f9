package envelope

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"elenchus/nemesis"
	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
	"elenchus/results/envelope"
	"elenchus/results/history"
	"elenchus/workloads"
	"elenchus/workloads/paxosclient"
)

// The clients' load. In the interesting cases, the window in which an answer can be stale is tens of milliseconds.
const (
	readers     = 2                      // at the leader
	readEvery   = 10 * time.Millisecond  // each
	readTimeout = 100 * time.Millisecond // a read without an answer blocks its reader
	writeEvery  = 20 * time.Millisecond  // at the new leader
	opTimeout   = 500 * time.Millisecond // of everything else
	askEvery    = 3 * time.Millisecond   // polls for the leader
	aftermath   = 60 * time.Millisecond  // reads continue this long after the lease is over and another leads

	// takeOverTimeout limits the election of a new leader once nothing prevents it any more.
	takeOverTimeout = 4 * time.Second
)

// campaign is one attack in a lab.
type campaign struct {
	subject *labSubject
	attack  Attack
	record  *Record
	probe   *envelope.Probe
	faults  []*fault
	values  atomic.Int64 // the last value written
	taken   atomic.Int64 // when a write was first acknowledged elsewhere; zero before that
}

// run carries out the attack: the leader's clock goes wrong, it renews its lease by that clock and is cut off, and
// clients read from it while others write elsewhere, until its lease is over by any clock and another leader
// serves.
func (c *campaign) run(ctx context.Context) error {
	err := c.strike(ctx)
	c.probe.Healed = c.now()
	for _, f := range c.faults {
		f.end()
	}
	var left []error
	for _, f := range c.faults {
		left = append(left, <-f.reverted)
	}
	if left := errors.Join(left...); left != nil {
		return left // even if the attack has failed
	}
	return err
}

func (c *campaign) now() time.Duration { return c.subject.lab.Now() }

func (c *campaign) strike(ctx context.Context) error {
	if err := c.writeFirst(ctx); err != nil {
		return err
	}
	if c.attack.Drift > 0 {
		f, err := c.inject(ctx, c.clockFault())
		if err != nil {
			return err
		}
		c.probe.Moved = f.installed.End
		if len(f.installed.Evidence) > 0 {
			c.probe.Clock = f.installed.Evidence[len(f.installed.Evidence)-1]
		}
		// Wait until the lease in effect was requested by the moved clock.
		if !sleep(ctx, c.stretched(c.subject.lab.options.Renew)) {
			return voided("interrupted")
		}
	}
	group, clients := errgroup.WithContext(ctx)
	clients, stop := context.WithCancel(clients)
	defer stop()
	for range readers {
		group.Go(func() error { return c.reader(clients) })
	}
	c.awaitRenewal(ctx)
	cut := c.now()
	f, err := c.inject(ctx, nemesis.Fault{ID: fmt.Sprintf("p%d-cut", c.attack.Number), Kind: nemesis.Partition,
		Shape: nemesis.Isolate, Groups: [][]string{{c.probe.Leader}}})
	if err == nil {
		c.probe.Cut, c.probe.Alone = f.installed.Begin, f.installed.End
		for _, host := range c.subject.hosts {
			if host != c.probe.Leader {
				group.Go(func() error { return c.usurper(clients, host) })
			}
		}
		c.untilOver(clients, cut)
	}
	stop()
	if failed := group.Wait(); failed != nil {
		return failed
	}
	if err == nil && c.taken.Load() == 0 {
		return voided("nobody took over within %v", takeOverTimeout)
	}
	return err
}

// awaitRenewal returns when the leader has just renewed its lease. A cut is not in place everywhere at once: a
// renewal in flight meanwhile can be granted without the leader learning of it, which binds the others for longer
// than the leader relies on. If no renewal is seen the attack continues nevertheless.
func (c *campaign) awaitRenewal(ctx context.Context) {
	renew := c.stretched(c.subject.lab.options.Renew)
	var until int64
	for end := c.now() + 3*renew; c.now() < end; {
		status, err := c.subject.cluster.Status(ctx, c.probe.Leader)
		if err == nil && until != 0 && status.Lease.HeldUntilNS > until {
			return
		}
		if err == nil {
			until = status.Lease.HeldUntilNS
		}
		if !sleep(ctx, askEvery) {
			return
		}
	}
}

// stretched converts a duration by the leader's clock to real time.
func (c *campaign) stretched(d time.Duration) time.Duration {
	if c.attack.Plan.Mode == envelope.Wall {
		return d
	}
	return d + time.Duration(float64(d)*float64(c.attack.Drift)/envelope.Unit)
}

func (c *campaign) clockFault() nemesis.Fault {
	f := nemesis.Fault{ID: fmt.Sprintf("p%d-clock", c.attack.Number), Kind: nemesis.Clock, Shape: nemesis.ClockRate,
		Groups: [][]string{{c.probe.Leader}}}
	if c.attack.Plan.Mode == envelope.Wall {
		f.Shape = nemesis.ClockStep
	}
	f.Move = Move(c.attack.Plan.Mode, c.attack.Drift)
	return f
}

// Move returns the clock fault that makes a leader's clock slower, or sets it back.
func Move(mode envelope.Mode, drift int64) hostclock.Move {
	if mode == envelope.Wall {
		return hostclock.Move{Step: -time.Duration(drift)}
	}
	return hostclock.Move{Rate: slower(drift)}
}

// slower returns the rate of a clock that others outrun by a factor of 1+drift. It is rounded up, so that a clock
// exactly at the bound of the leases is not beyond it.
func slower(drift int64) clockshim.Rate {
	others := envelope.Unit + drift
	return clockshim.Rate((envelope.Unit*envelope.Unit + others - 1) / others)
}

func (c *campaign) inject(ctx context.Context, f nemesis.Fault) (*fault, error) {
	active, err := c.subject.inject(ctx, c.record, f)
	if err == nil {
		c.faults = append(c.faults, active)
	}
	return active, err
}

// session is a client with its own process.
type session struct {
	*Process
	client workloads.Client
}

func (c *campaign) session(host string) session {
	p := c.record.Process(host)
	return session{p, paxosclient.New(c.subject.cluster.URL(host), uint64(p.ID())+1)}
}

// do performs an operation regardless of ctx being cancelled meanwhile; only the timeout ends it.
func (s session) do(ctx context.Context, timeout time.Duration, op history.Op) (workloads.Answer, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	return s.Do(ctx, s.client, op)
}

func (s session) close() { _ = s.client.Close() } // the connection is no longer needed

func (c *campaign) write() history.Op {
	return history.Op{Func: history.Write, Key: c.attack.Key, Value: c.values.Add(1)}
}

// writeFirst writes the value that will be overwritten.
func (c *campaign) writeFirst(ctx context.Context) error {
	s := c.session(c.probe.Leader)
	defer s.close()
	a, err := s.do(ctx, opTimeout, c.write())
	if err == nil && a.Type != history.OK {
		return voided("the first write was not acknowledged: %s %s", a.Type, a.Reason)
	}
	return err
}

// reader reads at the leader until ctx ends.
func (c *campaign) reader(ctx context.Context) error {
	s := c.session(c.probe.Leader)
	defer func() { s.close() }()
	for {
		begin := time.Now()
		a, err := s.do(ctx, readTimeout, history.Op{Func: history.Read, Key: c.attack.Key})
		if err != nil {
			return err
		}
		if a.Type == history.Unknown {
			s.close()
			s = c.session(c.probe.Leader)
		}
		if !sleep(ctx, readEvery-time.Since(begin)) {
			return nil
		}
	}
}

// usurper waits until its host leads, and writes there until ctx ends.
func (c *campaign) usurper(ctx context.Context, host string) error {
	for {
		if status, err := c.subject.cluster.Status(ctx, host); err == nil && status.Role == "leader" {
			break
		}
		if !sleep(ctx, askEvery) {
			return nil
		}
	}
	s := c.session(host)
	defer func() { s.close() }()
	for {
		a, err := s.do(ctx, opTimeout, c.write())
		if err != nil {
			return err
		}
		switch a.Type {
		case history.OK:
			c.taken.CompareAndSwap(0, int64(c.now()))
		case history.Unknown:
			s.close()
			s = c.session(host)
		}
		if !sleep(ctx, writeEvery) {
			return nil
		}
	}
}

// untilOver waits until the leader's lease is over by any clock and another leader has acknowledged a write, or
// until that can no longer be expected.
func (c *campaign) untilOver(ctx context.Context, cut time.Duration) {
	plan := c.attack.Plan
	lease := cut + c.stretched(plan.Term)
	if plan.Mode == envelope.Wall {
		lease += time.Duration(c.attack.Drift)
	}
	grants := cut + plan.Term - min(0, plan.Window(c.attack.Bound, 0))
	for {
		now, taken := c.now(), time.Duration(c.taken.Load())
		over := max(lease, taken) + aftermath
		if taken > 0 && now >= over || now >= max(lease, grants)+takeOverTimeout || !sleep(ctx, aftermath/4) {
			return
		}
	}
}

// sleep waits for d and reports whether ctx lasted that long.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
