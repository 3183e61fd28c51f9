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

// stage is what faults share: the hosts, the actuator, and the state of other active faults.
type stage struct {
	actuator
	hosts  []Host
	board  *board
	ledger *Ledger
	proof  time.Duration // limit for an effect to be observed
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

// each runs do on some hosts concurrently; the results are in the order of the hosts.
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

// deed is a resolved fault that can be applied and reverted.
type deed interface {
	// apply applies the fault and proves its effect. Unless entered is true afterwards, there is nothing to revert.
	apply(ctx context.Context) outcome
	entered() bool

	// remains checks, right before the revert of a fault that took effect, that the effect is still there. It fails
	// wherever the effect is gone although no fault of ours ended it: the run may not have been under that fault
	// all the time.
	remains(ctx context.Context) outcome

	// revert undoes the fault and proves that; on success the ledger entry is settled. After a failure it may be
	// called again.
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
	case Transfer:
		return &transfer{deedBase: base}
	}
	panic(fmt.Sprintf("nemesis: nobody knows how to do a %q, though the schedule was checked", r.Fault.Kind))
}

// deedBase holds what all deeds have in common.
type deedBase struct {
	*stage
	fault   Fault
	targets []string
	number  int // of the ledger entry
	written bool
}

func (d *deedBase) entered() bool { return d.written }

// enter records the deed in the ledger.
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

// running finds the processes of the targets, by node. The outcome covers the nodes that have none.
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

// among returns the targets that are in the map, in order.
func (d *deedBase) among(processes map[string]Process) (names []string, list []Process) {
	for _, name := range d.targets {
		if p, ok := processes[name]; ok {
			names, list = append(names, name), append(list, p)
		}
	}
	return names, list
}

// settle closes the deed's ledger entry if the outcome is a success; failing to do so becomes part of the outcome.
func (d *deedBase) settle(o outcome) outcome {
	if o.err() != nil {
		return o
	}
	if err := d.ledger.Settle(d.number); err != nil {
		return append(o, failed(err))
	}
	return o
}

// result is the outcome of a step on one node.
type result struct {
	node   string
	status history.FaultStatus // empty for evidence that does not affect the status
	seen   string
	err    error
}

func done(status history.FaultStatus, format string, args ...any) result {
	return result{status: status, seen: fmt.Sprintf(format, args...)}
}

func skipped(why string) result { return result{status: history.FaultSkipped, seen: "skipped: " + why} }

func failed(err error) result { return result{status: history.FaultFailed, err: err} }

// goneError says that an effect was looked for and is gone, as opposed to one that could not be checked.
type goneError struct{ text string }

func (e *goneError) Error() string { return e.text }

func gone(format string, args ...any) result { return failed(&goneError{fmt.Sprintf(format, args...)}) }

// outcome holds the results of a step, node by node.
type outcome []result

// sum combines the results: a step failed if it failed anywhere, and is skipped if it was skipped everywhere.
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

// err joins the errors of all nodes.
func (o outcome) err() error {
	_, _, err := o.sum("")
	return err
}

// poll calls check until it returns nil, the limit has passed or the context is done; then it returns check's last
// error. The wait between calls grows up to a tenth of a second.
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
		// An error caused by the timeout says less than the one before it.
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

// sleep waits for d, or until the context is done, and returns the context's error then.
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

// board is the shared state of overlapping faults.
type board struct {
	mu    sync.Mutex
	cuts  map[string][]Cut            // by the ID of the partition
	holds map[Process]map[string]bool // the pauses that hold each process
	kills map[Process]string          // the kill that killed each process
	last  map[string]Process          // by host: the process killed last
	turns map[Process]chan struct{}   // locks for stopping and resuming each process
}

func newBoard() *board {
	return &board{cuts: map[string][]Cut{}, holds: map[Process]map[string]bool{}, kills: map[Process]string{},
		last:  map[string]Process{},
		turns: map[Process]chan struct{}{}}
}

// turn acquires the exclusive right to stop or resume a process. Without it, a pause that ends, having seen that
// nobody holds the process, could undo what another pause has just proven.
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

// cutBy names a fault that cuts two nodes in either direction, or returns "".
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

// hold records that a pause holds a process.
func (b *board) hold(p Process, fault string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holds[p] == nil {
		b.holds[p] = map[string]bool{}
	}
	b.holds[p][fault] = true
}

// release records that a pause no longer holds a process.
func (b *board) release(p Process, fault string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.holds[p], fault)
	if len(b.holds[p]) == 0 {
		delete(b.holds, p)
	}
}

// heldBy names a pause that holds a process, or returns "".
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

// claim records that a kill kills a process unless another one does already, and reports whether this one has it.
func (b *board) claim(p Process, fault string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, taken := b.kills[p]; !taken {
		b.kills[p], b.last[p.Host] = fault, p
	}
	return b.kills[p] == fault
}

// killedSince names the kill that later killed another process of the same host, or returns "".
func (b *board) killedSince(p Process) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if last := b.last[p.Host]; last != p {
		return b.kills[last]
	}
	return ""
}

// killedBy names the kill that killed a process, or returns "".
func (b *board) killedBy(p Process) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kills[p]
}
