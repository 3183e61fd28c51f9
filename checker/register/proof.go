package register

// Proof is a [Monitor] that proves what it says: it tells a linearization as it goes, and a [Replay] that is told of
// every event for itself verifies it. As long as nothing is wrong it costs no more memory than what overlaps, however
// long the history is. The zero value is ready; it must not be copied once used, and serves one goroutine at a time.
//
// Its methods are those of Monitor. It does not prove violations: [Checker.Core] does that.
type Proof struct {
	monitor Monitor
	replay  Replay
}

// Pending stands for an outstanding operation.
type Pending struct {
	ticket Ticket
	id     int32
}

// Decision is that of [Monitor.Decision].
func (p *Proof) Decision() Decision { return p.monitor.Decision() }

// Reason is that of [Monitor.Reason].
func (p *Proof) Reason() string { return p.monitor.Reason() }

// Invoke begins an operation.
func (p *Proof) Invoke(op *Op) Pending {
	p.monitor.teller.listener = &p.replay
	if p.Decision() != Valid {
		return Pending{none, none}
	}
	id := p.replay.Invoke(op)
	return Pending{p.monitor.invoke(op, id), id}
}

// Done completes a Write or a CAS that took effect.
func (p *Proof) Done(o Pending, at int64) bool {
	if p.Decision() != Valid {
		return false
	}
	p.replay.Done(o.id, at)
	return p.monitor.Done(o.ticket, at)
}

// Found completes a Read that saw a value, or a CAS that did not match and found it.
func (p *Proof) Found(o Pending, at, value int64) bool {
	if p.Decision() != Valid {
		return false
	}
	p.replay.Saw(o.id, at, value, false)
	return p.monitor.Found(o.ticket, at, value)
}

// FoundNothing completes a Read that found the register absent, or a CAS that did not match for that reason.
func (p *Proof) FoundNothing(o Pending, at int64) bool {
	if p.Decision() != Valid {
		return false
	}
	p.replay.Saw(o.id, at, 0, true)
	return p.monitor.FoundNothing(o.ticket, at)
}

// Impossible completes an operation with an answer that no register ever gives.
func (p *Proof) Impossible(o Pending, at int64) bool { return p.monitor.Impossible(o.ticket, at) }

// Abstain ends the proof, because something happened that it does not cover.
func (p *Proof) Abstain(reason string) { p.monitor.Abstain(reason) }

// Fail completes an operation that certainly had no effect, or a Read without an answer.
func (p *Proof) Fail(o Pending, at int64) bool {
	if p.Decision() != Valid {
		return false
	}
	p.replay.Fail(o.id, at)
	return p.monitor.Fail(o.ticket, at)
}

// Unknown completes an update that may have taken effect, or may yet.
func (p *Proof) Unknown(o Pending, at int64) {
	if p.Decision() == Valid {
		p.replay.Unknown(o.id, at)
		p.monitor.Unknown(o.ticket, at)
	}
}

// Finish says that nothing is to come any more. An error says that what was told is no linearization, although the
// decision is Valid: a defect of this program.
func (p *Proof) Finish() error {
	if p.Decision() != Valid {
		return nil
	}
	p.monitor.begun()
	p.monitor.tellRest()
	return p.replay.Finish()
}
