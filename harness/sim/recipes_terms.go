package sim

import (
	"slices"

	"elenchus/nemesis"
	"elenchus/nemesis/hostclock"
	"elenchus/node/multipaxos"
)

// secondTerm lets few hear of what a leader proposes, has it give up, and keeps the others' bids for the lead back, so
// that it is elected again while the answer of one voter to its first term is still on its way. Then it is cut off.
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
	h.own("loss", 0, h.d.within(patience, 3*patience), Fault{
		Kind: FaultLoss, Targets: []string{nemesis.RoleLeader}, Amount: pick[int64](h.d, 0, 300_000, 600_000),
	})
	nth := 1 + h.d.below(8)
	cue := pick(h.d, CueAccepted, CueAccepted, CueRenewed, CueAcknowledged)
	who := Fault{Kind: FaultHold, Targets: []string{nemesis.RoleFollower}}
	late := Trigger{On: cue, Nth: nth}
	if cue == CueAccepted {
		who.Targets, late.Aim = []string{nemesis.RoleAny}, AimActor
	}
	late.Fault = h.own("late", 0, lasts, who)
	h.when(late)
	h.when(Trigger{Fault: late.Fault, On: CueElected, End: true, After: h.jitter()})
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

// setBack cuts the leader off when its lease is fresh, and sets its wall clock back before or after. Where leases are on
// wall clocks, everybody's clock is as far ahead as it may be, and this one as far behind.
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
	id := h.cut("cut", 0, h.over(), nemesis.RoleLeader)
	h.when(Trigger{Fault: id, On: pick(h.d, CueRenewed, CueGranted), Nth: 1 + h.d.below(2*h.p.Nodes())})
	h.play("back", h.d.within(0, 2*o.LeaseRenew), h.over(), nemesis.Fault{
		Kind: nemesis.Clock, Shape: nemesis.ClockStep, Groups: [][]string{{nemesis.RoleLeader}},
		Move: hostclock.Move{Step: -back},
	})
	if len(h.p.Outside()) > 0 { // with another fault of clocks it comes to too much
		last := len(h.p.Schedule.Faults) - 1
		h.p.Schedule.Faults, h.p.Clocks = h.p.Schedule.Faults[:last], before
	}
}
