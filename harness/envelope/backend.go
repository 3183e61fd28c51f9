package envelope

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"elenchus/results/envelope"
	"elenchus/results/history"
	"elenchus/workloads"
)

// Backend provides the clusters whose leases are attacked.
type Backend interface {
	// How describes in a few words how clocks are moved, for reports.
	How() string

	// Lanes returns how many subjects there may be at once, numbered from 0. Methods may be called concurrently for
	// different lanes.
	Lanes() int

	// Start starts a cluster whose leases allow for the bound, in the units of the plan. It ends the lane's
	// previous one.
	Start(ctx context.Context, lane int, bound int64) (Subject, error)

	// Now returns the time since the sweep began, real or virtual. It never decreases.
	Now() time.Duration
}

// Subject is a cluster whose leases are attacked, one attack after another.
type Subject interface {
	// Attack carries out one attack and leaves the cluster healed, whatever happened and even if ctx ended
	// meanwhile. An attack that did not succeed has Void set in its probe. An error means that further attacks are
	// pointless.
	Attack(ctx context.Context, a Attack, r *Record) (envelope.Probe, error)

	// Stop ends the cluster.
	Stop(ctx context.Context) error
}

// Attack describes an attack.
type Attack struct {
	Number int
	Key    string // the register for this attack alone
	Plan   envelope.Plan
	Bound  int64 // of the subject
	Drift  int64 // how much slower, or how far behind, the leader's clock is to be
}

// probe returns the probe of an attack that has not begun.
func (a Attack) probe(now time.Duration) envelope.Probe {
	return envelope.Probe{Number: a.Number, Bound: a.Bound, Drift: a.Drift, Key: a.Key, Begin: now}
}

// Record stores everything that attacks do, before anything is concluded from it. It is safe for concurrent use.
type Record struct {
	history   *history.Writer
	faults    *history.FaultWriter
	processes atomic.Int64 // number of process ids handed out
}

// Process is a client with a new process id, pinned to a node.
type Process struct {
	record *Record
	id     int
	node   string
	seq    uint64
}

// Process returns a new process.
func (r *Record) Process(node string) *Process {
	return &Process{record: r, id: int(r.processes.Add(1)) - 1, node: node}
}

// ID returns the process's number in the history.
func (p *Process) ID() int { return p.id }

// Do performs and records one operation. After an unknown outcome the process must not be used again. An error
// means that nothing can be recorded, so nothing more may be sent.
func (p *Process) Do(ctx context.Context, c workloads.Client, op history.Op) (workloads.Answer, error) {
	p.seq++
	inv, err := p.record.history.Invoke(p.id, p.node, history.PhaseMain, op)
	if err != nil {
		return workloads.Answer{}, fmt.Errorf("record invocation: %w", err)
	}
	a := c.Do(ctx, p.seq, op)
	if _, err := p.record.history.Complete(inv, a.Type, a.Result, a.Reason, a.By); err != nil {
		return workloads.Answer{}, fmt.Errorf("record completion: %w", err)
	}
	return a, nil
}

// Fault records a step of a fault.
func (r *Record) Fault(e history.FaultEvent) error { return r.faults.Append(e) }
