package sim

import (
	"slices"
	"time"

	"elenchus/nemesis"
	"elenchus/nemesis/hostclock"
	"elenchus/node/multipaxos"
)

// secondTerm has a leader lose the lead, by giving up or by losing its power before its own disk is done, when only
// one follower has received its proposal, and delays the other nodes' campaigns. So the same node is elected again,
// while the vote for what it proposed in its first term is still in transit, the voter's disk is stuck, and no other
// node has received the proposal. Then it is cut off.
func (h *hazard) secondTerm() {
	lasts := h.succeedsItself()
	few := h.play("few", 0, lasts, nemesis.Fault{
		Kind: nemesis.Partition, Shape: nemesis.OneWay,
		Groups: [][]string{{nemesis.RoleLeader}, slices.Repeat([]string{nemesis.RoleAny}, h.p.Nodes()-2)},
	})
	if h.d.chance(50) {
		h.own("slow", 0, lasts, Fault{
			Kind: FaultDiskSlow, Targets: []string{nemesis.RoleFollowers}, Amount: int64(pick(h.d, 3*ms, 10*ms, 30*ms)),
		})
	}
	settled := h.d.within(2*ms, 12*ms) // until votes for what more nodes have received are counted
	nth := pick(h.d, 1, 1, 1, 2, 3)
	cue, whose := CueAccepted, AimActor
	if h.p.Nodes() == 3 && h.d.chance(30) {
		cue, whose = CueAcknowledged, AimVoter // which takes more than that one vote
	}
	late := h.own("late", settled, lasts, Fault{Kind: FaultHold, Targets: []string{nemesis.RoleAny}})
	stuck := h.own("stuck", settled, lasts, Fault{Kind: FaultDiskStuck, Targets: []string{nemesis.RoleAny}})
	for _, fault := range []string{late, stuck} {
		h.when(Trigger{Fault: fault, On: cue, Nth: nth, Aim: whose})
	}
	h.when(Trigger{Fault: late, On: CueElected, End: true, After: h.d.within(0, 2*ms)})
	var quit string
	heard := CueDeposed
	if h.p.Nodes() == 3 || h.d.chance(50) { // with its own vote, two of three nodes have accepted it
		heard = CueStarted
		undone := h.own("undone", 0, lasts, Fault{Kind: FaultDiskStuck, Targets: []string{nemesis.RoleLeader}})
		h.when(Trigger{Fault: undone, On: heard, End: true})
		quit = h.crash("quit", settled, nemesis.RoleLeader)
	} else {
		quit = h.own("quit", settled, ms, Fault{Kind: FaultForsake, Targets: []string{nemesis.RoleLeader}})
	}
	h.when(Trigger{Fault: quit, On: cue, Nth: nth, After: h.d.within(0, 3*ms)})
	h.when(Trigger{Fault: few, On: heard, End: true})
	h.cutOnceElected(settled)
}

// lateBeats delays the followers' answers to heartbeats by so much that they arrive when the leader has lost the lead
// and leads again. Then it is cut off, and others lead.
func (h *hazard) lateBeats() {
	patience := h.p.Node.ElectionTimeout
	lasts := h.succeedsItself()
	quit, again := h.d.within(ms, 2*patience), patience // the time that being elected again takes, about
	if h.d.chance(50) {
		h.crash("quit", quit, nemesis.RoleLeader)
	} else {
		again = 2 * patience // a leader that gave up lets others campaign first
		h.own("quit", quit, ms, Fault{Kind: FaultForsake, Targets: []string{nemesis.RoleLeader}})
	}
	h.own("late", 0, lasts, Fault{
		Kind: FaultDemote, Targets: []string{nemesis.RoleFollowers}, Messages: "HeartbeatAck",
		Amount: int64(again + h.d.within(0, 2*patience)),
	})
	h.cutOnceElected(quit)
}

// succeedsItself delays the campaigns of the followers until somebody is elected, which is the present leader if it
// loses the lead. It returns for how long at most.
func (h *hazard) succeedsItself() (lasts time.Duration) {
	h.p.Network.Datagram = true // a stream would delay everything sent after a campaign
	lasts = h.over() + 4*h.p.Node.ElectionTimeout
	bid := "Poll"
	if h.p.Node.NoPreVote {
		bid = "Prepare"
	}
	bids := h.own("bids", 0, lasts, Fault{
		Kind: FaultDemote, Targets: []string{nemesis.RoleFollowers}, Amount: int64(lasts), Messages: bid,
	})
	h.when(Trigger{Fault: bids, On: CueElected, End: true})
	return lasts
}

// cutOnceElected cuts the next leader off soon after its election, so that others are elected while it still takes
// itself for the leader.
func (h *hazard) cutOnceElected(after time.Duration) {
	patience := h.p.Node.ElectionTimeout
	id := h.cut("cut", after+ms, h.over(), nemesis.RoleAny)
	after = pick(h.d, h.d.within(0, 5*ms), h.d.within(0, patience))
	h.when(Trigger{Fault: id, On: CueElected, After: after, Aim: AimActor})
	h.end += patience
}

// restoration cuts the leader off until another is elected. That one loses its power when somebody has voted for what
// it proposes, and the voter is cut off as well; so when the power is back, the new and the old leader form a
// majority that knows nothing of it. A leader that has something chosen then is cut off before many know of that.
func (h *hazard) restoration() {
	lasts := 2 * h.over()
	away := h.cut("away", 0, lasts, nemesis.RoleLeader)
	if h.d.chance(60) {
		h.slowDisks(nemesis.RoleFollowers, lasts)
	}
	if h.d.chance(50) {
		h.onBytes(10)
	}
	settled := h.d.within(5*ms, 15*ms) // until votes for the old leader have been counted
	nth := pick(h.d, 1, 1, 1, 2, 8, 20)
	voter := h.cut("voter", settled, h.over(), nemesis.RoleAny)
	h.when(Trigger{Fault: voter, On: CueAccepted, Nth: nth, Aim: AimActor})
	crash := h.crash("crash", settled, nemesis.RoleLeader)
	h.when(Trigger{Fault: crash, On: CueAccepted, Nth: nth, After: h.d.within(0, 2*ms)})
	h.when(Trigger{Fault: away, On: CueStarted, End: true, After: pick(h.d, 0, h.jitter())})
	last := h.cut("last", settled, h.over(), nemesis.RoleAny)
	h.when(Trigger{Fault: last, On: CueChosen, Nth: pick(h.d, 1, 1, 2, 3), After: h.d.within(0, 5*ms), Aim: AimActor})
}

// stutter has messages to and from the leader arrive twice, the second time when much else has happened. What it
// sends after it has given up may arrive in any order.
func (h *hazard) stutter() {
	lasts := h.over()
	h.own("twice", 0, lasts, Fault{
		Kind: FaultDuplicate, Targets: []string{nemesis.RoleLeader}, Amount: pick[int64](h.d, 300_000, million),
	})
	h.own("apart", 0, lasts, Fault{
		Kind: FaultDelay, Targets: []string{nemesis.RoleLeader}, Amount: int64(pick(h.d, 5*ms, 20*ms, 60*ms)),
	})
	wait := Trigger{
		On: pick(h.d, CueAccepted, CueChosen, CueAcknowledged), Nth: 1 + h.d.below(12), After: h.jitter(),
	}
	if h.d.chance(70) {
		h.p.Network.Datagram = true // a stream keeps its order
		wait.Fault = h.own("late", 0, h.d.within(5*ms, 80*ms), Fault{Kind: FaultHold, Targets: []string{nemesis.RoleLeader}})
		h.when(wait)
	}
	wait.Fault = h.own("quit", 0, ms, Fault{Kind: FaultForsake, Targets: []string{nemesis.RoleLeader}})
	h.when(wait)
}

// falseStart cuts the leader off, and turns the power of the first candidate off before its disk is done.
func (h *hazard) falseStart() {
	patience, lasts := h.p.Node.ElectionTimeout, 2*h.over()
	h.cut("cut", 0, lasts, nemesis.RoleLeader)
	if h.d.chance(50) {
		h.own("late", 0, lasts, Fault{
			Kind: FaultDemote, Targets: []string{nemesis.RoleAll}, Messages: "Promise",
			Amount: int64(h.d.within(patience/2, 2*patience)),
		})
	}
	undone := h.own("undone", 0, lasts, Fault{Kind: FaultDiskStuck, Targets: []string{nemesis.RoleAny}})
	h.when(Trigger{Fault: undone, On: CueCampaign, Aim: AimActor})
	h.when(Trigger{Fault: undone, On: CueStarted, End: true})
	crash := h.crash("crash", 0, nemesis.RoleAny)
	h.when(Trigger{Fault: crash, On: CueCampaign, After: h.d.within(0, 10*ms), Aim: AimActor})
}

// birth turns the power of the very first leader, or of its first voter, off while disks are slow.
func (h *hazard) birth() {
	h.at = 0
	h.slowDisks(nemesis.RoleAll, h.over())
	id := h.crash("crash", 0, nemesis.RoleAny)
	h.when(Trigger{
		Fault: id, On: pick(h.d, CueElected, CueAccepted), Nth: 1 + h.d.below(2), After: h.jitter(),
		Aim: pick(h.d, AimActor, AimActor, AimVoter),
	})
}

// succession cuts off two leaders in turn from which few nodes have received anything, and joins the first again when
// the second is gone.
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

// setBack sets the leader's wall clock back, and cuts the leader off shortly before or after it has renewed its lease
// with that clock. With leases on wall clocks, all clocks are as far ahead as they may be, and this one is set as far
// behind.
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
	if len(h.p.Outside()) > 0 { // together with another clock fault it would leave the envelope
		last := len(h.p.Schedule.Faults) - 1
		h.p.Schedule.Faults, h.p.Clocks = h.p.Schedule.Faults[:last], before
	}
}
