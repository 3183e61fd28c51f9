package multipaxos

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/register"

	"github.com/cockroachdb/datadriven"
)

// TestTranscripts plays the scripts in testdata. Each is named after the rule it shows and reads like a sketch of its
// proof. Regenerate with -rewrite, and commit a change only if you understand what caused it.
//
// The verbs (N is a node's number; FILTER is any of from=N to=N kind=NAME slot=S, lists in parentheses):
//
//	nodes N [reads=log|quorum|local|lease] [window=N] [batch=N] [chunk=N] [grace=D] [pending=N]   a new cluster
//	      [snapshot=SLOTS] [keep=SLOTS] [piece=BYTES]
//	      [lease=none|rate|wall] [term=D] [renew=D] [drift=PPB] [offset=D] [timeout=D] [shortcut=on] [late=N]
//	      [poll=on]         with late=N that node is down; without poll=on nodes campaign without asking
//	campaign N              its clock moves to the end of its election timeout or back-off
//	tick N D [times=K]      its clock moves on by a duration, and its timers fire; once, or K times
//	sleep N D               its clock moves on by a duration, and no timer fires
//	request N OP KEY [VALUE [EXPECT]] [as=CLIENT:SEQ] [timeout=D] [id=N]   a client sends node N a request
//	deliver [FILTER]        every matching message in flight arrives, in order of sending
//	stabilize [FILTER]      the same until no matching message is in flight
//	drop|duplicate|hold|release [FILTER]   matching messages are lost, copied, held back, no longer held
//	cut N, heal N           from now on all messages from and to the node are lost, or no longer
//	disk N manual|auto      whether writes wait for sync, and snapshots for save
//	sync N                  its writes are durable
//	save N                  the snapshot it is writing is durable and reported
//	crash N [keep=K] [saved]   it stops; of the writes that were not synced the first K are on disk, and the snapshot
//	                        that was being written if it says so
//	restart N [after=D]     it starts from its disk, a second later unless D says how much
//	forsake N               it is asked to give up leadership
//	wall N D                its wall clock is set forward, or back if D is negative
//	corrupt [FILTER]        a bit is flipped in the snapshot pieces in flight
//	log N, status [N], read N KEY, flight   a node's entries, status, register; messages in flight
//	quiet|loud              whether the effects of later directives are shown
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("find transcripts: %v, %d files", err, len(files))
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) {
			e := &script{}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				e.t, e.data = t, d
				e.out.Reset()
				e.run()
				if e.ghost != nil && e.ghost.violation != nil {
					fmt.Fprintf(&e.out, "VIOLATION: %v\n", e.ghost.violation)
				}
				if e.out.Len() == 0 {
					return "ok\n"
				}
				return e.out.String()
			})
		})
	}
}

// script is a cluster in which nothing happens unless the script says so.
type script struct {
	t     *testing.T
	data  *datadriven.TestData
	out   strings.Builder
	quiet bool

	hosts  []*scriptHost
	net    []*flight
	ghost  *ghost
	nextID protocol.RequestID
}

type scriptHost struct {
	host
	now    time.Duration // the host's own clock; hosts' clocks move independently
	manual bool
	cut    bool
	life   int
}

type flight struct {
	msg  protocol.Message
	held bool
}

func (e *script) run() {
	verbs := map[string]func(){
		"nodes": e.nodes, "campaign": e.campaign, "tick": e.tick, "request": e.request,
		"deliver": e.deliver, "stabilize": e.stabilize, "drop": e.drop, "duplicate": e.duplicate,
		"hold": func() { e.setHeld(true) }, "release": func() { e.setHeld(false) },
		"cut": func() { e.node().cut = true }, "heal": func() { e.node().cut = false },
		"disk": func() { e.node().manual = e.word(1) == "manual" }, "sync": func() { e.sync(e.node()) },
		"crash": e.crash, "restart": e.restart, "log": e.log, "status": e.status, "read": e.read, "flight": e.flight,
		"forsake": func() { e.step(e.node(), protocol.Input{Kind: protocol.InputForsake}) },
		"sleep":   func() { e.node().now += e.duration(e.word(1)) },
		"save":    func() { e.save(e.node()) }, "corrupt": e.corrupt,
		"wall":  func() { e.node().clock.offset += e.duration(e.word(1)) },
		"quiet": func() { e.quiet = true }, "loud": func() { e.quiet = false },
	}
	verb := verbs[e.data.Cmd]
	if verb == nil {
		e.data.Fatalf(e.t, "unknown verb %q", e.data.Cmd)
	}
	verb()
}

// word returns the i-th argument without a value.
func (e *script) word(i int) string {
	for _, a := range e.data.CmdArgs {
		if len(a.Vals) == 0 {
			if i == 0 {
				return a.Key
			}
			i--
		}
	}
	return ""
}

func (e *script) options(key string) []string {
	for _, a := range e.data.CmdArgs {
		if a.Key == key {
			return a.Vals
		}
	}
	return nil
}

func (e *script) option(key, otherwise string) string {
	if vals := e.options(key); len(vals) > 0 {
		return vals[0]
	}
	return otherwise
}

func (e *script) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		e.data.Fatalf(e.t, "%v", err)
	}
	return n
}

func (e *script) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		e.data.Fatalf(e.t, "%v", err)
	}
	return d
}

func (e *script) node() *scriptHost { return e.hosts[e.number(e.word(0))-1] }

func (e *script) nodes() {
	n := e.number(e.word(0))
	reads, err := ParseReads(e.option("reads", "quorum"))
	if err != nil {
		e.data.Fatalf(e.t, "%v", err)
	}
	opts := Options{
		Reads: reads, Jitter: -1, PromiseGrace: e.duration(e.option("grace", "0s")),
		Window: e.number(e.option("window", "0")), BatchMax: e.number(e.option("batch", "0")),
		CatchupChunk: e.number(e.option("chunk", "0")), PendingMax: e.number(e.option("pending", "0")),
		LeaseTerm: e.duration(e.option("term", "0s")), LeaseRenew: e.duration(e.option("renew", "0s")),
		DriftBound: int64(e.number(e.option("drift", "0"))), MaxOffset: e.duration(e.option("offset", "0s")),
		ElectionTimeout: e.duration(e.option("timeout", "0s")), FirstBallotShortcut: e.option("shortcut", "") == "on",
		NoPreVote:       e.option("poll", "") != "on",
		SnapshotEntries: e.number(e.option("snapshot", "0")), SnapshotKeep: e.number(e.option("keep", "0")),
		SnapshotChunk: e.number(e.option("piece", "0")),
	}
	if opts.Lease, err = ParseLease(e.option("lease", "none")); err != nil {
		e.data.Fatalf(e.t, "%v", err)
	}
	for i := range n {
		opts.Members = append(opts.Members, protocol.NodeID(i+1))
	}
	e.hosts, e.net, e.ghost, e.nextID = nil, nil, newGhost(n, opts), 0
	for i := range n {
		opts.Self = protocol.NodeID(i + 1)
		e.hosts = append(e.hosts, &scriptHost{host: host{opts: opts}})
	}
	for _, h := range e.hosts {
		if e.option("late", "") != fmt.Sprint(uint16(h.opts.Self)) {
			e.boot(h)
		}
	}
	if !opts.FirstBallotShortcut {
		e.out.Reset() // a start only prints a line that says so
	}
}

func (e *script) boot(h *scriptHost) {
	h.life++
	out, err := h.boot(h.now)
	if err != nil {
		e.data.Fatalf(e.t, "%v", err)
	}
	e.ghost.booted(fmt.Sprintf("%v/%d", h.opts.Self, h.life), h.machine)
	e.consume(h, out)
}

func (e *script) step(h *scriptHost, in protocol.Input) {
	if h.up() {
		e.consume(h, h.step(h.now, in))
	}
}

// consume prints the effects of a step, and syncs them unless the disk is manual.
func (e *script) consume(h *scriptHost, out outcome) {
	incarnation := fmt.Sprintf("%v/%d", h.opts.Self, h.life)
	if out.halt != nil {
		e.show("%v\n", out.halt)
	}
	for _, o := range out.observations {
		e.ghost.observed(incarnation, o, h.onDisk)
		if text := observationText(o); text != "" {
			e.show("%v %s\n", h.opts.Self, text)
		}
	}
	for i := range out.sends {
		msg := out.sends[i]
		e.ghost.sent(incarnation, &msg, h.onDisk)
		if h.cut || e.hosts[msg.To-1].cut {
			e.show("  %s, lost\n", messageText(&msg))
			continue
		}
		e.net = append(e.net, &flight{msg: msg})
		e.show("  %s\n", messageText(&msg))
	}
	for _, r := range out.replies {
		e.show("%v answers #%d: %s\n", h.opts.Self, r.ID, replyText(r))
	}
	if h.broken != nil {
		e.ghost.violated("%w", h.broken)
	}
	if !h.manual && h.up() && len(h.unsynced)+len(h.rotations) > 0 {
		e.sync(h)
	}
	if !h.manual && h.up() && h.writing != nil {
		e.save(h)
	}
}

func (e *script) show(format string, args ...any) {
	if !e.quiet {
		fmt.Fprintf(&e.out, format, args...)
	}
}

func (e *script) sync(h *scriptHost) {
	for _, r := range h.unsynced {
		e.ghost.synced(h.opts.Self, r)
	}
	seq := h.written()
	e.consume(h, h.sync(seq))
	e.step(h, protocol.Input{Kind: protocol.InputDurable, Durable: seq})
}

func (e *script) save(h *scriptHost) {
	if h.writing == nil {
		e.data.Fatalf(e.t, "%v writes no snapshot", h.opts.Self)
	}
	e.step(h, protocol.Input{Kind: protocol.InputSnapshotted, Snapshotted: h.save()})
}

func (e *script) corrupt() {
	for _, f := range e.net {
		if e.matches(f) && len(f.msg.Chunk.Data) > 0 {
			f.msg.Chunk.Data = slices.Clone(f.msg.Chunk.Data)
			f.msg.Chunk.Data[0] ^= 1
		}
	}
}

func (e *script) campaign() {
	h := e.node()
	h.now = max(h.now, h.now+h.machine.timers[TimerElection].due-h.mono(h.now))
	e.fire(h)
}

func (e *script) tick() {
	h := e.node()
	for range e.number(e.option("times", "1")) {
		h.now += e.duration(e.word(1))
		e.fire(h)
	}
}

// fire fires the due timers, the earliest first. Each fires at most once, since the clock stands still.
func (e *script) fire(h *scriptHost) {
	for {
		next := protocol.TimerID(0)
		for id, at := range h.timers {
			if at != 0 && at <= h.mono(h.now) && (next == 0 || at < h.timers[next]) {
				next = protocol.TimerID(id)
			}
		}
		if next == 0 || !h.up() {
			return
		}
		h.timers[next] = 0
		e.step(h, protocol.Input{Kind: protocol.InputTimer, Timer: next})
	}
}

func (e *script) request() {
	h := e.node()
	ops := map[string]register.Op{
		"read": register.OpRead, "write": register.OpWrite, "cas": register.OpCAS, "append": register.OpAppend,
	}
	c := register.Command{Op: ops[e.word(1)], Key: e.word(2), Value: e.word(3), Expect: e.word(4)}
	if session := e.option("as", ""); session != "" {
		client, seq, _ := strings.Cut(session, ":")
		c.Client, c.Seq = register.ClientID(e.number(client)), uint64(e.number(seq))
	}
	e.nextID++
	if id := e.option("id", ""); id != "" {
		e.nextID = protocol.RequestID(e.number(id))
	}
	e.show("request #%d: %s\n", e.nextID, commandText(c))
	e.step(h, protocol.Input{Kind: protocol.InputRequest, Request: protocol.Request{
		ID: e.nextID, Command: c, Deadline: h.mono(h.now) + e.duration(e.option("timeout", "10s")),
	}})
}

// matches reports whether a message matches the directive's filter.
func (e *script) matches(f *flight) bool {
	in := func(key, value string) bool {
		vals := e.options(key)
		return len(vals) == 0 || slices.Contains(vals, value)
	}
	if slot := e.options("slot"); len(slot) > 0 && !slices.ContainsFunc(f.msg.Entries, func(x protocol.Entry) bool {
		return slices.Contains(slot, fmt.Sprint(x.Slot))
	}) {
		return false
	}
	return in("from", fmt.Sprint(uint16(f.msg.From))) && in("to", fmt.Sprint(uint16(f.msg.To))) &&
		in("kind", f.msg.Kind.String()) && in("ballot", f.msg.Ballot.String())
}

// take removes the matching messages from the network and returns them.
func (e *script) take(held bool) (taken []*flight) {
	e.net = slices.DeleteFunc(e.net, func(f *flight) bool {
		if f.held && !held || !e.matches(f) {
			return false
		}
		taken = append(taken, f)
		return true
	})
	return taken
}

func (e *script) deliver() {
	if !e.deliverOnce() {
		e.show("nothing to deliver\n")
	}
}

func (e *script) deliverOnce() bool {
	batch := e.take(false)
	for _, f := range batch {
		e.show("> %s\n", messageText(&f.msg))
		msg := f.msg
		e.step(e.hosts[msg.To-1], protocol.Input{Kind: protocol.InputMessage, Message: &msg})
	}
	return len(batch) > 0
}

func (e *script) stabilize() {
	for range 1000 {
		if !e.deliverOnce() {
			return
		}
	}
	e.data.Fatalf(e.t, "still not stable")
}

func (e *script) drop() {
	if len(e.take(true)) == 0 {
		e.show("nothing to drop\n")
	}
}

func (e *script) duplicate() {
	for _, f := range slices.Clone(e.net) {
		if e.matches(f) {
			e.net = append(e.net, &flight{msg: f.msg, held: f.held})
		}
	}
}

func (e *script) setHeld(held bool) {
	for _, f := range e.net {
		if e.matches(f) {
			f.held = held
		}
	}
}

func (e *script) crash() {
	h := e.node()
	keep := e.number(e.option("keep", "0"))
	for _, r := range h.unsynced[:keep] {
		e.ghost.synced(h.opts.Self, r)
	}
	h.crash(survival{records: keep, snapshot: e.word(1) == "saved"})
}

func (e *script) restart() {
	h := e.node()
	h.now += e.duration(e.option("after", "1s"))
	e.boot(h)
}

func (e *script) log() {
	h := e.node()
	if first := h.machine.log.first; first > 1 {
		fmt.Fprintf(&e.out, "1…%d: dropped\n", first-1)
	}
	for slot := h.machine.log.first; slot <= h.machine.log.last; slot++ {
		entry := h.machine.log.get(slot)
		switch {
		case entry == nil:
			fmt.Fprintf(&e.out, "%d: -\n", slot)
		case entry.chosen:
			fmt.Fprintf(&e.out, "%s chosen\n", entryText(entry.Entry))
		default:
			fmt.Fprintf(&e.out, "%s\n", entryText(entry.Entry))
		}
	}
}

func (e *script) status() {
	for i, h := range e.hosts {
		if word := e.word(0); word != "" && word != fmt.Sprint(i+1) {
			continue
		}
		if !h.up() {
			fmt.Fprintf(&e.out, "n%d down\n", i+1)
			continue
		}
		st := h.machine.Status(h.reading(h.now))
		follows := "nobody"
		if st.Leader != 0 {
			follows = st.Leader.String()
		}
		fmt.Fprintf(&e.out, "%v %v of %v, follows %s, promised %v, committed %d, last slot %d, pending %d\n", st.Self,
			st.Role, st.Ballot, follows, st.Promised, st.Committed, st.LastSlot, st.Pending)
		if h.opts.Lease != LeaseNone {
			fmt.Fprintf(&e.out, "   %s\n", leaseText(&h.host, h.now))
		}
	}
}

func (e *script) read() {
	fmt.Fprintf(&e.out, "%q\n", e.node().machine.store.Read(e.word(1)).Values)
}

func (e *script) flight() {
	for _, f := range e.net {
		if e.matches(f) {
			fmt.Fprintf(&e.out, "%s\n", messageText(&f.msg))
		}
	}
}
