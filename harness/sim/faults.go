package sim

import (
	"errors"
	"time"

	"elenchus/nemesis"
	"elenchus/node/protocol"
	"elenchus/results/history"
)

// active is a fault of the plan during a run.
type active struct {
	on      bool
	targets []int
	killed  []int // the nodes that this fault took down
	cuts    [][2]int
	before  []int64 // the previous values of what it changed, to be restored
	begun   time.Duration
	event   history.FaultEvent // what is known of it so far; kept when the run is recorded

	begins *Trigger // the trigger that its beginning waits for, or nil …
	aim    *Trigger // … and the one that chooses its target, or nil
	actor  int      // the node for which that trigger's cue was given
	fired  int      // its position among the faults that took effect, from 1
}

// scheduled is the number of faults in the plan's schedule; the faults after these are of this package's own kinds.
func (w *World) scheduled() int { return len(w.plan.Schedule.Faults) }

// startFaults adds the begin and the end of all faults to the events.
func (w *World) startFaults() {
	count := w.scheduled() + len(w.plan.Faults)
	for i := range w.faults {
		f := &w.faults[i]
		*f = active{targets: f.targets[:0], killed: f.killed[:0], cuts: f.cuts[:0], before: f.before[:0]}
	}
	for len(w.faults) < count {
		w.faults = append(w.faults, active{})
	}
	w.faults = w.faults[:count]
	w.fired = w.fired[:0]
	w.startTriggers()
	for i := range count {
		if w.faults[i].begins != nil {
			continue
		}
		at := time.Duration(0)
		if i < w.scheduled() {
			at = w.plan.Schedule.Faults[i].At
		} else {
			at = w.plan.Faults[i-w.scheduled()].At
		}
		w.events.push(event{at: at, kind: eventFault, arg: uint64(i)})
	}
}

// leader returns the name of the leader that somebody would find who asks all nodes; empty if there is none.
func (w *World) leader() string {
	best, ballot := "", protocol.Ballot{}
	for i := range w.n {
		n := &w.nodes[i]
		if !n.up || n.still() {
			continue
		}
		s := n.machine.Status(n.clock.reading(w.now))
		if s.Role == protocol.RoleLeader && ballot.Less(s.Ballot) {
			best, ballot = w.names[i], s.Ballot
		}
	}
	return best
}

// fault begins a fault.
func (w *World) fault(i int) {
	if w.calm {
		return
	}
	a := &w.faults[i]
	planned, own := w.planned(i)
	a.begun = w.now
	planned, err := w.aimed(a, planned)
	var resolved nemesis.Resolved
	if err == nil {
		roles := nemesis.Roles{Leader: w.leader()}
		resolved, err = planned.Resolve(w.plan.Schedule.Nodes, w.plan.Schedule.Seed, roles)
	}
	if err != nil {
		w.recordFault(i, &planned, own, nil, history.FaultSkipped, err)
		return
	}
	a.on = true
	for _, name := range resolved.Targets {
		a.targets = append(a.targets, w.place(name))
	}
	done := false
	if own == nil {
		done = w.apply(i, &planned, resolved.Cuts)
	} else {
		done = w.applyOwn(a, own)
	}
	w.hash = mix(w.hash, uint64(i)<<1^1)
	status := history.FaultInstalled
	if !done {
		status, a.on = history.FaultSkipped, false
	} else {
		w.stats.Faults++
		w.noteFired(i, &resolved.Fault)
	}
	w.recordFault(i, &resolved.Fault, own, resolved.Targets, status, nil)
	if _, reverted := planned.End(); done && reverted {
		w.events.push(event{at: w.now + max(planned.For, briefest), kind: eventHeal, arg: uint64(i)})
	}
}

// briefest is how long a fault lasts that is over as soon as it is done: what has no length was never in effect.
const briefest = us

// planned returns a fault of the plan; own is not nil for one of this package's kinds.
func (w *World) planned(i int) (nemesis.Fault, *Fault) {
	if n := w.scheduled(); i >= n {
		own := &w.plan.Faults[i-n]
		return own.aim(), own
	}
	return w.plan.Schedule.Faults[i], nil
}

// place is the index of a node by its name.
func (w *World) place(name string) int {
	for i := range w.n {
		if w.names[i] == name {
			return i
		}
	}
	return 0
}

// apply begins a fault of the schedule. It reports false if there is nothing to do.
func (w *World) apply(number int, f *nemesis.Fault, cuts []nemesis.Cut) bool {
	a, done := &w.faults[number], false
	switch f.Kind {
	case nemesis.Clock:
		for _, i := range a.targets {
			w.moveClocks(number, &w.nodes[i], f.Move)
		}
		return true
	case nemesis.Partition:
		for _, c := range cuts {
			cut := [2]int{w.place(c.From), w.place(c.To)}
			a.cuts = append(a.cuts, cut)
			w.cut(cut[0], cut[1])
		}
		return true
	case nemesis.Kill:
		for _, i := range a.targets {
			if n := &w.nodes[i]; n.up {
				a.killed = append(a.killed, i)
				w.crash(n, "killed")
				done = true
			}
		}
	case nemesis.Pause:
		for _, i := range a.targets {
			if n := &w.nodes[i]; n.up {
				a.killed = append(a.killed, i)
				a.before = append(a.before, int64(n.life))
				n.pauses++
				w.trace.paused(w.now, n)
				done = true
			}
		}
	case nemesis.Transfer:
		for _, i := range a.targets {
			done = w.handOver(&w.nodes[i]) || done
		}
	}
	return done
}

// handOver asks a node to give up leading, and reports whether it led.
func (w *World) handOver(n *node) bool {
	if !n.up || n.still() {
		return false
	}
	led := n.machine.Status(n.clock.reading(w.now)).Role == protocol.RoleLeader
	w.step(n, &protocol.Input{Kind: protocol.InputForsake})
	return led
}

// heal ends a fault.
func (w *World) heal(i int) {
	a := &w.faults[i]
	if !a.on {
		return
	}
	a.on = false
	w.noteEnded(i)
	planned, own := w.planned(i)
	w.hash = mix(w.hash, uint64(i)<<1)
	if own != nil {
		w.revertOwn(a, own)
	} else {
		w.revert(i, &planned)
	}
	w.recordHeal(i)
}

func (w *World) revert(number int, f *nemesis.Fault) {
	a := &w.faults[number]
	switch f.Kind {
	case nemesis.Clock:
		for _, i := range a.targets {
			w.putClocksRight(number, &w.nodes[i])
		}
	case nemesis.Partition:
		for _, c := range a.cuts {
			w.join(c[0], c[1])
		}
	case nemesis.Kill:
		for _, i := range a.killed {
			w.boot(&w.nodes[i])
		}
	case nemesis.Pause:
		for k, i := range a.killed {
			n := &w.nodes[i]
			if n.up && int64(n.life) == a.before[k] { // a new process was never paused
				n.pauses--
				w.goOn(n)
			}
		}
	}
}

// harmOf returns the effect of a fault on messages.
func harmOf(f *Fault) (h harm) {
	switch f.Kind {
	case FaultLoss:
		h.lossPPM = uint32(f.Amount)
	case FaultDuplicate:
		h.duplicatePPM = uint32(f.Amount)
	case FaultCorrupt:
		h.corruptPPM = uint32(f.Amount)
	case FaultDelay:
		h.delay = time.Duration(f.Amount)
	}
	return h
}

// forLinks does something to all links to and from a node.
func (w *World) forLinks(i int, do func(from, to int, l *link)) {
	for other := range w.n {
		if other != i {
			do(i, other, w.link(i, other))
			do(other, i, w.link(other, i))
		}
	}
}

// applyOwn begins a fault of this package's kinds.
func (w *World) applyOwn(a *active, f *Fault) bool {
	for _, i := range a.targets {
		n := &w.nodes[i]
		switch f.Kind {
		case FaultLoss, FaultDuplicate, FaultCorrupt, FaultDelay:
			h := harmOf(f)
			w.forLinks(i, func(_, _ int, l *link) { l.harm.add(h, 1) })
		case FaultHold:
			for other := range w.n {
				w.link(i, other).holds++
			}
		case FaultReset:
			w.forLinks(i, func(from, to int, _ *link) {
				w.resetLink(from, to, uint64(from)<<8|uint64(to), uint64(w.now))
			})
		case FaultCrash:
			n.powerless++
			w.crash(n, "power lost")
		case FaultDemote:
			w.demote(i, f, 1)
		case FaultForsake:
			w.handOver(n)
		case FaultSuspend:
			w.suspend(n)
		default:
			w.harmDisk(n, f)
		}
	}
	return true
}

func (w *World) harmDisk(n *node, f *Fault) {
	d := &n.disk
	switch f.Kind {
	case FaultDiskSlow:
		d.slow += time.Duration(f.Amount)
	case FaultDiskStuck:
		d.stuck++
	case FaultDiskError:
		d.errors += uint32(f.Amount)
	case FaultDiskFull:
		d.full++
	case FaultDiskRot:
		w.rot(n)
	case FaultDiskWipe:
		w.wipe(n, f.Amount == 1)
	}
}

// revertOwn undoes what applyOwn did, as far as it can be undone.
func (w *World) revertOwn(a *active, f *Fault) {
	for _, i := range a.targets {
		n := &w.nodes[i]
		d := &n.disk
		switch f.Kind {
		case FaultLoss, FaultDuplicate, FaultCorrupt, FaultDelay:
			h := harmOf(f)
			w.forLinks(i, func(_, _ int, l *link) { l.harm.add(h, -1) })
		case FaultHold:
			for other := range w.n {
				if l := w.link(i, other); other != i {
					l.holds--
					w.release(i, other)
				}
			}
		case FaultDemote:
			w.demote(i, f, -1)
		case FaultCrash:
			n.powerless--
			w.boot(n)
		case FaultSuspend:
			w.unsuspend(n)
		case FaultDiskSlow:
			d.slow -= time.Duration(f.Amount)
		case FaultDiskStuck:
			d.stuck--
			w.unstick(n)
		case FaultDiskError:
			d.errors -= uint32(f.Amount)
		case FaultDiskFull:
			d.full--
		}
	}
}

// suspend stops a whole machine, including its monotonic clock. Its wall clock is right when it wakes up.
func (w *World) suspend(n *node) {
	if n.suspended++; n.suspended == 1 {
		w.changeClock(n, func(c *nodeClock) { c.freeze(w.now) })
		w.remapTimers(n)
		w.trace.paused(w.now, n)
	}
}

func (w *World) unsuspend(n *node) {
	if n.suspended--; n.suspended > 0 {
		return
	}
	w.changeClock(n, func(c *nodeClock) { c.thaw(w.now) })
	w.remapTimers(n)
	w.goOn(n)
	w.ghost.checkLeases()
}

// rot damages a disk. The node detects it when it reads its log.
func (w *World) rot(n *node) {
	w.crash(n, "disk damaged")
	n.disk.rotten = true
	w.rotBytes(n)
	w.restartLater(n)
}

// wipe empties a disk. The node stays away, unless the plan has it start again as if nothing had happened.
func (w *World) wipe(n *node, back bool) {
	w.crash(n, "disk lost")
	n.disk.wipe()
	w.ghost.wiped(n)
	if n.retired = !back; back {
		w.restartLater(n)
	}
}

// healAll ends everything that impedes the system.
func (w *World) healAll() {
	w.net.LossPPM, w.net.DuplicatePPM, w.net.CorruptPPM, w.net.TailPPM = 0, 0, 0, 0
	w.disk.TailPPM, w.disk.ErrorPPM = 0, 0
	for i := range w.faults {
		w.heal(i)
		w.recordMissed(i)
	}
	w.chains = nil
	w.calm = true
	for i := range w.n {
		w.boot(&w.nodes[i])
	}
}

// recordFault and recordHeal record the outcome of a fault, if the run is to leave a directory.
func (w *World) recordFault(i int, f *nemesis.Fault, own *Fault, targets []string, status history.FaultStatus,
	err error,
) {
	if !w.opts.Record {
		return
	}
	e := history.FaultEvent{
		ID: f.ID, Kind: f.Kind, Targets: targets, Played: f.Detail(), Step: history.FaultApply, Status: status,
		Begin: w.now, End: w.now, Planned: f.At,
	}
	if w.faults[i].begins != nil {
		e.Planned = w.now // a fault that waits has no other planned time
	}
	if own != nil {
		e.Kind = string(own.Kind)
		e.Detail = own.detail(own.Targets)
		e.Played = own.detail(targets)
	} else {
		e.Detail = w.plan.Schedule.Faults[i].Detail()
	}
	switch {
	case err != nil:
		e.Error = err.Error()
	case status == history.FaultInstalled:
		e.Evidence = []string{"the simulator did it"}
	}
	w.faults[i].event = e
	w.faultLog = append(w.faultLog, e)
}

// errNoCue means that a fault never began, because the event that it waited for did not occur.
var errNoCue = errors.New("what it waits for did not happen")

// recordMissed records that a fault never began.
func (w *World) recordMissed(i int) {
	if a := &w.faults[i]; a.begins != nil && a.begun == 0 && w.opts.Record {
		planned, own := w.planned(i)
		w.recordFault(i, &planned, own, nil, history.FaultSkipped, errNoCue)
	}
}

func (w *World) recordHeal(i int) {
	if !w.opts.Record {
		return
	}
	e := w.faults[i].event
	e.Step, e.Status, e.Begin, e.End, e.Evidence = history.FaultRevert, history.FaultReverted, w.now, w.now, nil
	planned, _ := w.planned(i)
	if end, reverted := planned.End(); reverted {
		e.Planned = end
	}
	w.faultLog = append(w.faultLog, e)
}
