// Package picture tells the story of a simulated run as a space-time diagram.
//
// What the picture shows in full is what can have led to the failure: everything from which a chain of messages leads
// to the nodes that it is about, before it happened (Lamport 1978, "happened before"). The rest is faint.
package picture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/harness/sim"
	"elenchus/results/history"
	"elenchus/results/spacetime"
)

// messagesMax is how many messages a picture has at most. Of longer runs it shows the end.
const messagesMax = 240

// Of makes the diagram of a run that failed. The run must have been played with sim.Options.Record and Trace.
func Of(plan *sim.Plan, r *sim.Result) *spacetime.Diagram {
	t := &teller{plan: plan, result: r, moments: r.Trace.Moments, d: &spacetime.Diagram{End: r.Simulated}}
	if r.Violation != nil {
		t.d.End = r.Violation.At
	}
	t.begin()
	t.cause()
	t.lanes()
	t.faults()
	t.messages()
	t.bands()
	t.boxes()
	t.story()
	t.words()
	return t.d
}

// teller makes a diagram from a trace.
type teller struct {
	plan    *sim.Plan
	result  *sim.Result
	moments []sim.Moment // that are shown
	from    time.Duration
	d       *spacetime.Diagram

	past  []time.Duration // of each node: up to when what it did can have led to the failure
	node  []int           // lanes
	lane  map[int]int     // of each client
	trips []trip
}

// begin leaves the beginning of a long run out.
func (t *teller) begin() {
	sent := 0
	for i := len(t.moments) - 1; i >= 0; i-- {
		if t.moments[i].Kind != sim.MomentSent {
			continue
		}
		if sent++; sent > messagesMax {
			t.from = t.moments[i].At + 1
			break
		}
	}
	t.trips = trips(t.moments)
	t.moments = slices.DeleteFunc(slices.Clone(t.moments), func(m sim.Moment) bool { return m.At < t.from })
}

// trip is a message from when it was sent to when it arrived, or did not.
type trip struct {
	sent    sim.Moment
	arrived time.Duration
	lost    bool
	open    bool
	why     string
}

// trips finds for every message that was sent what became of it.
func trips(moments []sim.Moment) []trip {
	var list []trip
	waiting := make(map[string][]int)
	for i := range moments {
		m := &moments[i]
		switch m.Kind {
		case sim.MomentSent:
			key := identity(m)
			waiting[key] = append(waiting[key], len(list))
			list = append(list, trip{sent: *m, open: true})
		case sim.MomentDelivered, sim.MomentLost:
			key := identity(m)
			queue := waiting[key]
			if len(queue) == 0 {
				continue
			}
			k := queue[0]
			if len(queue) > 1 {
				waiting[key] = queue[1:]
			}
			if !list[k].open { // a second copy
				list = append(list, trip{sent: list[k].sent})
				k = len(list) - 1
			}
			list[k].arrived, list[k].lost, list[k].open, list[k].why = m.At, m.Kind == sim.MomentLost, false, m.Why
		}
	}
	return list
}

// identity tells messages apart, as far as their content does.
func identity(m *sim.Moment) string {
	msg := &m.Message
	slot := msg.First
	if len(msg.Entries) > 0 {
		slot = msg.Entries[0].Slot
	}
	return fmt.Sprint(msg.Kind, msg.From, msg.To, msg.Ballot, msg.Promised, msg.Committed, slot, msg.Last, msg.Seq,
		msg.Request, msg.Lease, msg.Outcome, len(msg.Entries))
}

// cause finds out up to when what each node did can have led to the failure.
func (t *teller) cause() {
	t.past = make([]time.Duration, t.plan.Nodes()+1)
	v := t.result.Violation
	for i := range t.past {
		t.past[i] = -1
		if v == nil || v.Node == 0 || v.Node == i {
			t.past[i] = t.d.End
		}
	}
	t.rivals(v)
	order := make([]int, 0, len(t.trips))
	for i := range t.trips {
		if !t.trips[i].lost && !t.trips[i].open {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(t.trips[b].arrived - t.trips[a].arrived) })
	for _, i := range order {
		trip := &t.trips[i]
		if trip.arrived <= t.past[trip.sent.Peer] {
			t.past[trip.sent.Node] = max(t.past[trip.sent.Node], trip.sent.At)
		}
	}
	t.shared(v)
}

// rivals counts in who was elected against the lease of the node that a failure is about.
func (t *teller) rivals(v *sim.Violation) {
	for i := range t.moments {
		m := &t.moments[i]
		if v != nil && v.Rival(&m.Seen) && m.Kind == sim.MomentObserved && m.At <= t.d.End {
			t.past[m.Node] = t.d.End
		}
	}
}

// shared counts in who else a failure is about: the rivals of a node that others have heard of, and whoever was told
// something that does not go together with it.
func (t *teller) shared(v *sim.Violation) {
	if v == nil {
		return
	}
	for i := range t.moments {
		m := &t.moments[i]
		if m.Kind == sim.MomentCompleted && m.Outcome == history.OK && v.Key != "" && m.Op.Key == v.Key {
			t.past[m.Node] = max(t.past[m.Node], m.At)
		}
	}
}

// counts reports whether what a node did then can have led to the failure.
func (t *teller) counts(node int, at time.Duration) bool { return at <= t.past[node] }

// lanes are those of nodes, and behind each its clients that do something.
func (t *teller) lanes() {
	t.node, t.lane = make([]int, t.plan.Nodes()+1), make(map[int]int)
	clients := make([][]int, t.plan.Nodes()+1)
	for i := range t.moments {
		if m := &t.moments[i]; m.Kind == sim.MomentInvoked && !slices.Contains(clients[m.Node], m.Client) {
			clients[m.Node] = append(clients[m.Node], m.Client)
		}
	}
	for node := 1; node <= t.plan.Nodes(); node++ {
		t.node[node] = len(t.d.Lanes)
		t.d.Lanes = append(t.d.Lanes, spacetime.Lane{Name: t.name(node)})
		slices.Sort(clients[node])
		for _, c := range clients[node] {
			t.lane[c] = len(t.d.Lanes)
			t.d.Lanes = append(t.d.Lanes, spacetime.Lane{Name: clientName(c), Client: true})
		}
	}
}

// clientName counts from 0, as the processes of a history do: client 3 is process 3 until an answer fails to come.
func clientName(c int) string { return fmt.Sprintf("client %d", c) }

func (t *teller) name(node int) string { return t.plan.Schedule.Nodes[node-1] }

// faults are in effect from when they were applied to when they were reverted.
func (t *teller) faults() {
	open := make(map[string]int)
	for _, e := range t.result.Faults {
		switch {
		case e.Status == history.FaultInstalled && e.Step == history.FaultApply:
			open[e.ID] = len(t.d.Faults)
			label := strings.TrimSpace(e.Kind + " " + e.Played)
			to := t.d.End
			if sim.FaultKind(e.Kind).Instant() {
				to = e.Begin
			}
			t.d.Faults = append(t.d.Faults, spacetime.Fault{From: e.Begin, To: to, Label: label})
		case e.Step == history.FaultRevert:
			if i, ok := open[e.ID]; ok && !sim.FaultKind(e.Kind).Instant() {
				t.d.Faults[i].To = min(e.Begin, t.d.End)
			}
		}
	}
	t.d.Faults = slices.DeleteFunc(t.d.Faults, func(f spacetime.Fault) bool { return f.From > t.d.End || f.To < t.from })
}

// messages are those between nodes, and those of clients.
func (t *teller) messages() {
	for i := range t.trips {
		trip := &t.trips[i]
		if trip.sent.At < t.from || trip.sent.At > t.d.End {
			continue
		}
		label, tone, vital := describe(&trip.sent.Message)
		m := spacetime.Message{
			From: t.node[trip.sent.Node], To: t.node[trip.sent.Peer], Sent: trip.sent.At, Arrived: trip.arrived,
			Lost: trip.lost, Open: trip.open || trip.arrived > t.d.End, Tone: tone, Label: label,
			Title: fmt.Sprintf("%s → %s, %.2f ms: %s", t.name(trip.sent.Node), t.name(trip.sent.Peer),
				float64(trip.sent.At)/1e6, whole(&trip.sent.Message)),
		}
		switch {
		case m.Open:
			m.Arrived, m.Faint = t.d.End, true
			m.Title += ", under way in the end"
		case m.Lost:
			m.Faint = !vital || !t.counts(trip.sent.Node, trip.sent.At)
			m.Title += ", lost: " + trip.why
		default:
			m.Faint = !t.counts(trip.sent.Peer, trip.arrived) || !vital
		}
		t.d.Messages = append(t.d.Messages, m)
	}
	t.requests()
}

// requests are the ways from clients to nodes and back.
func (t *teller) requests() {
	type call struct {
		at      time.Duration
		replied time.Duration
		node    int
	}
	calls := make(map[int]*call)
	for i := range t.moments {
		m := &t.moments[i]
		c := calls[m.Client]
		switch m.Kind {
		case sim.MomentInvoked:
			calls[m.Client] = &call{at: m.At}
		case sim.MomentAsked:
			if c != nil {
				t.request(m.Client, m.Node, true, c.at, m.At)
				c.at = m.At
			}
		case sim.MomentReplied:
			if c != nil {
				c.replied, c.node = m.At, m.Node
			}
		case sim.MomentCompleted:
			if c != nil && c.node != 0 {
				t.request(m.Client, c.node, false, c.replied, m.At)
			}
			delete(calls, m.Client)
		}
	}
}

func (t *teller) request(client, node int, asks bool, from, to time.Duration) {
	lane, ok := t.lane[client]
	if !ok || to > t.d.End {
		return
	}
	m := spacetime.Message{From: lane, To: t.node[node], Sent: from, Arrived: to, Tone: spacetime.ToneClient}
	if !asks {
		m.From, m.To = m.To, m.From
	}
	t.d.Messages = append(t.d.Messages, m)
}

// boxes are the operations.
func (t *teller) boxes() {
	open := make(map[int]int)
	for i := range t.moments {
		m := &t.moments[i]
		switch m.Kind {
		case sim.MomentInvoked:
			if m.At > t.d.End {
				continue
			}
			open[m.Client] = len(t.d.Boxes)
			t.d.Boxes = append(t.d.Boxes, spacetime.Box{
				Lane: t.lane[m.Client], From: m.At, To: t.d.End, Open: true, Label: m.Op.String(), State: "unknown",
			})
		case sim.MomentCompleted:
			k, ok := open[m.Client]
			if !ok || m.At > t.d.End {
				continue
			}
			delete(open, m.Client)
			b := &t.d.Boxes[k]
			b.To, b.Open, b.State = m.At, false, string(m.Outcome)
			b.Result = resultText(m)
			if b.To-b.From < 3*time.Millisecond && b.Result != "" { // too short for two lines
				b.Label += " " + b.Result
				b.Result = ""
			}
		}
	}
}

// resultText is what a client was told.
func resultText(m *sim.Moment) string {
	switch m.Outcome {
	case history.OK:
		if m.Op.Func == history.Read {
			return "→ " + values(m.Result.Values)
		}
		if m.Op.Func == history.CAS && !m.Result.Matched {
			return "→ no, " + values(m.Result.Values)
		}
		return "✓"
	case history.Fail:
		return "✗"
	}
	return "?"
}

func values(list []int64) string {
	switch len(list) {
	case 0:
		return "nothing"
	case 1:
		return fmt.Sprint(list[0])
	}
	return fmt.Sprint(list)
}
