package sim

import (
	"slices"
	"time"

	"elenchus/nemesis"
	"elenchus/nemesis/hostclock"
	"elenchus/node/multipaxos"
)

// secondTerm lets few hear of what a leader proposes, has it give up, and keeps the others' bids for the lead back, so
// that it is elected again while what one voter has answered to its first term is still on its way, and the voter's
// disk is stuck. Then it is cut off.
func (h *hazard) secondTerm() {
	h.p.Network.Datagram = true // a stream would keep back all that stands behind a bid
	patience := h.p.Node.ElectionTimeout
	lasts := h.over() + 4*patience
	bid := "Poll"
	if h.p.Node.NoPreVote {
		bid = "Prepare"
	}
	h.own("bids", 0, lasts, Fault{
		Kind: FaultDemote, Targets: []string{nemesis.RoleFollowers}, Amount: int64(lasts), Messages: bid,
	})
	h.own("loss", 0, lasts, Fault{
		Kind: FaultLoss, Targets: []string{nemesis.RoleLeader}, Amount: pick[int64](h.d, 0, 250_000, 500_000),
	})
	nth := 1 + h.d.below(8)
	cue := pick(h.d, CueAccepted, CueAccepted, CueRenewed, CueAcknowledged)
	whom := pick(h.d, nemesis.RoleAny, nemesis.RoleAny, nemesis.RoleFollower)
	late := h.own("late", 0, lasts, Fault{Kind: FaultHold, Targets: []string{whom}})
	stuck := h.own("stuck", 0, lasts, Fault{Kind: FaultDiskStuck, Targets: []string{whom}})
	for _, fault := range []string{late, stuck} {
		wait := Trigger{Fault: fault, On: cue, Nth: nth}
		if whom == nemesis.RoleAny {
			wait.On, wait.Aim = CueAccepted, AimActor
		}
		h.when(wait)
	}
	h.when(Trigger{Fault: late, On: CueElected, End: true, After: h.jitter()})
	id := h.own("quit", 0, ms, Fault{Kind: FaultForsake, Targets: []string{nemesis.RoleLeader}})
	h.when(Trigger{Fault: id, On: cue, Nth: nth, After: h.d.within(0, 3*ms)})
	id = h.cut("cut", ms, h.over(), nemesis.RoleLeader)
	h.when(Trigger{Fault: id, On: CueElected, After: h.d.within(0, 2*patience)})
	h.end += patience
}

// stutter has messages to and from the leader arrive twice, the second time when much else has happened.
func (h *hazard) stutter() {
	lasts := h.over()
	h.own("twice", 0, lasts, Fault{
		Kind: FaultDuplicate, Targets: []string{nemesis.RoleLeader}, Amount: pick[int64](h.d, 300_000, million),
	})
	h.own("apart", 0, lasts, Fault{
		Kind: FaultDelay, Targets: []string{nemesis.RoleLeader}, Amount: int64(pick(h.d, 5*ms, 20*ms, 60*ms)),
	})
	id := h.own("quit", 0, ms, Fault{Kind: FaultForsake, Targets: []string{nemesis.RoleLeader}})
	h.when(Trigger{
		Fault: id, On: pick(h.d, CueAccepted, CueChosen, CueAcknowledged), Nth: 1 + h.d.below(12), After: h.jitter(),
	})
}

// succession cuts two leaders off that few have heard, and joins the first again when the second is gone.
func (h *hazard) succession() {
	h.own("loss", 0, 2*h.over(), Fault{
		Kind: FaultLoss, Targets: []string{nemesis.RoleAll}, Amount: pick[int64](h.d, 0, 200_000, 400_000),
	})
	first := h.cut("first", 0, 2*h.over(), nemesis.RoleLeader)
	h.when(Trigger{Fault: first, On: CueAccepted, Nth: 1 + h.d.below(8), After: h.d.within(0, ms)})
	second := h.cut("second", 5*ms, h.over(), nemesis.RoleLeader)
	h.when(Trigger{Fault: second, On: CueElected, After: h.d.within(0, 5*ms)})
	h.when(Trigger{Fault: first, On: CueElected, End: true, After: h.jitter()})
}

// setBack sets the leader's wall clock back, and cuts it off right before or after it has renewed its lease by that.
// Where leases are on wall clocks, everybody's clock is as far ahead as it may be, and this one as far behind.
func (h *hazard) setBack() {
	o := &h.p.Node
	before, back := slices.Clone(h.p.Clocks), h.d.within(o.LeaseTerm/4, 2*o.LeaseTerm)
	if o.Lease == multipaxos.LeaseWall {
		half := o.MaxOffset / 2
		back = 2 * half
		for i := range h.p.Clocks {
			h.p.Clocks[i].Offset = half
		}
	}
	cut, step := time.Duration(0), h.d.within(0, 2*o.LeaseRenew)
	if h.d.chance(50) {
		cut, step = ms, 0
	}
	id := h.cut("cut", cut, h.over(), nemesis.RoleLeader)
	h.when(Trigger{
		Fault: id, On: pick(h.d, CueRenewed, CueGranted, CueGranted), Nth: 1 + h.d.below(h.p.Nodes()),
		After: h.d.within(us, ms),
	})
	h.play("back", step, h.over(), nemesis.Fault{
		Kind: nemesis.Clock, Shape: nemesis.ClockStep, Groups: [][]string{{nemesis.RoleLeader}},
		Move: hostclock.Move{Step: -back},
	})
	if len(h.p.Outside()) > 0 { // with another fault of clocks it comes to too much
		last := len(h.p.Schedule.Faults) - 1
		h.p.Schedule.Faults, h.p.Clocks = h.p.Schedule.Faults[:last], before
	}
}
