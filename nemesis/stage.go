package nemesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"elenchus/results/history"
)

// stage is what faults are played on, and with: the hosts, what can be done to them, and what other faults are doing.
type stage struct {
	actuator
	hosts  []Host
	board  *board
	ledger *Ledger
	proof  time.Duration // how long an effect may take to be seen
}

func newStage(a actuator, hosts []Host, ledger *Ledger, proof time.Duration) *stage {
	hosts = slices.Clone(hosts)
	for i := range hosts {
		hosts[i].Peer = hosts[i].Peer.Unmap()
	}
	return &stage{actuator: a, hosts: hosts, board: newBoard(), ledger: ledger, proof: proof}
}

func (s *stage) host(name string) Host {
	for _, host := range s.hosts {
		if host.Name == name {
			return host
		}
	}
	panic(fmt.Sprintf("nemesis: no host %q, though the schedule was checked", name))
}

// each does something with some hosts at the same time; the results are in the order of the hosts.
func (s *stage) each(names []string, do func(host Host) result) outcome {
	results := make(outcome, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() {
			results[i] = do(s.host(name))
			results[i].node = name
		})
	}
	group.Wait()
	return results
}

// deed is a resolved fault, ready to be done and undone.
type deed interface {
	// apply does it and proves it. Unless entered is true afterwards, nothing was done that needs to be undone.
	apply(ctx context.Context) outcome
	entered() bool

	// remains looks again, right before the revert of a fault that was seen to take effect, and fails wherever its effect
	// is gone although nobody of ours ended it: what happened meanwhile may not have happened under the fault.
	remains(ctx context.Context) outcome

	// revert undoes it and proves that; the ledger is settled if it succeeds. It may be called again if it fails.
	revert(ctx context.Context) outcome
}

func (s *stage) deed(r Resolved) deed {
	base := deedBase{stage: s, fault: r.Fault, targets: r.Targets}
	switch r.Fault.Kind {
	case Partition:
		return &partition{deedBase: base, cuts: r.Cuts}
	case Kill:
		return &kill{deedBase: base}
	case Pause:
		return &pause{deedBase: base}
	case Clock:
		return &clock{deedBase: base}
	}
	panic(fmt.Sprintf("nemesis: nobody knows how to do a %q, though the schedule was checked", r.Fault.Kind))
}

// deedBase is what all deeds have.
type deedBase struct {
	*stage
	fault   Fault
	targets []string
	number  int // in the ledger
	written bool
}

func (d *deedBase) entered() bool { return d.written }

// enter writes the deed into the ledger.
func (d *deedBase) enter(hosts []string, processes []Process) error {
	number, err := d.ledger.Enter(Entry{
		ID: d.fault.ID, Kind: d.fault.Kind, Played: d.fault.Detail(), Hosts: hosts, Processes: processes,
	})
	if err != nil {
		return err
	}
	d.number, d.written = number, true
	return nil
}

// running finds the processes of the targets, by node. The outcome is about the nodes where there is none.
func (d *deedBase) running(ctx context.Context) (map[string]Process, outcome) {
	var mu sync.Mutex
	processes := map[string]Process{}
	results := d.each(d.targets, func(host Host) result {
		s, err := d.find(ctx, host)
		switch {
		case err != nil:
			return failed(err)
		case !s.alive:
			return skipped(s.dead())
		}
		mu.Lock()
		defer mu.Unlock()
		processes[host.Name] = s.Process
		return result{}
	})
	return processes, slices.DeleteFunc(results, func(r result) bool { return r.status == "" })
}

// among are the targets that are in the map, in order.
func (d *deedBase) among(processes map[string]Process) (names []string, list []Process) {
	for _, name := range d.targets {
		if p, ok := processes[name]; ok {
			names, list = append(names, name), append(list, p)
		}
	}
	return names, list
}

// settle closes the deed's entry in the ledger if all went well, and reports it if that cannot be done.
func (d *deedBase) settle(o outcome) outcome {
	if o.err() != nil {
		return o
	}
	if err := d.ledger.Settle(d.number); err != nil {
		return append(o, failed(err))
	}
	return o
}

// result is what came of a step on one node.
type result struct {
	node   string
	status history.FaultStatus // empty for evidence that decides nothing
	seen   string
	err    error
}

func done(status history.FaultStatus, format string, args ...any) result {
	return result{status: status, seen: fmt.Sprintf(format, args...)}
}

func skipped(why string) result { return result{status: history.FaultSkipped, seen: "skipped: " + why} }

func failed(err error) result { return result{status: history.FaultFailed, err: err} }

// goneError says that an effect was looked for and is not there, as opposed to one that could not be looked for.
type goneError struct{ text string }

func (e *goneError) Error() string { return e.text }

func gone(format string, args ...any) result { return failed(&goneError{fmt.Sprintf(format, args...)}) }

// outcome is what came of a step, node by node.
type outcome []result

// sum puts the results together: a step failed if it failed anywhere, and is skipped if it was skipped everywhere.
func (o outcome) sum(success history.FaultStatus) (history.FaultStatus, []string, error) {
	status := history.FaultSkipped
	var evidence []string
	var errs []error
	for _, r := range o {
		switch {
		case r.status == history.FaultFailed:
			errs = append(errs, r.err)
		case r.status == success && status == history.FaultSkipped:
			status = success
		}
		if r.seen != "" {
			evidence = append(evidence, strings.TrimPrefix(r.node+": "+r.seen, ": "))
		}
	}
	if len(errs) > 0 {
		status = history.FaultFailed
	}
	return status, evidence, errors.Join(errs...)
}

// err is what went wrong anywhere.
func (o outcome) err() error {
	_, _, err := o.sum("")
	return err
}

// poll calls check until it returns nil, or the time is over or the context done; then it returns what check said last.
// It waits a little longer after every call, up to a tenth of a second.
func poll(ctx context.Context, limit time.Duration, check func(ctx context.Context) error) error {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := check(ctx)
		if err == nil {
			return nil
		}
		// An error because the time is over says less than the one before it.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		if sleep(ctx, wait) != nil && whole.Err() != nil {
			return fmt.Errorf("stopped (%w): %w", context.Cause(whole), last)
		} else if ctx.Err() != nil {
			return fmt.Errorf("given up after %v: %w", limit, last)
		}
	}
}

// sleep waits for a time, or until the context is done, which is its error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// board is where faults that overlap learn of each other.
type board struct {
	mu    sync.Mutex
	cuts  map[string][]Cut            // by the fault that cuts
	holds map[Process]map[string]bool // the pauses that hold a process
	kills map[Process]string          // the kill that killed a process
	last  map[string]Process          // by host: the process that was killed last
	turns map[Process]chan struct{}   // whose turn it is to stop a process, or to have it go on
}

func newBoard() *board {
	return &board{cuts: map[string][]Cut{}, holds: map[Process]map[string]bool{}, kills: map[Process]string{},
		last:  map[string]Process{},
		turns: map[Process]chan struct{}{}}
}

// turn waits for the right to stop a process or to have it go on, which one fault at a time has: else one that ends,
// and has seen that nobody holds the process, could undo what another has just proven.
func (b *board) turn(ctx context.Context, p Process) (over func(), err error) {
	b.mu.Lock()
	turn := b.turns[p]
	if turn == nil {
		turn = make(chan struct{}, 1)
		b.turns[p] = turn
	}
	b.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another fault to be done with %v: %w", p, context.Cause(ctx))
	}
}

func (b *board) setCuts(fault string, cuts []Cut) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cuts == nil {
		delete(b.cuts, fault)
		return
	}
	b.cuts[fault] = cuts
}

// cutBy names a fault that keeps two nodes from talking, in one direction or the other, or none.
func (b *board) cutBy(one, other string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for name, cuts := range b.cuts {
		if slices.Contains(cuts, Cut{one, other}) || slices.Contains(cuts, Cut{other, one}) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}

// hold notes that a pause holds a process.
func (b *board) hold(p Process, fault string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holds[p] == nil {
		b.holds[p] = map[string]bool{}
	}
	b.holds[p][fault] = true
}

// release notes that a pause holds a process no more.
func (b *board) release(p Process, fault string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.holds[p], fault)
	if len(b.holds[p]) == 0 {
		delete(b.holds, p)
	}
}

// heldBy names a pause that holds a process, or none.
func (b *board) heldBy(p Process) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for name := range b.holds[p] {
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}

// claim notes which kill kills a process, and says whether that is this one.
func (b *board) claim(p Process, fault string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, taken := b.kills[p]; !taken {
		b.kills[p], b.last[p.Host] = fault, p
	}
	return b.kills[p] == fault
}

// killedSince names the kill that killed another process of the same host after this one, or none.
func (b *board) killedSince(p Process) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if last := b.last[p.Host]; last != p {
		return b.kills[last]
	}
	return ""
}

// killedBy names the kill that killed a process, or none.
func (b *board) killedBy(p Process) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kills[p]
}
