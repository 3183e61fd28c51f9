package picture

import (
	"fmt"
	"time"

	"elenchus/harness/sim"
	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
	"elenchus/results/spacetime"
)

// ribbon is a band that is still being drawn.
type ribbon struct {
	on     bool
	from   time.Duration
	until  time.Duration // it ends by itself
	ballot protocol.Ballot
}

// ribbons are those of a node.
type ribbons struct {
	down, paused, leads, lease, grant ribbon
	writing                           []writing
}

type writing struct {
	seq  protocol.WriteSeq
	from time.Duration
}

// bands follow what each node is and owes. All of the run is read, also what is not shown.
func (t *teller) bands() {
	state := make([]ribbons, t.plan.Nodes()+1)
	for i := range t.result.Trace.Moments {
		m := &t.result.Trace.Moments[i]
		if m.At > t.d.End {
			break
		}
		s := &state[m.Node]
		switch m.Kind {
		case sim.MomentCrashed:
			t.ended(m.Node, s, m.At)
			s.down = ribbon{on: true, from: m.At}
		case sim.MomentStarted:
			t.close(m.Node, spacetime.BandDown, &s.down, m.At, "down")
		case sim.MomentPaused:
			if !s.paused.on {
				s.paused = ribbon{on: true, from: m.At}
			}
		case sim.MomentResumed:
			t.close(m.Node, spacetime.BandPaused, &s.paused, m.At, "stands still")
		case sim.MomentWritten:
			s.writing = append(s.writing, writing{m.Seq, m.At})
		case sim.MomentDurable:
			t.written(m.Node, s, m.Seq, m.At)
		case sim.MomentObserved:
			t.observe(m, s)
		}
	}
	for node := 1; node <= t.plan.Nodes(); node++ {
		s := &state[node]
		t.ended(node, s, t.d.End)
		t.close(node, spacetime.BandDown, &s.down, t.d.End, "down")
		t.close(node, spacetime.BandGrant, &s.grant, t.d.End, "")
	}
}

// ended closes what ends with a process. What it has granted it owes on.
func (t *teller) ended(node int, s *ribbons, at time.Duration) {
	t.close(node, spacetime.BandPaused, &s.paused, at, "stands still")
	t.close(node, spacetime.BandLeads, &s.leads, at, "")
	t.close(node, spacetime.BandLease, &s.lease, at, "")
	t.written(node, s, ^protocol.WriteSeq(0), at)
}

func (t *teller) observe(m *sim.Moment, s *ribbons) {
	o := &m.Seen
	switch o.Kind {
	case protocol.ObservedElected:
		t.close(m.Node, spacetime.BandLeads, &s.leads, m.At, "")
		s.leads = ribbon{on: true, from: m.At, ballot: o.Ballot}
	case protocol.ObservedDeposed:
		t.close(m.Node, spacetime.BandLeads, &s.leads, m.At, "")
	case protocol.ObservedLeaseHeld, protocol.ObservedLeaseRenewed:
		if !s.lease.on || s.lease.ballot != o.Ballot {
			t.close(m.Node, spacetime.BandLease, &s.lease, m.At, "")
			s.lease = ribbon{on: true, from: m.At, ballot: o.Ballot}
		}
		s.lease.until = t.trueTime(m)
	case protocol.ObservedLeaseLost, protocol.ObservedLeaseForsaken:
		t.close(m.Node, spacetime.BandLease, &s.lease, m.At, "")
	case protocol.ObservedLeaseGranted:
		if !s.grant.on || s.grant.ballot != o.Ballot || s.grant.until < m.At {
			t.close(m.Node, spacetime.BandGrant, &s.grant, m.At, "")
			s.grant = ribbon{on: true, from: m.At, ballot: o.Ballot}
		}
		s.grant.until = max(s.grant.until, t.trueTime(m))
	case protocol.ObservedLeaseFreed:
		t.close(m.Node, spacetime.BandGrant, &s.grant, m.At, "")
	}
}

// trueTime is when the deadline of an observation is, if the clock that it is on goes on as it began.
func (t *teller) trueTime(m *sim.Moment) time.Duration {
	left := m.Seen.Until - int64(m.Clock.Mono)
	if t.plan.Node.Lease == multipaxos.LeaseWall {
		left = m.Seen.Until - m.Clock.Wall
		return m.At + time.Duration(left)
	}
	rate := t.plan.Clocks[m.Node-1].Rate
	return m.At + time.Duration(float64(left)*1e9/float64(1e9+rate))
}

// close draws a band, if there is one.
func (t *teller) close(node int, kind spacetime.BandKind, r *ribbon, at time.Duration, label string) {
	if !r.on {
		return
	}
	r.on = false
	to := at
	if r.until != 0 {
		to = min(at, r.until)
	}
	if to < t.from || to < r.from {
		return
	}
	title := label
	switch kind {
	case spacetime.BandLeads:
		title, label = fmt.Sprintf("leads ballot %v", r.ballot), "leads "+r.ballot.String()
	case spacetime.BandLease:
		title = fmt.Sprintf("holds the lease of ballot %v until %.1f ms", r.ballot, float64(r.until)/1e6)
		label = ""
	case spacetime.BandGrant:
		title = fmt.Sprintf("has granted ballot %v a lease until %.1f ms", r.ballot, float64(r.until)/1e6)
		label = "owes " + r.ballot.String()
	case spacetime.BandDown, spacetime.BandPaused:
		title = t.name(node) + " " + label
	}
	t.d.Bands = append(t.d.Bands, spacetime.Band{
		Lane: t.node[node], From: max(r.from, t.from), To: to, Kind: kind, Label: label, Title: title,
	})
}

// written draws what was on its way to a disk, up to a record.
func (t *teller) written(node int, s *ribbons, upTo protocol.WriteSeq, at time.Duration) {
	kept := s.writing[:0]
	for _, w := range s.writing {
		if w.seq > upTo {
			kept = append(kept, w)
			continue
		}
		if at >= t.from && at > w.from {
			t.d.Bands = append(t.d.Bands, spacetime.Band{
				Lane: t.node[node], From: max(w.from, t.from), To: at, Kind: spacetime.BandWriting,
				Title: "written, and not on the disk yet",
			})
		}
	}
	s.writing = kept
}
