package sim

import (
	"fmt"
	"slices"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// The end of a run is that of a run in a lab: everything is healed, and then every node must answer. Each is asked
// for one update, so that a cluster that can only read is detected, and for a read of every key that was used. If
// clients send requests several times, the latest of each session is sent once more before these reads, each to one
// of the nodes.

// startFinal starts the clients of the final reads.
func (w *World) startFinal() {
	if w.plan.Load.Script == nil {
		w.keys = w.generator.Keys()
	} else {
		w.keys = w.keys[:0]
		seen := make(map[string]bool)
		for i := range w.plan.Load.Script {
			if key := w.plan.Load.Script[i].Op.Key; !seen[key] {
				seen[key] = true
				w.keys = append(w.keys, key)
			}
		}
	}
	w.repeats = nil
	if w.workload.Requests {
		_, requests := history.Once(w.ops)
		w.repeats = requests.Latest()
	}
	alive := 0
	for i := range w.n {
		if !w.nodes[i].retired {
			alive++
		}
	}
	w.finals = 0
	for i := range w.n {
		if w.nodes[i].retired {
			continue
		}
		w.finals++
		c := w.addClient(-1, i)
		for at := w.finals - 1; at < len(w.repeats); at += alive {
			c.repeats = append(c.repeats, w.repeats[at])
		}
		w.events.push(event{at: w.now, kind: eventThink, arg: uint64(c.index)})
	}
}

// finalStep sends the next request of such a client.
func (w *World) finalStep(c *client) {
	if !c.wrote {
		w.finalValue++
		w.invoke(c, history.PhaseRecovery, history.Op{Func: w.update(), Key: finalKeys[c.node], Value: w.finalValue})
		return
	}
	if len(c.repeats) > 0 {
		w.invoke(c, history.PhaseRecovery, c.repeats[0])
		return
	}
	w.invoke(c, history.PhaseFinal, history.Op{Func: history.Read, Key: w.keys[c.reads]})
}

// update chooses the function of an update: the workload's own, or a write for registers of any kind.
func (w *World) update() history.Func {
	funcs := w.workload.Funcs
	switch {
	case slices.Contains(funcs, history.Append):
		return history.Append
	case slices.Contains(funcs, history.Write):
		return history.Write
	}
	return history.CAS // write-once objects are set if they are absent
}

// finalKeys are the keys of these updates, one for each node, which no workload uses.
var finalKeys = func() (keys [nodesMax]string) {
	for i := range keys {
		keys[i] = fmt.Sprintf("final-n%d", i+1)
	}
	return keys
}()

// finalAnswer handles an answer to such a client.
func (w *World) finalAnswer(c *client, op *history.Operation) {
	pause := time.Duration(0)
	switch {
	case op.Outcome != history.OK:
		pause = finalPause
	case op.Phase == history.PhaseRecovery && c.wrote:
		c.repeats = c.repeats[1:]
	case op.Phase == history.PhaseRecovery:
		c.wrote = true
	default:
		c.reads++
	}
	if c.wrote && len(c.repeats) == 0 && c.reads == len(w.keys) {
		c.done = true
		w.finals--
		return
	}
	w.events.push(event{at: w.now + pause, kind: eventThink, arg: uint64(c.index)})
}

// finalPause is how long such a client waits before it asks again.
const finalPause = 20 * time.Millisecond

// stuck describes what the clients still wait for.
func (w *World) stuck(bound time.Duration) {
	v := Violation{Invariant: checkStuck}
	v.Message = fmt.Sprintf("not everybody was answered within %v of the last heal", bound)
	for i := range w.clients {
		c := &w.clients[i]
		if c.worker >= 0 || c.done {
			continue
		}
		v.Message += fmt.Sprintf("; n%d owes its client ", c.node+1)
		switch {
		case c.busy:
			v.Message += "an answer to " + w.ops[c.op].Op.String()
		default:
			v.Message += "an answer, after " + w.ops[c.op].Reason
		}
	}
	for i := range w.n {
		v.Message += "; " + w.describe(&w.nodes[i])
	}
	w.violated(v)
}

// describe describes the state of a node, as an explanation of why nothing happens.
func (w *World) describe(n *node) string {
	if !n.up {
		return fmt.Sprintf("%v is down (%s)", n.id(), n.killed)
	}
	s := n.machine.Status(n.clock.reading(w.now))
	text := fmt.Sprintf("%v is a %v in %v, has promised %v and applied %d slots of %d", n.id(), s.Role, s.Ballot,
		s.Promised, s.Applied, s.LastSlot)
	if s.Leader != 0 {
		text += fmt.Sprintf(", follows %v", s.Leader)
	}
	if s.Pending > 0 {
		text += fmt.Sprintf(", %s waiting", verdict.Count(s.Pending, "request"))
	}
	if !s.Lease.Granted.IsZero() {
		text += fmt.Sprintf(", owes a lease of %v for %v", s.Lease.Granted,
			time.Duration(s.Lease.GrantedUntil-w.leaseClock(n)))
	}
	if len(n.disk.pending) > 0 {
		text += fmt.Sprintf(", %s waiting for its disk", verdict.Count(len(n.disk.pending), "record"))
	}
	return text
}
