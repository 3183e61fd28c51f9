package nemesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"elenchus/nemesis/hostclock"
	"elenchus/results/history"
)

// probePort is the destination of probes: the discard port (RFC 863), on which hardly anything listens, and where a
// listener does no harm. Datagrams to it are dropped at the head of INPUT. The hosts' own rules must let
// connections to it be accepted or refused, but must not drop them.
const probePort = 9

// leaderTimeout limits the query for the leader; without an answer a random node stands in.
const leaderTimeout = time.Second

// stepTimeouts limits a whole step, in multiples of ProofTimeout.
const stepTimeouts = 4

// lookTimeouts limits the check that a fault has lasted, in multiples of ProofTimeout.
const lookTimeouts = 2

// PlayerOptions configures a [Player]. Schedule and Cluster are required.
type PlayerOptions struct {
	Schedule *Schedule
	Cluster  Cluster

	// Ledger records what is outstanding in case this process dies. Nil means that nothing is recorded.
	Ledger *Ledger

	// Record is called with every step of every fault, one at a time, in the order in which they end. It may be
	// nil.
	Record func(history.FaultEvent)

	// Now returns the time since the run began, on the clock of the history. Nil means the time since Play was
	// called.
	Now func() time.Duration

	// Log receives messages for humans. It may be nil.
	Log func(format string, args ...any)

	// InTurn lets no hunt begin before the one before it is over: on a busy machine hunts, and all faults of each, come
	// later than planned, and the last ones not at all. Hunts are faults whose names begin alike, up to a dash, as [Plan]
	// names them.
	InTurn bool

	// ProofTimeout limits how long an effect, or its end, may take to be observed. Zero means 15 s.
	ProofTimeout time.Duration
}

// Player plays a schedule against a cluster. Create one with [NewPlayer] for each run.
type Player struct {
	options PlayerOptions
	stage   *stage
	emitter sync.Mutex // held while a step is recorded

	mu      sync.Mutex
	stop    context.CancelCauseFunc // cancels Play, once it has been called
	played  chan struct{}           // closed when Play is over
	healing bool
	active  []*activity // in the order of application

	turns *turns               // nil if every fault comes at its planned time
	lost  func() bool          // reports whether Play was ended by ErrLost; nil before Play
	until func() time.Duration // when Play found its context done; the same for every caller
	cut   bool                 // the context was done before everything was over
}

// activity is a fault that has been applied, possibly only in part.
type activity struct {
	fault Fault
	event history.FaultEvent // of the apply step
	deed  deed

	mu       sync.Mutex // held while it is being reverted
	checked  bool       // whether it lasted; checked only once, because after a failed revert the state is unknown
	reverted bool
}

// ErrLost is the cancellation cause that tells [Player.Play] that somebody else has taken over the hosts.
var ErrLost = errors.New("the hosts are somebody else's")

var (
	errHealed      = errors.New("stopped by HealAll")
	errPlayedTwice = errors.New("play faults: a player plays once, and not after HealAll")
)

// NewPlayer returns a player after checking everything that can be checked before the run.
func NewPlayer(o PlayerOptions) (*Player, error) {
	var problems []error
	if o.Cluster == nil {
		problems = append(problems, errors.New("no cluster"))
	}
	if o.Schedule == nil {
		problems = append(problems, errors.New("no schedule"))
	}
	if o.ProofTimeout < 0 {
		problems = append(problems, fmt.Errorf("the proof timeout %v is negative", o.ProofTimeout))
	}
	if len(problems) == 0 {
		problems = append(problems, o.Schedule.Validate(), checkHosts(o.Cluster.Hosts()))
		for _, node := range o.Schedule.Nodes {
			if !slices.ContainsFunc(o.Cluster.Hosts(), func(h Host) bool { return h.Name == node }) {
				problems = append(problems, fmt.Errorf("the schedule has a node %s, the cluster does not", node))
			}
		}
	}
	if errors.Join(problems...) == nil {
		problems = append(problems, o.Schedule.CheckClocks(func(node string) hostclock.Way {
			i := slices.IndexFunc(o.Cluster.Hosts(), func(h Host) bool { return h.Name == node })
			return o.Cluster.Hosts()[i].Clock.Way()
		}))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("make player: %w", err)
	}
	o = o.withDefaults()
	return newPlayer(o, newShell(o.Cluster)), nil
}

func (o PlayerOptions) withDefaults() PlayerOptions {
	if o.Record == nil {
		o.Record = func(history.FaultEvent) {}
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	if o.ProofTimeout == 0 {
		o.ProofTimeout = 15 * time.Second
	}
	return o
}

func newPlayer(o PlayerOptions, a actuator) *Player {
	p := &Player{
		options: o,
		stage:   newStage(a, o.Cluster.Hosts(), o.Ledger, o.ProofTimeout),
		played:  make(chan struct{}),
	}
	if o.InTurn {
		p.turns = newTurns(o.Schedule.Faults)
	}
	return p
}

// Play applies the faults at their times and reverts those that end during the run. It returns when that is done;
// faults without an end stay until [Player.HealAll]. Every fault has its own goroutine, so a slow one delays no
// other.
//
// A fault that fails to be applied is reverted at once. The error joins all failures. Later faults are played
// nevertheless; to end the run at the first failure, watch Record and cancel the context. When the context is
// cancelled no more faults fire, all active ones are reverted, and the error is the context's cause. If the cause
// is [ErrLost] nothing is reverted: the new owner of the hosts has healed them, and the same process or chain may
// now be theirs.
func (p *Player) Play(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p.mu.Lock()
	if p.stop != nil || p.healing {
		p.mu.Unlock()
		return errPlayedTwice
	}
	p.stop = stop
	if p.options.Now == nil {
		began := time.Now()
		p.options.Now = func() time.Duration { return time.Since(began) }
	}
	p.until = sync.OnceValue(p.options.Now)
	p.lost = func() bool { return errors.Is(context.Cause(ctx), ErrLost) }
	p.mu.Unlock()
	defer close(p.played)

	errs := make([]error, len(p.options.Schedule.Faults))
	var group sync.WaitGroup
	for i, fault := range p.options.Schedule.Faults {
		group.Go(func() { errs[i] = p.playOne(ctx, fault) })
	}
	group.Wait()
	if ctx.Err() != nil {
		p.cut = true
		errs = append(errs, p.revertAll(context.WithoutCancel(ctx)), context.Cause(ctx))
	}
	return errors.Join(errs...)
}

// playOne plays one fault from start to end.
func (p *Player) playOne(ctx context.Context, fault Fault) error {
	defer func() { p.turns.over(fault, p.options.Now()) }()
	late, err := p.turns.wait(ctx, fault)
	if err != nil || p.sleepUntil(ctx, fault.At+late) != nil {
		return p.miss(fault)
	}
	a, err := p.fire(ctx, fault)
	if a == nil {
		return err
	}
	if err != nil {
		return errors.Join(err, p.revert(context.WithoutCancel(ctx), a, p.options.Now()))
	}
	end, reverted := fault.End()
	if !reverted {
		return nil
	}
	if end += late; p.sleepUntil(ctx, end) != nil {
		end = p.options.Now()
	}
	// Revert even if the run is over: an installed fault does not end by itself.
	return p.revert(context.WithoutCancel(ctx), a, end)
}

// miss records a fault that was due but found the run over. Faults further ahead are not recorded: see
// [Player.Until].
func (p *Player) miss(fault Fault) error {
	at := p.until()
	if fault.At > at {
		return nil
	}
	return p.emit(history.FaultEvent{
		ID: fault.ID, Kind: fault.Kind, Detail: fault.Detail(), Step: history.FaultApply, Status: history.FaultSkipped,
		Planned: fault.At, Begin: at, Evidence: []string{"skipped: the run was over"},
	}, nil)
}

// Until returns the time up to which the schedule was played, once Play has returned: every fault planned no later
// than that has been reported as installed, skipped or failed. It is the schedule's length if all of it was played,
// and 0 if Play was not called.
func (p *Player) Until() time.Duration {
	p.mu.Lock()
	stopped := p.until
	p.mu.Unlock()
	select {
	case <-p.played:
	default:
		return 0
	}
	if p.cut {
		return stopped()
	}
	return p.options.Schedule.Length
}

func (p *Player) sleepUntil(ctx context.Context, at time.Duration) error {
	for {
		left := at - p.options.Now()
		if left <= 0 || ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := sleep(ctx, left); err != nil {
			return err
		}
	}
}

// fire resolves and applies a fault. The activity is nil if there is nothing to revert.
func (p *Player) fire(ctx context.Context, fault Fault) (*activity, error) {
	event := history.FaultEvent{
		ID: fault.ID, Kind: fault.Kind, Detail: fault.Detail(),
		Step: history.FaultApply, Planned: fault.At, Begin: p.options.Now(),
	}
	var roles Roles
	roles, event.Evidence = p.roles(ctx, fault)
	event.Begin = p.options.Now() // nothing was touched before this time
	resolved, err := fault.Resolve(p.options.Schedule.Nodes, p.options.Schedule.Seed, roles)
	switch {
	case errors.Is(err, ErrNobody):
		event.Status, event.Evidence = history.FaultSkipped, append(event.Evidence, "skipped: "+err.Error())
		return nil, p.emit(event, nil)
	case err != nil:
		event.Status = history.FaultFailed
		return nil, p.emit(event, err)
	}
	event.Targets, event.Played = resolved.Targets, resolved.Fault.Detail()
	a := &activity{fault: fault, deed: p.stage.deed(resolved)}
	p.mu.Lock()
	p.active = append(p.active, a)
	p.mu.Unlock()
	a.mu.Lock()
	ctx, leave := lingering(ctx, seeThrough)
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, stepTimeouts*p.options.ProofTimeout)
	defer cancel()
	status, evidence, err := a.deed.apply(ctx).sum(history.FaultInstalled)
	event.Status, event.Evidence = status, slices.Concat(event.Evidence, resolved.Notes, evidence)
	err = p.emit(event, err)
	a.event = event
	entered := a.deed.entered()
	a.reverted = !entered
	a.mu.Unlock()
	if !entered {
		return nil, err
	}
	return a, err
}

// seeThrough is how long a fault that is being applied when the run ends may continue, so that its outcome is
// known: installed or impossible. Cancelled at once, it would count as failed without being anybody's fault.
const seeThrough = 3 * time.Second

// lingering returns a context that ends a little later than its parent.
func lingering(parent context.Context, later time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		_ = sleep(ctx, later) // returns early once the context is no longer needed
		cancel(context.Cause(parent))
	})
	return ctx, func() { stop(); cancel(nil) }
}

// roles asks for the leader if the fault depends on it.
func (p *Player) roles(ctx context.Context, fault Fault) (Roles, []string) {
	needed := false
	for _, group := range fault.Groups {
		for _, target := range group {
			needed = needed || target == RoleLeader || target == RoleFollower || target == RoleFollowers
		}
	}
	if !needed {
		return Roles{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaderTimeout)
	defer cancel()
	leader, err := p.options.Cluster.Leader(ctx)
	switch {
	case err != nil:
		return Roles{}, []string{"asking for the leader: " + err.Error()}
	case leader != "" && !slices.Contains(p.options.Schedule.Nodes, leader):
		return Roles{}, []string{fmt.Sprintf("the leader is said to be %q, which is no node of the schedule", leader)}
	}
	return Roles{Leader: leader}, nil
}

// revert reverts a fault and records that, unless it has been done already or the hosts were lost.
func (p *Player) revert(ctx context.Context, a *activity, planned time.Duration) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.reverted || p.lost() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeouts*p.options.ProofTimeout)
	defer cancel()
	event := a.event
	event.Step, event.Planned, event.Begin = history.FaultRevert, planned, p.options.Now()
	seen, lapse := p.lasted(ctx, a)
	status, evidence, err := a.deed.revert(ctx).sum(history.FaultReverted)
	a.reverted = err == nil
	if lapse != nil {
		status = history.FaultFailed
	}
	event.Status, event.Evidence = status, slices.Concat(seen, evidence)
	return p.emit(event, errors.Join(lapse, err))
}

// lasted checks, just before the revert, that a fault that took effect is still in place. The check comes after the
// time recorded as the beginning of the revert, so an effect seen now lasted until that time.
func (p *Player) lasted(ctx context.Context, a *activity) (seen []string, err error) {
	if a.event.Status != history.FaultInstalled || a.checked {
		return nil, nil
	}
	a.checked = true
	ctx, cancel := context.WithTimeout(ctx, lookTimeouts*p.options.ProofTimeout) // leave time for the revert
	defer cancel()
	_, evidence, err := a.deed.remains(ctx).sum(history.FaultInstalled)
	for _, text := range evidence {
		seen = append(seen, "before: "+text)
	}
	switch gone := (*goneError)(nil); {
	case err == nil:
		return seen, nil
	case errors.As(err, &gone):
		return seen, fmt.Errorf("did not last: %w", err)
	}
	return seen, fmt.Errorf("is not known to have lasted: %w", err) // a host could not be reached
}

// emit records a step that has just ended, with its error.
func (p *Player) emit(event history.FaultEvent, err error) error {
	p.emitter.Lock()
	defer p.emitter.Unlock()
	event.End, event.Error = p.options.Now(), ""
	if err != nil {
		event.Error = err.Error()
		err = fmt.Errorf("%s %s (%s %s): %w", event.Step, event.ID, event.Kind, event.Detail, err)
	}
	p.options.Record(event)
	p.options.Log("%s %s %s %s (%s): %s", event.Step, event.ID, event.Kind, event.Detail, event.Played, event.Status)
	return err
}

// revertAll reverts all active faults concurrently.
func (p *Player) revertAll(ctx context.Context) error {
	p.mu.Lock()
	active := slices.Clone(p.active)
	p.mu.Unlock()
	errs := make([]error, len(active))
	var group sync.WaitGroup
	for i, a := range active {
		group.Go(func() { errs[i] = p.revert(ctx, a, p.options.Now()) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// HealAll stops Play if it is still running, reverts all active faults, and then heals whatever is still found on
// the hosts, including killed processes. It may be called at any time, from another goroutine, and repeatedly; the
// harness calls it at the end of every run, however the run ended.
func (p *Player) HealAll(ctx context.Context) (HealReport, error) {
	p.mu.Lock()
	p.healing = true
	stop := p.stop
	if p.options.Now == nil {
		began := time.Now()
		p.options.Now = func() time.Duration { return time.Since(began) }
	}
	p.mu.Unlock()
	if stop != nil {
		stop(errHealed)
		select {
		case <-p.played:
		case <-ctx.Done():
			return HealReport{}, fmt.Errorf("heal: faults are still being reverted: %w", context.Cause(ctx))
		}
	}
	err := p.revertAll(ctx)
	report, healErr := heal(ctx, p.stage.actuator, p.stage.hosts, HealOptions{
		Ledger: p.options.Ledger, Restart: true, Timeout: p.options.ProofTimeout,
	})
	for _, found := range report.Found {
		p.options.Log("heal: %s", found)
	}
	if healErr == nil && err != nil {
		// What could not be reverted individually has now been healed.
		p.options.Log("heal: put right after: %v", err)
	}
	return report, healErr
}
