package multipaxos

import (
	"fmt"
	"strings"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// Formats used in transcripts.

func commandText(c register.Command) string {
	text := c.Op.String()
	for _, s := range []string{c.Key, c.Value} {
		if s != "" {
			text += " " + s
		}
	}
	if c.Op == register.OpCAS {
		text += " if " + c.Expect
	}
	if c.Client != 0 {
		text += " as " + c.ID()
	}
	return text
}

func entryText(e protocol.Entry) string {
	if len(e.Batch) == 0 {
		return fmt.Sprintf("%d: no-op in %v", e.Slot, e.Ballot)
	}
	var commands []string
	for _, c := range e.Batch {
		commands = append(commands, commandText(c))
	}
	return fmt.Sprintf("%d: %s in %v", e.Slot, strings.Join(commands, " + "), e.Ballot)
}

func messageText(m *protocol.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v→%v %v", m.From, m.To, m.Kind)
	if !m.Ballot.IsZero() {
		fmt.Fprintf(&b, " %v", m.Ballot)
	}
	switch m.Kind {
	case protocol.MsgPrepare:
		if m.First == protocol.SlotLast {
			fmt.Fprintf(&b, " nothing more, %d pages have come", m.Seq)
		} else {
			fmt.Fprintf(&b, " from slot %d", m.First)
		}
	case protocol.MsgPromise:
		bound := func(slot protocol.Slot) string {
			if slot == protocol.SlotLast {
				return "end"
			}
			return fmt.Sprint(slot)
		}
		fmt.Fprintf(&b, " slots %s…%s", bound(m.First), bound(m.Last))
	case protocol.MsgAccepted, protocol.MsgCatchup:
		fmt.Fprintf(&b, " slots %d…%d", m.First, m.Last)
	case protocol.MsgFetch:
		fmt.Fprintf(&b, " from slot %d, of the snapshot of slot %d from byte %d", m.First, m.Last, m.Chunk.Offset)
	case protocol.MsgSnapshot:
		c := &m.Chunk
		fmt.Fprintf(&b, " of slot %d, bytes %d…%d of %d", m.Last, c.Offset, c.Offset+uint64(len(c.Data)), c.Total)
	case protocol.MsgNack:
		fmt.Fprintf(&b, ": promised %v", m.Promised)
	case protocol.MsgHeartbeat, protocol.MsgHeartbeatAck:
		fmt.Fprintf(&b, " #%d", m.Seq)
	case protocol.MsgForward:
		fmt.Fprintf(&b, " #%d: %s", m.Request, commandText(m.Command))
	case protocol.MsgForwardReply:
		fmt.Fprintf(&b, " #%d: %s", m.Request, replyText(protocol.Reply{
			Outcome: m.Outcome, Result: m.Result, Reason: m.Reason, Slot: m.First, Ballot: m.Promised,
		}))
	}
	if m.Lease != protocol.LeaseNothing {
		fmt.Fprintf(&b, " %v", m.Lease)
	}
	if m.Term != 0 {
		fmt.Fprintf(&b, " %v", time.Duration(m.Term))
	}
	if m.Expiry != 0 {
		fmt.Fprintf(&b, " till %v", time.Duration(m.Expiry-wallEpoch))
	}
	if m.Kind == protocol.MsgLeaderAlive {
		fmt.Fprintf(&b, ": %v leads %v", m.Promised.Node, m.Promised)
	}
	if (m.Kind == protocol.MsgHeartbeatAck || m.Kind == protocol.MsgUnwilling) && m.Reason != "" {
		fmt.Fprintf(&b, ": %s", m.Reason)
	}
	fmt.Fprintf(&b, " (committed %d)", m.Committed)
	for _, e := range m.Entries {
		fmt.Fprintf(&b, " [%s]", entryText(e))
	}
	return b.String()
}

func replyText(r protocol.Reply) string {
	text := r.Outcome.String()
	if r.Outcome == protocol.OutcomeOK {
		text += fmt.Sprintf(" %v %q at slot %d", r.Result.Code, r.Result.Values, r.Slot)
	}
	if r.Reason != "" {
		text += ", " + r.Reason
	}
	return text
}

// observationText formats an observation, omitting what messages and replies show anyway.
func observationText(o protocol.Observation) string {
	switch o.Kind {
	case protocol.ObservedCampaign:
		return fmt.Sprintf("campaigns with %v", o.Ballot)
	case protocol.ObservedElected:
		return fmt.Sprintf("is elected with %v", o.Ballot)
	case protocol.ObservedDeposed:
		return fmt.Sprintf("is deposed from %v: %s", o.Ballot, o.Reason)
	case protocol.ObservedApplied:
		return "applies " + entryText(protocol.Entry{Slot: o.Slot, Ballot: o.Ballot, Batch: o.Batch})
	case protocol.ObservedCaughtUp:
		return fmt.Sprintf("learns slots %d…%d from %v", o.First, o.Slot, o.Peer)
	case protocol.ObservedRecovered:
		return fmt.Sprintf("recovers: promised %v, committed %d", o.Ballot, o.Slot)
	case protocol.ObservedLeaseHeld, protocol.ObservedLeaseRenewed, protocol.ObservedLeaseLost,
		protocol.ObservedLeaseForsaken, protocol.ObservedLeaseFreed, protocol.ObservedLeaseSilence,
		protocol.ObservedLeaseGranted:
		until := time.Duration(o.Until)
		if o.Until >= wallEpoch {
			until -= time.Duration(wallEpoch)
		}
		return fmt.Sprintf("%v %v till %v", o.Kind, o.Ballot, until)
	case protocol.ObservedSnapshotTaken:
		return fmt.Sprintf("has a snapshot of slot %d in %v, its log begins with slot %d", o.Slot, o.Ballot, o.First)
	case protocol.ObservedSnapshotSent:
		return fmt.Sprintf("has sent all of its snapshot of slot %d to %v", o.Slot, o.Peer)
	case protocol.ObservedSnapshotInstalled:
		return fmt.Sprintf("learns slots %d…%d from a snapshot of %v", o.First, o.Slot, o.Peer)
	case protocol.ObservedSnapshotRestored:
		return fmt.Sprintf("starts from its snapshot of slot %d", o.Slot)
	case protocol.ObservedSnapshotRefused:
		return fmt.Sprintf("does not use a snapshot of slot %d from %v: %s", o.Slot, o.Peer, o.Reason)
	default: // ballot, chosen, served; lease requests and refusals appear in the messages
		return ""
	}
}

// leaseText describes the leases a host holds and honours at a true time.
func leaseText(h *host, now time.Duration) string {
	l := h.machine.Status(h.reading(now)).Lease
	at := time.Duration(h.opts.leaseClock(h.reading(now)))
	show := func(until int64) string { return (time.Duration(until) - at).String() }
	var parts []string
	switch {
	case l.Held:
		parts = append(parts, "holds the lease for another "+show(l.HeldUntil))
	case l.HeldUntil != 0:
		parts = append(parts, "lost the lease "+(at-time.Duration(l.HeldUntil)).String()+" ago")
	}
	switch {
	case l.Silent:
		parts = append(parts, "is silent for another "+show(l.GrantedUntil))
	case !l.Granted.IsZero():
		parts = append(parts, fmt.Sprintf("honours %v for another %s", l.Granted, show(l.GrantedUntil)))
	}
	if len(parts) == 0 {
		return "no lease"
	}
	return strings.Join(parts, ", ")
}
