package envelope

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"elenchus/harness/fleet"
	"elenchus/harness/lab"
	"elenchus/harness/system"
	"elenchus/nemesis"
	"elenchus/results/envelope"
	"elenchus/results/history"
)

// LabOptions configures a lab's clusters. All but Flags are required.
type LabOptions struct {
	Plan       envelope.Plan
	Hosts      []string // names, in order; they are divided into as many lanes as possible
	Nodes      int      // of a cluster: at least 3
	Renew      time.Duration
	Election   time.Duration // the nodes' election timeout
	NodeBinary string
	Seed       uint64
	Run        string // its name
	Flags      []string
}

// Lab attacks real nodes in a lab. The nemesis moves their clocks and cuts off their leaders, with proof.
type Lab struct {
	options LabOptions
	fleet   *fleet.Fleet
	start   time.Time
	how     string
}

var _ Backend = (*Lab)(nil)

// NewLab returns a backend on a fleet whose clocks can be moved.
func NewLab(f *fleet.Fleet, inv lab.Inventory, o LabOptions) (*Lab, error) {
	if o.Nodes < 3 || len(o.Hosts) < o.Nodes {
		return nil, fmt.Errorf("attack in a lab: clusters of %d nodes on %d hosts: there must be 3 nodes at least, and as "+
			"many hosts", o.Nodes, len(o.Hosts))
	}
	how := "adjtimex in each host's kernel"
	if inv.Kind == lab.Local {
		how = "a shim in the vDSO of each node's process"
	}
	return &Lab{options: o, fleet: f, start: time.Now(), how: how}, nil
}

// How implements [Backend].
func (l *Lab) How() string { return l.how }

// Lanes implements [Backend].
func (l *Lab) Lanes() int { return len(l.options.Hosts) / l.options.Nodes }

// Now implements [Backend].
func (l *Lab) Now() time.Duration { return time.Since(l.start) }

// Start implements [Backend].
func (l *Lab) Start(ctx context.Context, lane int, bound int64) (Subject, error) {
	o := l.options
	lease := system.Lease{Mode: string(o.Plan.Mode), Term: o.Plan.Term, Renew: o.Renew}
	if o.Plan.Mode == envelope.Wall {
		lease.MaxOffset = time.Duration(bound)
	} else {
		lease.DriftBound = driftText(bound)
	}
	hosts := o.Hosts[lane*o.Nodes : (lane+1)*o.Nodes]
	name := fmt.Sprintf("%s%d", o.Plan.Mode, bound)
	cluster, err := l.fleet.Add(ctx, name, hosts, system.Options{
		Binary: o.NodeBinary, Cluster: "elenchus-" + o.Run, Reads: "lease", Lease: lease, Seed: max(1, o.Seed),
		ElectionTimeout: o.Election, Flags: o.Flags,
	})
	if err != nil {
		return nil, err
	}
	return &labSubject{lab: l, cluster: cluster, hosts: hosts}, nil
}

// driftText formats a share in parts per billion for the node's flag.
func driftText(ppb int64) string {
	digits := strconv.FormatInt(envelope.Unit+ppb%envelope.Unit, 10)
	return strconv.FormatInt(ppb/envelope.Unit, 10) + "." + digits[1:]
}

// labSubject is a cluster in a lab.
type labSubject struct {
	lab     *Lab
	cluster *fleet.Cluster
	hosts   []string
}

// Stop implements [Subject].
func (s *labSubject) Stop(ctx context.Context) error { return s.cluster.StopAll(ctx) }

// recoverTimeout limits how long a cluster may take to serve everywhere after an attack was healed.
const recoverTimeout = 30 * time.Second

// Attack implements [Subject].
func (s *labSubject) Attack(ctx context.Context, a Attack, r *Record) (envelope.Probe, error) {
	p := a.probe(s.lab.Now())
	ready, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	if err := s.cluster.Ready(ready); err != nil {
		return p, fmt.Errorf("the cluster does not recover: %w", err)
	}
	var err error
	if p.Leader, err = s.cluster.Leader(ctx); err != nil {
		p.Void = err.Error()
		return p, ctx.Err()
	}
	status, err := s.cluster.Status(ctx, p.Leader)
	if err != nil {
		p.Void = err.Error()
		return p, ctx.Err()
	}
	p.Self = status.Node
	c := &campaign{subject: s, attack: a, record: r, probe: &p}
	err = c.run(ctx)
	if void := (voidError{}); errors.As(err, &void) {
		p.Void, err = void.Error(), nil
	}
	return p, err
}

// voidError says why an attack did not succeed. It does not rule out further attacks.
type voidError struct{ error }

func voided(format string, args ...any) error { return voidError{fmt.Errorf(format, args...)} }

// fault is a fault that stays in effect until it is ended explicitly.
type fault struct {
	installed history.FaultEvent
	end       context.CancelFunc
	reverted  chan error // gets one value
}

// inject has the nemesis apply a fault, and returns once its effect was observed.
func (s *labSubject) inject(ctx context.Context, r *Record, f nemesis.Fault) (*fault, error) {
	now := s.lab.Now()
	f.At, f.For = now, time.Hour // or until it is ended
	events := make(chan history.FaultEvent, 2)
	var recordErr error
	player, err := nemesis.NewPlayer(nemesis.PlayerOptions{
		Schedule: &nemesis.Schedule{Seed: s.lab.options.Seed, Nodes: s.hosts, Length: now + 2*time.Hour,
			Faults: []nemesis.Fault{f}},
		Cluster: s.cluster.Hosts, Ledger: s.lab.fleet.Ledger(), Now: s.lab.Now,
		Record: func(e history.FaultEvent) {
			recordErr = errors.Join(recordErr, r.Fault(e))
			events <- e
		},
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.ID, err)
	}
	// The fault ends when the attack says so, and not with ctx: the attack's clients must end first.
	playing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	active := &fault{end: cancel, reverted: make(chan error, 1)}
	go func() {
		_ = player.Play(playing) // the outcome is in the events
		close(events)
	}()
	active.installed = <-events
	go func() {
		var last history.FaultEvent
		for e := range events {
			last = e
		}
		err := recordErr
		if last.Status != history.FaultReverted {
			err = errors.Join(err, fmt.Errorf("%s could not be reverted: %s", f.ID, last.Error))
		}
		active.reverted <- err
	}()
	if e := active.installed; e.Status == history.FaultSkipped {
		active.end()
		return nil, voided("%s was skipped: %v", f.ID, e.Evidence)
	} else if e.Status != history.FaultInstalled {
		active.end()
		return nil, errors.Join(<-active.reverted, voided("%s did not take effect: %s", f.ID, e.Error))
	}
	return active, nil
}
