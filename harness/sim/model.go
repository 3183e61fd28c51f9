package sim

import (
	"strconv"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// model computes registers and sessions from the chosen values: a second implementation of protocols.md §1 that
// shares nothing with package register, so that an error there is detected here.
type model struct {
	w        *World
	folded   protocol.Slot
	keys     map[string]int32
	regs     []modelRegister
	sessions []modelSession // by client
	failed   []failedCall
	values   arena[string]
}

// modelRegister is one register with its history.
type modelRegister struct {
	values   []string
	versions []version // in order of slots; a batch may make several in one slot
}

type version struct {
	slot   protocol.Slot
	values []string
}

// modelSession is the last request that was executed for a client.
type modelSession struct {
	seq    uint64
	slot   protocol.Slot
	code   register.Code
	values []string
	failed bool // the client was told that a command of the session has failed
}

// failedCall is an update whose client was told that it has failed.
type failedCall struct {
	client register.ClientID
	seq    uint64
}

func (m *model) reset(w *World) {
	m.w, m.folded = w, 0
	if m.keys == nil {
		m.keys = make(map[string]int32)
	}
	clear(m.keys)
	for i := range m.regs {
		r := &m.regs[i]
		clear(r.versions)
		m.regs[i] = modelRegister{versions: r.versions[:0]}
	}
	m.regs = m.regs[:0]
	clear(m.sessions)
	m.sessions, m.failed = m.sessions[:0], m.failed[:0]
	m.values.reset()
}

func (m *model) register(key string) *modelRegister {
	i, ok := m.keys[key]
	if !ok {
		i = int32(len(m.regs))
		m.keys[key] = i
		if cap(m.regs) > len(m.regs) {
			m.regs = m.regs[:i+1]
		} else {
			m.regs = append(m.regs, modelRegister{})
		}
	}
	return &m.regs[i]
}

func (m *model) session(client register.ClientID) *modelSession {
	if client == 0 || client > sessionsMax {
		return nil
	}
	for register.ClientID(len(m.sessions)) < client {
		m.sessions = append(m.sessions, modelSession{})
	}
	return &m.sessions[client-1]
}

// sessionsMax is the number from which a client is taken for an error: clients are numbered from 1.
const sessionsMax = 1 << 20

// execute executes the next chosen command.
func (m *model) execute(slot protocol.Slot, c *register.Command) {
	if !c.Op.Mutates() {
		return
	}
	s := m.session(c.Client)
	if s == nil {
		m.w.violated(Violation{
			Invariant: invariantAgreement, Slot: slot, Message: "chosen is a command of a client that there is not: " + c.ID(),
		})
		return
	}
	if c.Seq <= s.seq {
		return // executed before, or the client has gone on: at most once
	}
	code, values := m.run(slot, c)
	s.seq, s.slot, s.code, s.values = c.Seq, slot, code, values
	if s.failed && m.hasFailed(c.Client, c.Seq) {
		m.dishonest(slot, c)
	}
}

func (m *model) run(slot protocol.Slot, c *register.Command) (register.Code, []string) {
	r := m.register(c.Key)
	switch c.Op {
	case register.OpCAS:
		matches := len(r.values) == 1 && r.values[0] == c.Expect
		if c.ExpectAbsent {
			matches = len(r.values) == 0
		}
		if !matches {
			return register.CodeMismatch, r.values
		}
		r.set(slot, m.values.one(c.Value))
		return register.CodeOK, nil
	case register.OpAppend:
		r.set(slot, append(r.values, c.Value)) // after everything that reads have returned
		return register.CodeOK, r.values
	default:
		r.set(slot, m.values.one(c.Value))
		return register.CodeOK, nil
	}
}

func (r *modelRegister) set(slot protocol.Slot, values []string) {
	r.values = values
	r.versions = append(r.versions, version{slot, values})
}

// at is what the register held after the slot.
func (r *modelRegister) at(slot protocol.Slot) []string {
	for i := len(r.versions) - 1; i >= 0; i-- {
		if r.versions[i].slot <= slot {
			return r.versions[i].values
		}
	}
	return nil
}

// during reports whether the register held these values at some moment in the slot's execution.
func (r *modelRegister) during(slot protocol.Slot, values []string) bool {
	for i := len(r.versions) - 1; i >= 0; i-- {
		if v := &r.versions[i]; v.slot <= slot {
			if equalValues(v.values, values) {
				return true
			}
			if v.slot < slot {
				return false
			}
		}
	}
	return len(values) == 0
}

// tellFailed is told that a client was told that an update has failed: it must never be executed.
func (m *model) tellFailed(c *register.Command, node int) {
	s := m.session(c.Client)
	if s == nil {
		return
	}
	if s.seq == c.Seq {
		m.w.violated(Violation{
			Invariant: invariantHonest, Node: node, Slot: s.slot,
			Message: "the node says that " + describeCommand(c) + " has failed, and it was executed",
		})
		return
	}
	s.failed = true
	m.failed = append(m.failed, failedCall{c.Client, c.Seq})
}

func (m *model) hasFailed(client register.ClientID, seq uint64) bool {
	for i := range m.failed {
		if m.failed[i].client == client && m.failed[i].seq == seq {
			return true
		}
	}
	return false
}

func (m *model) dishonest(slot protocol.Slot, c *register.Command) {
	m.w.violated(Violation{
		Invariant: invariantHonest, Slot: slot,
		Message: describeCommand(c) + " is executed, and its client was told that it has failed",
	})
}

// holds reports whether the value chosen in the slot contains the command.
func (g *ghost) holds(slot protocol.Slot, client register.ClientID, seq uint64) bool {
	s := g.slot(slot)
	if s == nil || !s.chosen {
		return false
	}
	for i := range s.batch {
		if s.batch[i].Client == client && s.batch[i].Seq == seq {
			return true
		}
	}
	return false
}

// acknowledged is told of every positive answer to an update, as it leaves the node: a slot that holds the command is
// chosen, behind the last slot that anybody had been told about when it was asked for, and the model agrees with the
// result.
func (g *ghost) acknowledged(n *node, asked *request, r *protocol.Reply) {
	c := &asked.command
	v := Violation{Node: n.index + 1, Slot: r.Slot, Ballot: r.Ballot, Key: c.Key}
	s := g.model.session(c.Client)
	switch {
	case s == nil || !g.holds(r.Slot, c.Client, c.Seq) || s.seq < c.Seq:
		v.Invariant = invariantAck
		v.Message = describeCommand(c) + " is acknowledged; " + g.whereabouts(g.slot(r.Slot))
	case r.Slot <= asked.told:
		v.Invariant = invariantRealTime
		v.Message = describeCommand(c) + " is acknowledged, and somebody had been told of slot " +
			decimal(uint64(asked.told)) + " before it was asked for"
	case s.seq > c.Seq: // a late answer to an earlier request
		return
	case s.code != r.Result.Code || !equalValues(s.values, r.Result.Values):
		v.Invariant = invariantResult
		v.Message = describeCommand(c) + " is answered with " + describeResult(r.Result) + ", and should be with " +
			describeResult(register.Result{Code: s.code, Values: s.values}) + g.twice(c.Key)
	default:
		return
	}
	g.violated(v)
}

// served is told of every answer to a read, as it leaves the node: it is the register's content after a prefix that
// has in it everything that anybody had been told about when it was asked for.
func (g *ghost) served(n *node, asked *request, r *protocol.Reply, fromLog, stale bool) {
	c := &asked.command
	v := Violation{Node: n.index + 1, Slot: r.Slot, Ballot: r.Ballot, Key: c.Key}
	reg := g.model.register(c.Key)
	switch {
	case r.Slot > g.model.folded:
		v.Invariant, v.Message = invariantAck, "a read is answered from a slot that is not chosen"
	case r.Slot < asked.told && !stale:
		v.Invariant = invariantFresh
		v.Message = "the node's answer is the state after slot " + decimal(uint64(r.Slot)) +
			", and somebody had been told of slot " + decimal(uint64(asked.told)) + " before the read began"
	case fromLog && !reg.during(r.Slot, r.Result.Values), !fromLog && !equalValues(reg.at(r.Slot), r.Result.Values):
		v.Invariant = invariantResult
		v.Message = "a read of " + c.Key + " is answered with " + describeResult(r.Result) + ", after slot " +
			decimal(uint64(r.Slot)) + " it is " + describeResult(register.Result{Values: reg.at(r.Slot)}) + g.twice(c.Key)
	default:
		return
	}
	g.violated(v)
}

// twice says which update of a key is in the log more than once, the last of them if there are several: what a client
// that has no answer asks for again may be chosen again, and must be executed once.
func (g *ghost) twice(key string) string {
	type id struct {
		client register.ClientID
		seq    uint64
	}
	first := make(map[id]int)
	text := ""
	for i := range g.slots {
		s := &g.slots[i]
		if !s.chosen {
			continue
		}
		for k := range s.batch {
			c := &s.batch[k]
			if c.Key != key || c.Op == register.OpRead {
				continue
			}
			before, known := first[id{c.Client, c.Seq}]
			if !known {
				first[id{c.Client, c.Seq}] = i
			} else if before != i {
				text = "; " + describeCommand(c) + " is in slot " + decimal(uint64(before+1)) + " and again in slot " +
					decimal(uint64(i+1)) + ", and must be executed once"
			}
		}
	}
	return text
}

func describeResult(r register.Result) string {
	text := r.Code.String()
	for _, v := range r.Values {
		text += " " + v
	}
	return text
}

func decimal(v uint64) string { return strconv.FormatUint(v, 10) }

// arena allocates slices whose memory is all released at once.
type arena[T any] struct {
	blocks [][]T
	block  int // index of the current block
}

const arenaBlock = 1024

func (a *arena[T]) reset() {
	for i := range a.blocks {
		clear(a.blocks[i])
		a.blocks[i] = a.blocks[i][:0]
	}
	a.block = 0
}

// take returns a slice of zeros with no spare capacity.
func (a *arena[T]) take(count int) []T {
	for ; a.block < len(a.blocks); a.block++ {
		b := a.blocks[a.block]
		if n := len(b); n+count <= cap(b) {
			a.blocks[a.block] = b[:n+count]
			return b[n : n+count : n+count]
		}
	}
	a.blocks = append(a.blocks, make([]T, count, max(arenaBlock, count)))
	return a.blocks[a.block][:count:count]
}

func (a *arena[T]) one(v T) []T {
	s := a.take(1)
	s[0] = v
	return s
}
