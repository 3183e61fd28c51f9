package sim

import (
	"strings"
	"testing"
	"time"

	"elenchus/nemesis"
	"elenchus/nemesis/hostclock"
	"elenchus/node/clock"
	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/results/history"
)

// liar is a machine that misbehaves: it changes what another one wants done, or says of itself.
type liar struct {
	protocol.Machine
	now    time.Duration
	hear   func(l *liar, msg *protocol.Message)
	step   func(l *liar, in protocol.Input, fx *protocol.Effects)
	status func(s *protocol.Status)
	self   protocol.NodeID
	count  int
}

// Step implements protocol.Machine.
func (l *liar) Step(now clock.Reading, in protocol.Input) protocol.Effects {
	l.now = now.Mono
	if l.hear != nil && in.Kind == protocol.InputMessage {
		heard := *in.Message // what the world has is not ours to change
		in.Message = &heard
		l.hear(l, &heard)
	}
	fx := l.Machine.Step(now, in)
	if l.step != nil {
		l.step(l, in, &fx)
	}
	return fx
}

// Status implements protocol.Machine.
func (l *liar) Status(now clock.Reading) protocol.Status {
	s := l.Machine.Status(now)
	if l.status != nil {
		l.status(&s)
	}
	return s
}

// lie is how a machine misbehaves.
type lie struct {
	change func(o *multipaxos.Options, rec *protocol.Recovered)
	hear   func(l *liar, msg *protocol.Message)
	step   func(l *liar, in protocol.Input, fx *protocol.Effects)
	status func(s *protocol.Status)
}

// lying makes a world whose machines lie.
func lying(is lie) *World {
	return New(Options{Machine: func(o multipaxos.Options, rec protocol.Recovered) (protocol.Machine, error) {
		if is.change != nil {
			is.change(&o, &rec)
		}
		m, err := multipaxos.New(o, rec)
		return &liar{Machine: m, hear: is.hear, step: is.step, status: is.status, self: o.Self}, err
	}})
}

// Each invariant sees at least one way to break it. The plans are quiet but for a crash of all: what is found, the
// machine's lie alone has caused.
func TestInvariantsSeeLies(t *testing.T) {
	type step = func(*liar, protocol.Input, *protocol.Effects)
	type change = func(*multipaxos.Options, *protocol.Recovered)
	onReply := func(do func(r *protocol.Reply) bool) step {
		return func(_ *liar, _ protocol.Input, fx *protocol.Effects) {
			for i := range fx.Replies {
				if do(&fx.Replies[i]) {
					return
				}
			}
		}
	}
	tests := []struct {
		name   string
		want   []string // invariants: the first that is broken is one of these
		change change
		step   step
		status func(*protocol.Status)
		hear   func(l *liar, msg *protocol.Message)
		plan   func(p *Plan)
	}{
		{name: "does not wait for the disk", want: []string{invariantDurable}, step: func(_ *liar, _ protocol.Input, fx *protocol.Effects) {
			for i := range fx.Sends {
				fx.Sends[i].After = 0
			}
		}},
		{name: "forgets its promise in a restart", want: []string{invariantRecovery}, change: func(_ *multipaxos.Options, rec *protocol.Recovered) {
			rec.Promised = protocol.Ballot{}
		}},
		{name: "uses a ballot again after a restart", want: []string{invariantOwner, invariantRecovery, invariantMonotone},
			change: func(_ *multipaxos.Options, rec *protocol.Recovered) {
				*rec = protocol.Recovered{}
			}},
		{name: "takes itself for a majority", want: []string{invariantElection}, change: func(o *multipaxos.Options, _ *protocol.Recovered) {
			if o.Self == 2 {
				o.Members = []protocol.NodeID{2}
			}
		}},
		{name: "takes a minority for a majority", want: []string{invariantElection, invariantBasis, invariantLease},
			change: func(o *multipaxos.Options, _ *protocol.Recovered) {
				if o.Self <= 2 {
					o.Members = []protocol.NodeID{1, 2}
				}
			}, plan: func(p *Plan) { p.Clocks = make([]Clock, 5); p.Schedule.Nodes = NodeNames(5) }},
		{name: "reports nothing", want: []string{invariantComplete, invariantSafeValue},
			step: func(_ *liar, _ protocol.Input, fx *protocol.Effects) {
				for i := range fx.Sends {
					if m := &fx.Sends[i].Message; m.Kind == protocol.MsgPromise {
						m.Entries = nil
					}
				}
			}},
		{name: "changes a value when it is sent again", want: []string{invariantOneValue}, step: func(l *liar, _ protocol.Input, fx *protocol.Effects) {
			for i := range fx.Sends {
				if m := &fx.Sends[i].Message; m.Kind == protocol.MsgAccept && i > 0 && len(m.Entries[0].Batch) > 0 {
					entries := append([]protocol.Entry{}, m.Entries...)
					entries[0].Batch = append([]register.Command{}, entries[0].Batch...)
					entries[0].Batch[0].Value += "9"
					m.Entries = entries
				}
			}
		}},
		{name: "skips a slot", want: []string{invariantPrefix}, step: func(_ *liar, _ protocol.Input, fx *protocol.Effects) {
			for i := range fx.Observations {
				if o := &fx.Observations[i]; o.Kind == protocol.ObservedApplied && o.Slot == 5 {
					fx.Observations = append(fx.Observations[:i], fx.Observations[i+1:]...)
					return
				}
			}
		}},
		{name: "computes another state", want: []string{invariantStateHash}, status: func(s *protocol.Status) {
			if s.Self == 3 {
				s.Hash++
			}
		}},
		{name: "answers what was never executed", want: []string{invariantAck, invariantRealTime},
			step: onReply(func(r *protocol.Reply) bool { r.Slot++; return false })},
		{name: "answers a read with what it was", want: []string{invariantResult}, step: onReply(func(r *protocol.Reply) bool {
			if len(r.Result.Values) == 1 {
				r.Result.Values = nil
			}
			return false
		})},
		{name: "says that it failed", want: []string{invariantHonest}, step: onReply(func(r *protocol.Reply) bool {
			r.Outcome = protocol.OutcomeFail
			return false
		})},
		{name: "reads its own state", want: []string{invariantFresh}, change: func(o *multipaxos.Options, _ *protocol.Recovered) {
			o.Reads = multipaxos.ReadsLocal
		}},
		{name: "answers twice", want: []string{invariantAnswer}, step: func(_ *liar, _ protocol.Input, fx *protocol.Effects) {
			if len(fx.Replies) > 0 {
				fx.Replies = append(fx.Replies, fx.Replies[0])
			}
		}},
		{name: "answers nothing", want: []string{invariantAnswer, checkStuck}, step: func(_ *liar, _ protocol.Input, fx *protocol.Effects) {
			fx.Replies = nil
		}},
		{name: "trusts its clock", want: []string{invariantLease, invariantGrant}, change: func(o *multipaxos.Options, _ *protocol.Recovered) {
			o.DriftBound = multipaxos.DriftNone
		}, plan: func(p *Plan) {
			p.Node.DriftBound, p.Node.LeaseTerm = ppb/2, 400*ms
			p.Schedule.Faults = []nemesis.Fault{
				clockFault("f0", 990*ms, 500*ms, nemesis.RoleLeader, hostclock.Move{Rate: 667_000_000}),
				{ID: "f1", At: time.Second, For: 500 * ms, Kind: nemesis.Partition, Shape: nemesis.Isolate, Groups: [][]string{{nemesis.RoleLeader}}},
			}
		}},
		{name: "stops for good", want: []string{invariantHalt}, step: func(l *liar, _ protocol.Input, fx *protocol.Effects) {
			if l.now > monoStart+time.Second {
				fx.Halt = errDiskRotten
			}
		}},
		{name: "panics", want: []string{invariantPanic}, step: func(l *liar, _ protocol.Input, _ *protocol.Effects) {
			if l.now > monoStart+time.Second {
				panic("slice bounds out of range")
			}
		}},
		{name: "waits for what it has not written", want: []string{invariantContract}, step: func(_ *liar, _ protocol.Input, fx *protocol.Effects) {
			for i := range fx.Replies {
				fx.Replies[i].After = 1 << 40
			}
		}},
		{name: "compacts too much", want: []string{invariantCompaction}, change: func(o *multipaxos.Options, _ *protocol.Recovered) {
			o.SnapshotEntries = 10
		}, step: func(_ *liar, _ protocol.Input, fx *protocol.Effects) {
			if c := fx.Compaction; c != nil {
				c.Records = c.Records[:1]
			}
		}},
		{name: "lets its snapshot wait", want: []string{invariantCompaction}, step: func(l *liar, _ protocol.Input, fx *protocol.Effects) {
			if l.count++; l.count == 100 {
				fx.Compaction = &protocol.Compaction{Slot: 3}
			}
		}},
		{name: "does not listen to promises", want: []string{invariantSafeValue}, hear: func(_ *liar, msg *protocol.Message) {
			if msg.Kind == protocol.MsgPromise {
				msg.Entries = nil
			}
		}, plan: func(p *Plan) {
			p.Network.Datagram, p.Network.LossPPM = true, 200_000
		}},
		{name: "takes one granter for two", want: []string{invariantBasis}, hear: func(l *liar, msg *protocol.Message) {
			if l.count++; msg.Kind == protocol.MsgHeartbeatAck && l.count%2 == 1 {
				msg.From = l.self%5 + 1
			}
		}, plan: func(p *Plan) {
			p.Clocks, p.Schedule.Nodes = make([]Clock, 5), NodeNames(5)
			p.Schedule.Faults = []nemesis.Fault{
				{ID: "f1", At: time.Second, For: 500 * ms, Kind: nemesis.Partition, Shape: nemesis.Halves, Groups: [][]string{{nemesis.RoleLeader}}},
			}
		}},
		{name: "goes deaf", want: []string{checkStuck}, step: func(l *liar, _ protocol.Input, fx *protocol.Effects) {
			if l.self != 1 && l.now > monoStart+500*ms {
				*fx = protocol.Effects{Records: fx.Records}
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := quiet(t, 3)
			p.Schedule.Faults = []nemesis.Fault{
				{ID: "f1", At: 900 * ms, For: 50 * ms, Kind: nemesis.Kill, Groups: [][]string{{nemesis.RoleLeader}}},
				{ID: "f2", At: 1300 * ms, For: 50 * ms, Kind: nemesis.Kill, Groups: [][]string{{nemesis.RoleAll}}},
			}
			if tt.plan != nil {
				tt.plan(p)
			}
			honest, liars := New(Options{}), lying(lie{tt.change, tt.hear, tt.step, tt.status})
			var r Result
			for p.Seed = 1; p.Seed <= 30 && r.Violation == nil; p.Seed++ { // some lies matter only at the wrong moment
				if r = run(t, honest, p); r.Violation != nil {
					t.Fatalf("without a lie: %v", r.Violation)
				}
				r = run(t, liars, p)
			}
			if r.Violation == nil {
				t.Fatalf("not seen: %+v", r.Stats)
			}
			if !strings.Contains(" "+strings.Join(tt.want, " ")+" ", " "+r.Violation.Invariant+" ") {
				t.Errorf("want %v, got %v", tt.want, r.Violation)
			}
			if r.Violation.At == 0 || r.Violation.Message == "" {
				t.Errorf("it does not say what, and when: %+v", r.Violation)
			}
		})
	}
}

// What no lie of one machine brings about is told to the ghost directly.
func TestGhostSeesTwoChosenValues(t *testing.T) {
	w := New(Options{})
	p := quiet(t, 3)
	if err := w.reset(p); err != nil {
		t.Fatal(err)
	}
	command := func(v string) []register.Command {
		return []register.Command{{Client: 1, Seq: 1, Op: register.OpWrite, Key: "x", Value: v}}
	}
	accept := func(node int, round uint64, v string) {
		w.ghost.synced(&w.nodes[node], &protocol.Record{Kind: protocol.RecordAccept, Entry: protocol.Entry{
			Slot: 1, Ballot: protocol.Ballot{Round: round, Node: 1}, Batch: command(v),
		}})
	}
	accept(0, 1, "a")
	accept(1, 1, "a")
	accept(1, 2, "b")
	if w.violation != nil {
		t.Fatalf("one value is chosen, and the ghost says %v", w.violation)
	}
	accept(2, 2, "b")
	if w.violation == nil || w.violation.Invariant != invariantAgreement || w.violation.Slot != 1 {
		t.Errorf("two values are chosen, and the ghost says %v", w.violation)
	}
	w.violation = nil
	accept(2, 1, "a")
	if w.violation == nil || w.violation.Invariant != invariantAcceptFalls {
		t.Errorf("a node goes back to a lower ballot, and the ghost says %v", w.violation)
	}
}

// The history of a run that an answer ends has that answer, and what it should have taken into account.
func TestHistoryHasTheAnswerThatBrokeARule(t *testing.T) {
	w := lying(lie{step: func(_ *liar, _ protocol.Input, fx *protocol.Effects) {
		for i := range fx.Replies { // everybody answers reads from before anything happened
			if r := &fx.Replies[i]; r.Outcome == protocol.OutcomeOK && r.Result.Code == register.CodeOK && r.Slot > 20 {
				r.Slot, r.Result.Values = 0, nil
			}
		}
	}})
	for seed := uint64(1); seed <= 20; seed++ {
		p, err := Draw(seed, DrawOptions{Workloads: []string{"register"}, Style: "calm"})
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.Run(p)
		if err != nil {
			t.Fatal(err)
		}
		v := r.Violation
		if v == nil || v.Invariant != invariantFresh {
			continue
		}
		if v.Answer == nil || v.Answer.Before < 0 {
			t.Fatalf("seed %d: %+v", seed, v)
		}
		op, before := r.History[v.Answer.Operation], r.History[v.Answer.Before]
		if op.Outcome != history.OK || op.Op.Func != history.Read || op.Return != v.At ||
			before.Outcome != history.OK || before.ReturnSeq > op.CallSeq || r.Witness(before.ID).Slot == 0 {
			t.Errorf("seed %d: %+v after %+v", seed, op, before)
		}
		return
	}
	t.Error("no answer broke the rule")
}

func TestGhostSaysWhatIsTwiceInTheLog(t *testing.T) {
	update := func(client register.ClientID, seq uint64, key, value string) register.Command {
		return register.Command{Client: client, Seq: seq, Op: register.OpWrite, Key: key, Value: value}
	}
	g := &ghost{slots: []slotGhost{
		{chosen: true, batch: []register.Command{update(6, 8, "r0", "32"), update(6, 9, "r1", "5")}},
		{chosen: true, batch: []register.Command{update(7, 1, "r0", "40")}},
		{batch: []register.Command{update(7, 1, "r0", "40")}},
		{chosen: true, batch: []register.Command{update(6, 8, "r0", "32")}},
	}}
	if got, want := g.twice("r0"), "; write r0 32 (6:8) is in slot 1 and again in slot 4, and must be executed once"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := g.twice("r1"); got != "" {
		t.Errorf("what is there once: %q", got)
	}
}
