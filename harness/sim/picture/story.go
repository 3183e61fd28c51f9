package picture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/harness/sim"
	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/results/spacetime"
)

// story writes down in sentences what can have led to the failure, and the failure.
func (t *teller) story() {
	chosen := make(map[protocol.Slot]bool)
	granted := make(map[string]bool)
	var events []happening
	copies := t.copies()
	for i := range t.moments {
		m := &t.moments[i]
		if m.At > t.d.End || m.Node == 0 || !t.counts(m.Node, m.At) {
			continue
		}
		text := ""
		switch m.Kind {
		case sim.MomentCrashed:
			text = crashText(m.Why)
		case sim.MomentPaused:
			text = "stands still: it notices nothing, and does nothing"
		case sim.MomentResumed:
			text = "goes on"
		case sim.MomentAsked:
			text = copies.asked(&m.Command)
		case sim.MomentObserved:
			text = t.observed(m, chosen, granted) + copies.applied(&m.Seen)
		}
		if text != "" {
			events = append(events, happening{m.At, m.Node, text})
		}
	}
	t.faultNotes()
	t.tell(events)
	slices.SortStableFunc(t.d.Notes, func(a, b spacetime.Note) int { return int(a.At - b.At) })
	v := t.result.Violation
	if v == nil {
		return
	}
	n := spacetime.Note{At: v.At, Violation: true, Text: v.Account(t.plan.Schedule.Nodes) + t.unwritten(v)}
	if v.Node > 0 {
		n.Lanes = []int{t.node[v.Node]}
	}
	t.d.Notes = append(t.d.Notes, n)
}

// happening is something that a node does, or that is done to it.
type happening struct {
	at   time.Duration
	node int
	text string
}

// tell makes sentences: one for all that happens to a node at a moment, and one for all nodes to which the same
// happens.
func (t *teller) tell(events []happening) {
	var joined []happening
	for _, e := range events {
		k := slices.IndexFunc(joined, func(o happening) bool { return o.at == e.at && o.node == e.node })
		if k < 0 {
			joined = append(joined, e)
		} else {
			joined[k].text += "; it " + e.text
		}
	}
	for i, e := range joined {
		if e.node == 0 {
			continue
		}
		nodes := []int{e.node}
		for k := i + 1; k < len(joined) && joined[k].at == e.at; k++ {
			if joined[k].text == e.text && joined[k].node != 0 {
				nodes = append(nodes, joined[k].node)
				joined[k].node = 0
			}
		}
		n := spacetime.Note{At: e.at, Text: t.who(nodes) + " " + e.text + "."}
		for _, node := range nodes {
			n.Lanes = append(n.Lanes, t.node[node])
		}
		t.d.Notes = append(t.d.Notes, n)
	}
}

// who is the subject of a sentence.
func (t *teller) who(nodes []int) string {
	slices.Sort(nodes)
	names := make([]string, len(nodes))
	for i, node := range nodes {
		names[i] = t.name(node)
	}
	if len(names) == 1 {
		return names[0]
	}
	last := len(names) - 1
	return "Each of " + strings.Join(names[:last], ", ") + " and " + names[last]
}

// faultNotes tells of clocks that are not right, where leases are on them, and of faults that do not show in what nodes
// do.
func (t *teller) faultNotes() {
	for i, c := range t.plan.Clocks {
		if c.Rate != 0 && t.plan.Node.Lease == multipaxos.LeaseRate {
			t.d.Notes = append(t.d.Notes, spacetime.Note{At: t.from, Lanes: []int{t.node[i+1]}, Text: fmt.Sprintf(
				"The clock of %s runs at %.3f of the true rate all the time.", t.name(i+1), 1+float64(c.Rate)/1e9)})
		}
	}
	for _, f := range t.d.Faults {
		kind, rest, _ := strings.Cut(f.Label, " ")
		switch kind {
		case "kill", "crash", "pause", "suspend":
			continue
		}
		t.d.Notes = append(t.d.Notes, spacetime.Note{At: f.From, Text: "Fault: " + kind + " " + rest + "."})
	}
}

// unwritten says whose disks are busy, where the failure is about what is on disks.
func (t *teller) unwritten(v *sim.Violation) string {
	switch v.Invariant {
	case "chosen-justified", "ack-durable", "durable-first":
	default:
		return ""
	}
	var nodes []int
	for node := 1; node <= t.plan.Nodes(); node++ {
		for _, b := range t.d.Bands {
			if b.Lane == t.node[node] && b.Kind == spacetime.BandWriting && b.To == t.d.End && !slices.Contains(nodes, node) {
				nodes = append(nodes, node)
			}
		}
	}
	switch len(nodes) {
	case 0:
		return ""
	case 1:
		return " What " + t.name(nodes[0]) + " has written is not yet on its disk."
	}
	return " What " + strings.TrimPrefix(t.who(nodes), "Each of ") + " have written is not yet on their disks."
}

func crashText(why string) string {
	switch why {
	case "killed":
		return "is killed: what it has not written is gone"
	case "power lost":
		return "loses its power: what its disk does not have is gone"
	}
	return "dies (" + why + ")"
}

// observed says what an observation means, or nothing for what the picture need not tell.
func (t *teller) observed(m *sim.Moment, chosen map[protocol.Slot]bool, granted map[string]bool) string {
	o := &m.Seen
	switch o.Kind {
	case protocol.ObservedRecovered:
		if m.Life < 2 {
			return ""
		}
		if o.Ballot.IsZero() {
			return "starts again; its disk holds no promise"
		}
		return fmt.Sprintf("starts again; its disk says that it has promised ballot %v", o.Ballot)
	case protocol.ObservedCampaign:
		return fmt.Sprintf("wants to lead, with ballot %v", o.Ballot)
	case protocol.ObservedElected:
		return fmt.Sprintf("is elected: a majority has promised ballot %v", o.Ballot)
	case protocol.ObservedDeposed:
		return fmt.Sprintf("stops leading ballot %v: %s", o.Ballot, o.Reason)
	case protocol.ObservedChosen:
		if chosen[o.Slot] {
			return ""
		}
		chosen[o.Slot] = true
		return fmt.Sprintf("takes slot %d for chosen", o.Slot)
	case protocol.ObservedApplied:
		if len(o.Batch) == 0 {
			return ""
		}
		return fmt.Sprintf("applies slot %d: %s", o.Slot, batch(o.Batch))
	case protocol.ObservedServed:
		return fmt.Sprintf("answers a read from its state after slot %d", o.Slot)
	case protocol.ObservedCaughtUp:
		return fmt.Sprintf("learns from %v what is chosen in the slots %d to %d", o.Peer, o.First, o.Slot)
	}
	return t.observedLease(m, granted)
}

func (t *teller) observedLease(m *sim.Moment, granted map[string]bool) string {
	o := &m.Seen
	until := fmt.Sprintf("%.1f ms", float64(t.trueTime(m))/1e6)
	switch o.Kind {
	case protocol.ObservedLeaseGranted:
		key := fmt.Sprint(m.Node, m.Life, o.Ballot)
		if granted[key] {
			return ""
		}
		granted[key] = true
		return fmt.Sprintf("grants a lease: it takes part in no ballot but %v until %s", o.Ballot, until)
	case protocol.ObservedLeaseHeld:
		return fmt.Sprintf("holds a lease until %s: until then nobody else may lead", until)
	case protocol.ObservedLeaseLost:
		return "notices that its lease has ended"
	case protocol.ObservedLeaseForsaken:
		return "gives up its lease"
	case protocol.ObservedLeaseFreed:
		return fmt.Sprintf("is freed of its grant by %v", o.Peer)
	case protocol.ObservedLeaseRefused:
		return fmt.Sprintf("takes no part in ballot %v: %s", o.Ballot, o.Reason)
	case protocol.ObservedLeaseSilence:
		return fmt.Sprintf("keeps silent until %s, because it may have granted a lease that it has forgotten", until)
	case protocol.ObservedSnapshotTaken:
		return fmt.Sprintf("has a snapshot of the slots up to %d on its disk", o.Slot)
	case protocol.ObservedSnapshotInstalled:
		return fmt.Sprintf("takes over a snapshot of %v, of the slots up to %d", o.Peer, o.Slot)
	case protocol.ObservedSnapshotRestored:
		return fmt.Sprintf("takes its state from its snapshot of the slots up to %d", o.Slot)
	}
	return ""
}

// batch is what a slot holds.
func batch(commands []register.Command) string {
	if len(commands) == 0 {
		return "empty"
	}
	var list []string
	for i := range commands {
		list = append(list, command(&commands[i]))
	}
	return strings.Join(list, ", ")
}

func command(c *register.Command) string {
	switch c.Op {
	case register.OpRead:
		return "read " + c.Key
	case register.OpCAS:
		expect := c.Expect
		if c.ExpectAbsent {
			expect = "absent"
		}
		return "cas " + c.Key + " " + expect + "→" + c.Value
	}
	return c.Op.String() + " " + c.Key + " " + c.Value
}

// describe is a message in a few words, what it is about, and whether it does more than to say "I am alive".
func describe(m *protocol.Message) (label string, tone spacetime.Tone, vital bool) {
	switch m.Kind {
	case protocol.MsgPrepare:
		return "prepare " + m.Ballot.String(), spacetime.ToneElection, true
	case protocol.MsgPromise:
		return "promise " + m.Ballot.String() + held(m.Entries), spacetime.ToneElection, true
	case protocol.MsgNack:
		return "no, promised " + m.Promised.String(), spacetime.ToneElection, true
	case protocol.MsgPoll:
		return "would you? " + m.Ballot.String(), spacetime.ToneElection, true
	case protocol.MsgWilling:
		return "yes " + m.Ballot.String(), spacetime.ToneElection, true
	case protocol.MsgUnwilling, protocol.MsgLeaderAlive:
		return "not " + m.Ballot.String(), spacetime.ToneElection, true
	case protocol.MsgAccept:
		return "accept " + m.Ballot.String() + held(m.Entries), spacetime.ToneValue, len(m.Entries) > 0
	case protocol.MsgAccepted:
		return "accepted " + m.Ballot.String() + slots(m.First, m.Last), spacetime.ToneValue, true
	case protocol.MsgHeartbeat, protocol.MsgHeartbeatAck, protocol.MsgForsake:
		return lease(m)
	case protocol.MsgForward:
		return "please " + command(&m.Command), spacetime.ToneClient, true
	case protocol.MsgForwardReply:
		return "answer: " + m.Outcome.String(), spacetime.ToneClient, true
	case protocol.MsgCatchup:
		return "what is" + slots(m.First, m.Last) + "?", spacetime.ToneLearn, true
	case protocol.MsgChosen:
		return "chosen:" + held(m.Entries), spacetime.ToneLearn, true
	}
	return strings.ToLower(m.Kind.String()), spacetime.ToneLearn, true
}

func lease(m *protocol.Message) (string, spacetime.Tone, bool) {
	switch {
	case m.Kind == protocol.MsgForsake:
		return "I give up my lease", spacetime.ToneLease, true
	case m.Lease == protocol.LeaseAsk:
		return "lease?", spacetime.ToneLease, true
	case m.Lease == protocol.LeaseExtend:
		return "longer?", spacetime.ToneLease, true
	case m.Lease == protocol.LeaseGranted, m.Lease == protocol.LeaseExtended:
		return "granted", spacetime.ToneLease, true
	case m.Lease == protocol.LeaseForgotten, m.Lease == protocol.LeaseRefused:
		return "not granted", spacetime.ToneLease, true
	case m.Kind == protocol.MsgHeartbeat && m.Seq != 0:
		return "do you follow?", spacetime.ToneLease, true
	case m.Kind == protocol.MsgHeartbeatAck:
		return "I follow", spacetime.ToneLease, true
	}
	return "heartbeat", spacetime.ToneLease, false
}

func slots(first, last protocol.Slot) string {
	switch {
	case last == protocol.SlotLast:
		return fmt.Sprintf(" slot %d…", first)
	case last <= first:
		return fmt.Sprintf(" slot %d", first)
	}
	return fmt.Sprintf(" slots %d–%d", first, last)
}

// held is what entries hold, in few words.
func held(entries []protocol.Entry) string {
	switch {
	case len(entries) == 0:
		return ""
	case len(entries) == 1 && len(entries[0].Batch) <= 1:
		return fmt.Sprintf(", %d: %s", entries[0].Slot, batch(entries[0].Batch))
	}
	return fmt.Sprintf(", slots %d–%d", entries[0].Slot, entries[len(entries)-1].Slot)
}

// whole is a message in all its words.
func whole(m *protocol.Message) string {
	text := fmt.Sprintf("%v, ballot %v", m.Kind, m.Ballot)
	if !m.Promised.IsZero() {
		text += fmt.Sprintf(", promised %v", m.Promised)
	}
	text += fmt.Sprintf(", committed %d", m.Committed)
	for i := range m.Entries {
		e := &m.Entries[i]
		text += fmt.Sprintf("; slot %d in %v: %s", e.Slot, e.Ballot, batch(e.Batch))
	}
	if m.Reason != "" {
		text += "; " + m.Reason
	}
	return text
}
