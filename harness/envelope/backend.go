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

// Backend is where leases are attacked.
type Backend interface {
	// How says in a few words how clocks are made to be off, for reports.
	How() string

	// Lanes is how many subjects there may be at once, numbered from 0. The methods may be called for different lanes at
	// the same time.
	Lanes() int

	// Start makes a cluster whose leases allow for the bound, in the units of the plan. What the lane had before ends.
	Start(ctx context.Context, lane int, bound int64) (Subject, error)

	// Now is the time since the sweep began: real, or virtual. It never falls.
	Now() time.Duration
}

// Subject is a cluster whose leases are attacked, one attack after the other.
type Subject interface {
	// Attack attacks once and leaves the cluster healed, whatever happened and even if ctx ended meanwhile. An attack
	// that did not come off has Void set in its probe. The error is for what makes further attacks pointless.
	Attack(ctx context.Context, a Attack, r *Record) (envelope.Probe, error)

	// Stop ends the cluster.
	Stop(ctx context.Context) error
}

// Attack says what to do.
type Attack struct {
	Number int
	Key    string // the register for this attack alone
	Plan   envelope.Plan
	Bound  int64 // of the subject
	Drift  int64 // by which the leader's clock is to be slower, or behind
}

// probe is the evidence of an attack of which nothing is known yet.
func (a Attack) probe(now time.Duration) envelope.Probe {
	return envelope.Probe{Number: a.Number, Bound: a.Bound, Drift: a.Drift, Key: a.Key, Begin: now}
}

// Record is where everything that attacks do is written down before anybody concludes anything. It is safe for
// concurrent use.
type Record struct {
	history   *history.Writer
	faults    *history.FaultWriter
	processes atomic.Int64 // how many process ids are taken
}

// Process is a client that nobody has been before, pinned to a node.
type Process struct {
	record *Record
	id     int
	node   string
	seq    uint64
}

// Process starts one.
func (r *Record) Process(node string) *Process {
	return &Process{record: r, id: int(r.processes.Add(1)) - 1, node: node}
}

// ID is its number in the history.
func (p *Process) ID() int { return p.id }

// Do performs and records one operation. After an answer that is unknown the process must not be used again. The error
// means that nothing can be recorded, so that nothing more may be sent.
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
