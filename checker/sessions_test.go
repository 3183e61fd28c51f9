package checker

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// sent makes histories of requests that append to one list, x: attempts, and reads.
type sent struct{ ops []history.Operation }

func (s *sent) add(op history.Op, node string, call, ret int64, outcome history.Type, values ...int64) *sent {
	o := history.Operation{
		ID: len(s.ops), Process: len(s.ops), Node: node, Phase: history.PhaseMain, Op: op, Outcome: outcome,
		Result: history.Result{Values: values}, CallSeq: call, ReturnSeq: ret,
		Call: time.Duration(call) * time.Millisecond, Return: time.Duration(ret) * time.Millisecond,
	}
	if outcome != history.OK {
		o.Reason = "connection refused"
	}
	s.ops = append(s.ops, o)
	return s
}

// try is an attempt to append v as the request 1:v.
func (s *sent) try(v int64, node string, call, ret int64, outcome history.Type, values ...int64) *sent {
	op := history.Op{Func: history.Append, Key: "x", Value: v, Request: history.Request{Client: 1, Seq: uint64(v)}}
	return s.add(op, node, call, ret, outcome, values...)
}

func (s *sent) read(call, ret int64, values ...int64) *sent {
	return s.add(history.Op{Func: history.Read, Key: "x"}, "n3", call, ret, history.OK, values...)
}

// judged is the verdict on operations of a run of which nothing else is known but what nodes applied.
func judged(t *testing.T, ops []history.Operation, nodes []NodeObservations) verdict.Verdict {
	t.Helper()
	return judgedWith(t, ops, nodes, Facts{UniqueValues: true})
}

func judgedWith(t *testing.T, ops []history.Operation, nodes []NodeObservations, facts Facts) verdict.Verdict {
	t.Helper()
	in := Input{Run: "test", Nodes: nodes, Facts: facts}
	in.History = history.Log{Complete: true, Events: eventsOf(ops)}
	in.Faults.Complete = true
	in.Linearizability = Linearize(context.Background(), listModel(), ops, nil, Budget{})
	return Check(context.Background(), in)
}

// eventsOf are the events of operations, in order, as histories have them.
func eventsOf(ops []history.Operation) []history.Event {
	var events []history.Event
	for _, op := range ops {
		e := history.Event{Seq: op.CallSeq, Time: op.Call, Type: history.Invoke, Process: op.Process, Node: op.Node,
			Phase: op.Phase, Op: op.Op}
		events = append(events, e)
		if op.ReturnSeq >= 0 {
			e.Seq, e.Time, e.Type, e.Result, e.Reason, e.By = op.ReturnSeq, op.Return, op.Outcome, op.Result, op.Reason, op.By
			events = append(events, e)
		}
	}
	slices.SortFunc(events, func(a, b history.Event) int { return int(a.Seq - b.Seq) })
	return events
}

// listModel is a list for Porcupine to which every append adds, whatever its request.
func listModel() porcupine.Model {
	m := sessionModel()
	m.Step = func(state, in, out any) (bool, any) {
		before, op, done := state.([]int64), in.(history.Op), out.(history.Operation)
		after := before
		if op.Func == history.Append {
			after = append(slices.Clip(before), op.Value)
		}
		return done.Outcome != history.OK || slices.Equal(done.Result.Values, after), after
	}
	return m
}

// sessionModel is a list for Porcupine that executes every request once, and answers the others as it did then.
func sessionModel() porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return []int64(nil) },
		Equal: func(a, b any) bool { return slices.Equal(a.([]int64), b.([]int64)) },
		Step: func(state, in, out any) (bool, any) {
			before, op, done := state.([]int64), in.(history.Op), out.(history.Operation)
			after, answer := before, before
			if op.Func == history.Append {
				if at := slices.Index(before, op.Value); at >= 0 {
					answer = before[:at+1]
				} else {
					after = append(slices.Clip(before), op.Value)
					answer = after
				}
			}
			return done.Outcome != history.OK || slices.Equal(done.Result.Values, answer), after
		},
	}
}

func TestSessions(t *testing.T) {
	fail, unknown := history.Fail, history.Unknown
	for _, tt := range []struct {
		name string
		s    *sent
		want string   // the name of the only finding, if there is any
		says []string // of its summary and details
	}{
		{"answered twice alike", new(sent).try(5, "n1", 0, 1, ok, 5).try(5, "n2", 2, 3, ok, 5), "", nil},
		{"the first answer again, later", new(sent).try(5, "n1", 0, 1, ok, 5).try(6, "n1", 2, 3, ok, 5, 6).
			try(5, "n2", 4, 5, ok, 5).read(6, 7, 5, 6), "", nil},
		{"at two nodes at once", new(sent).try(5, "n1", 0, 3, ok, 5).try(5, "n2", 1, 2, ok, 5), "", nil},
		{"after a timeout", new(sent).try(5, "n1", 0, 1, unknown).try(5, "n2", 2, 3, ok, 5), "", nil},
		{"after a failure", new(sent).try(5, "n1", 0, 1, fail).try(5, "n2", 2, 3, ok, 5), "", nil},
		{"never answered", new(sent).try(5, "n1", 0, 1, unknown).try(5, "n2", 2, 3, unknown).read(4, 5), "", nil},

		{"executed twice", new(sent).try(5, "n1", 0, 1, ok, 5).try(5, "n2", 2, 3, unknown).read(4, 5, 5, 5),
			nameExecutedTwice, []string{"Request 1:5", "sent twice and executed twice", "element 1 and element 2",
				"by process 0 at n1 at 0.000 s (answered at 0.001 s), by process 1 at n2 at 0.002 s (outcome unknown)"}},
		{"executed twice, as the second answer shows", new(sent).try(5, "n1", 0, 1, ok, 5).try(5, "n2", 2, 3, ok, 5, 5),
			nameExecutedTwice, []string{"5 is there twice"}},
		{"two answers", new(sent).try(5, "n1", 0, 1, ok, 5).try(6, "n1", 2, 3, ok, 5, 6).try(5, "n2", 4, 5, ok, 5, 6),
			nameTwoAnswers, []string{"was answered to process 0 at n1 at 0.001 s with [5], and to process 2 at n2 at 0.005 s " +
				"with [5 6]"}},
		{"acknowledged but lost", new(sent).try(5, "n1", 0, 1, unknown).try(5, "n2", 2, 3, ok, 5).read(4, 5).
			add(history.Op{Func: history.Read, Key: "x"}, "n1", 6, 7, ok), nameRequestLost, []string{"was acknowledged", "Request 1:5 was sent twice"}},
		{"failed and executed", new(sent).try(5, "n1", 0, 1, fail).try(5, "n2", 2, 3, fail).read(4, 5, 5).
			try(6, "n1", 6, 7, unknown), nameExecutedFailed, []string{"answered with a failure", "Request 1:5 was sent twice"}},
		{"executed before it was sent to anybody who took it", new(sent).try(5, "n1", 0, 1, fail).read(2, 3, 5).
			try(5, "n2", 4, 5, ok, 5), nameElementFuture, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := judged(t, tt.s.ops, nil)
			if tt.want == "" {
				if len(v.Safety.Findings) > 0 || v.Safety.Status != verdict.Valid {
					t.Fatalf("%s: %+v", v.Safety.Status, v.Safety)
				}
			} else {
				foundOnly(t, v, tt.want, tt.says)
				stopped := judgedWith(t, tt.s.ops, nil, Facts{UniqueValues: true, Stopped: "an answer was wrong"})
				if len(stopped.Safety.Reasons) > 0 {
					t.Errorf("a run that was stopped early: %q", stopped.Safety.Reasons)
				}
			}
			if legal := sessionLegal(tt.s.ops); legal != (tt.want == "") {
				t.Errorf("a search with a model of sessions says legal: %v", legal)
			}
		})
	}
}

// What requests there were is counted, and only where there were any.
func TestSessionsAreCounted(t *testing.T) {
	s := new(sent).try(5, "n1", 0, 1, ok, 5).try(5, "n2", 2, 3, ok, 5).try(6, "n1", 4, 5, ok, 5, 6).
		try(7, "n1", 6, 7, history.Unknown).try(7, "n1", 8, 9, history.Fail).try(7, "n1", 10, 11, history.Fail).
		read(12, 13, 5, 6)
	find := func(v verdict.Verdict) *verdict.Check {
		for i, c := range v.Safety.Checks {
			if c.Checker == CheckSessions {
				return &v.Safety.Checks[i]
			}
		}
		return nil
	}
	want := "3 requests, 2 of them sent several times; 1 further answer compared with the first one"
	if c := find(judged(t, s.ops, nil)); c == nil || c.Detail != want || c.Status != verdict.Valid {
		t.Errorf("%+v", c)
	}
	list := new(sent).add(history.Op{Func: history.Append, Key: "x", Value: 5}, "n1", 0, 1, ok, 5).read(2, 3, 5)
	if c := find(judged(t, list.ops, nil)); c != nil {
		t.Errorf("nobody has sent a request: %+v", c)
	}
	odd := new(sent).try(5, "n1", 0, 1, ok, 5)
	op := odd.ops[0].Op
	op.Value = 6
	if c := find(judged(t, odd.add(op, "n2", 2, 3, ok, 5, 6).ops, nil)); c == nil || c.Status != verdict.Unknown {
		t.Errorf("a request that is two things: %+v", c)
	}
}

// Each way in which requests can fail is found by itself, whatever else tells of it; the log is only looked at when
// nothing else is wrong.
func TestSessionsOf(t *testing.T) {
	two := new(sent).try(5, "n1", 0, 1, ok, 5).try(6, "n1", 2, 3, ok, 5, 6)
	two.ops[0].By.Slot, two.ops[1].By.Slot = 1, 2
	for _, tt := range []struct {
		name string
		s    *sent
		log  []NodeObservations
		want string
	}{
		{"as in the log", two, appliedIn(5, 6), ""},
		{"otherwise in the log", two, appliedIn(6, 5), nameOtherLog},
		{"executed twice", new(sent).try(5, "n1", 0, 1, ok, 5).read(4, 5, 5, 5), nil, nameExecutedTwice},
		{"two answers", new(sent).try(5, "n1", 0, 1, ok, 5).try(6, "n1", 2, 3, ok, 5, 6).try(5, "n2", 4, 5, ok, 5, 6), nil,
			nameTwoAnswers},
	} {
		log := func() *executed {
			if tt.log == nil {
				t.Errorf("%s: the log was looked at", tt.name)
			}
			return executionOf(tt.log, false)
		}
		found := sessionsOf(ByKey(tt.s.ops).At(0), nil, log, nil).findings
		if tt.want == "" && len(found) == 0 {
			continue
		}
		if len(found) != 1 || found[0].Name != tt.want || found[0].Checker != CheckSessions {
			t.Errorf("%s: %+v", tt.name, found)
		}
	}
	register := new(sent).add(history.Op{Func: history.Write, Key: "x", Value: 5, Request: history.Request{Client: 1, Seq: 1}},
		"n1", 0, 1, ok)
	log := func() *executed { t.Error("the log was looked at for a register"); return nil }
	if s := sessionsOf(ByKey(register.ops).At(0), nil, log, nil); !s.is || len(s.findings) > 0 {
		t.Errorf("a request to a register: %+v", s)
	}
}

// The story of a second answer says where it came from, and that the log has the request twice.
func TestStoryOfTwoAnswers(t *testing.T) {
	s := new(sent).try(5, "n1", 0, 1, ok, 5).try(6, "n1", 2, 3, ok, 5, 6).try(5, "n2", 4, 5, ok, 5, 6, 5)
	for i := range s.ops {
		s.ops[i].By = history.Witness{Slot: uint64(i + 1), Ballot: "1.n1", Leader: "n1"}
	}
	v := judged(t, s.ops, appliedIn(5, 6, 5))
	foundOnly(t, v, nameExecutedTwice, []string{"5 is there twice"})
	f := v.Safety.Findings[0]
	if !strings.Contains(strings.Join(f.Story, " "), "slot 3") || len(f.Causes) != 1 ||
		f.Causes[0].Name != "a repeated request was executed again" {
		t.Errorf("story %q, causes %+v", f.Story, f.Causes)
	}
}

func TestPartsOfRequests(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    *sent
		want []string // the part of each operation
	}{
		{"sent once", new(sent).try(5, "n1", 0, 1, ok, 5).read(2, 3, 5, 5), []string{"appended 5 once", "shows 5 twice"}},
		{"sent twice", new(sent).try(5, "n1", 0, 1, ok, 5).try(5, "n2", 2, 3, history.Unknown).read(4, 5, 5, 5),
			[]string{"appended 5 once", "is an attempt at it, too", "shows 5 twice"}},
		{"two answers", new(sent).try(5, "n1", 0, 1, ok, 5).try(6, "n1", 2, 3, ok, 5, 6).try(5, "n2", 4, 5, ok, 5, 6),
			[]string{"was answered first", "was answered otherwise"}},
	} {
		v := judged(t, tt.s.ops, nil)
		var roles []string
		for _, row := range v.Safety.Findings[0].Table {
			roles = append(roles, row.Role)
		}
		if !slices.Equal(roles, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, roles, tt.want)
		}
	}
}

func TestSentOver(t *testing.T) {
	s := new(sent).try(5, "n1", 0, 1, history.Fail)
	const first = "by process 0 at n1 at 0.000 s (failed: connection refused)"
	if got, want := sentOver(s.ops), "Request 1:5 was sent once: "+first+"."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for i := range int64(attemptsTold - 1) {
		s.try(5, "n2", 2*i+2, 2*i+3, history.Unknown)
	}
	if got := sentOver(s.ops); !strings.HasPrefix(got, "Request 1:5 was sent 5 times: "+first) ||
		!strings.HasSuffix(got, "by process 4 at n2 at 0.008 s (outcome unknown).") {
		t.Errorf("%q", got)
	}
	if got := sentOver(s.try(5, "n2", 20, 21, history.Unknown).ops); !strings.HasSuffix(got, "(outcome unknown), and 1 more.") {
		t.Errorf("%q", got)
	}
}

// foundOnly makes sure that one finding of this name was made, and what it says.
func foundOnly(t *testing.T, v verdict.Verdict, name string, says []string) {
	t.Helper()
	if v.Safety.Status != verdict.Violated || len(v.Safety.Findings) != 1 || v.Safety.Findings[0].Name != name {
		t.Fatalf("%s, %+v", v.Safety.Status, v.Safety.Findings)
	}
	f := v.Safety.Findings[0]
	text := f.Summary + " " + strings.Join(f.Details, " ")
	for _, want := range says {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q: %s", want, text)
		}
	}
	if len(f.Table) == 0 || len(f.Operations) == 0 {
		t.Errorf("it has no table: %+v", f)
	}
}

// sessionLegal has Porcupine search an order of attempts, each an operation of its own.
func sessionLegal(ops []history.Operation) bool {
	var list []porcupine.Operation
	for _, op := range ops {
		if !says(&op) {
			continue
		}
		ret := op.ReturnSeq
		if op.Outcome == history.Unknown {
			ret = math.MaxInt64
		}
		list = append(list, porcupine.Operation{ClientId: op.ID, Input: op.Op, Output: op, Call: op.CallSeq, Return: ret})
	}
	return porcupine.CheckOperations(sessionModel(), list)
}

// sessionHistories is how many random histories are decided in every build.
const sessionHistories = 100_000

// What is found of requests is exact: something exactly in those histories of attempts that a search with a model of
// sessions finds to be impossible.
func TestSessionsAreExact(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SESSIONS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SESSIONS_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	legals := 0
	for range sessionHistories {
		ops := randomRequests(rng)
		want := sessionLegal(ops)
		if want {
			legals++
		}
		if got, why := requestsLegal(ops); got != want {
			t.Fatalf("legal: %v (%s), and a search says %v:\n%s", got, why, want, accounts(ops))
		}
	}
	t.Logf("%d of %d were legal", legals, sessionHistories)
	if legals < sessionHistories/5 || legals > sessionHistories*4/5 {
		t.Error("these histories are too much alike")
	}
}

// requestsLegal decides a history as the checks together do.
func requestsLegal(ops []history.Operation) (legal bool, why string) {
	keys := ByKey(ops)
	if keys.Len() == 0 {
		return true, "nothing happened"
	}
	k := keys.At(0)
	if decideList(k.Ops) == verdict.Violated {
		return false, "as a list"
	}
	none := func() *executed { return nil }
	for _, f := range sessionsOf(k, failedByKey(keys.ops)[k.Key], none, nil).findings {
		return false, f.Summary
	}
	return true, ""
}

// randomRequests is a small history of attempts at up to three requests, and reads, of a list that executes each once,
// unless it errs.
func randomRequests(rng *rand.Rand) []history.Operation {
	n := 2 + rng.IntN(6)
	type moment struct {
		at int64
		op int
	}
	instants := rng.Perm(2 * n)
	s := new(sent)
	for i := range n {
		call, ret := int64(instants[2*i]), int64(instants[2*i+1])
		call, ret = min(call, ret), max(call, ret)
		if rng.IntN(3) == 0 {
			s.read(call, ret)
			continue
		}
		s.try(int64(1+rng.IntN(3)), fmt.Sprintf("n%d", 1+rng.IntN(3)), call, ret,
			[]history.Type{history.OK, history.OK, history.OK, history.Unknown, history.Fail}[rng.IntN(5)])
	}
	slices.SortFunc(s.ops, func(a, b history.Operation) int { return int(a.CallSeq - b.CallSeq) })
	var effects []moment
	for i := range s.ops {
		op := &s.ops[i]
		op.ID, op.Process = i, i
		span := op.ReturnSeq - op.CallSeq
		if op.Outcome == history.Unknown {
			span = int64(2*n) - op.CallSeq
		}
		effects = append(effects, moment{op.CallSeq*10 + rng.Int64N(10*span), i})
	}
	slices.SortFunc(effects, func(a, b moment) int { return int(a.at - b.at) })
	var list []int64
	for _, e := range effects {
		op := &s.ops[e.op]
		answer := slices.Clone(list)
		if op.Op.Func == history.Append && (op.Outcome != history.Fail || rng.IntN(6) == 0) {
			if at := slices.Index(list, op.Op.Value); at >= 0 && rng.IntN(5) > 0 {
				answer = answer[:at+1]
			} else {
				list = append(list, op.Op.Value)
				answer = slices.Clone(list)
			}
		}
		if rng.IntN(10) == 0 && len(answer) > 0 {
			answer = answer[:len(answer)-1]
		}
		if op.Outcome == history.OK {
			op.Result.Values = answer
		}
	}
	return s.ops
}

// A request that is two different things is refused, and nothing is said of it.
func TestOddRequestsAreRefused(t *testing.T) {
	s := new(sent).try(5, "n1", 0, 1, history.OK, 5)
	op := s.ops[0].Op
	op.Value = 6
	s.add(op, "n2", 2, 3, history.OK, 5, 6)
	v := judged(t, s.ops, nil)
	if v.Safety.Status == verdict.Valid || !strings.Contains(strings.Join(v.Safety.Reasons, " "), "not one request") {
		t.Errorf("%s: %v, %+v", v.Safety.Status, v.Safety.Reasons, v.Safety.Findings)
	}
}

// appliedIn is what a node wrote of slots from the first one on, an element each, as requests of client 1.
func appliedIn(slots ...int64) []NodeObservations {
	n := NodeObservations{Node: "n1"}
	for i, v := range slots {
		n.Log.Observations = append(n.Log.Observations, history.Observation{
			Node: "n1", Kind: history.ObservedApplied, Slot: uint64(i + 1), Boot: "1", Ballot: "1.n1",
			IDs: []string{fmt.Sprintf("1:%d", v)}, Ops: []history.Update{{Op: "append", Key: "x", Value: fmt.Sprint(v)}},
		})
	}
	return []NodeObservations{n}
}

// What clients saw is compared with the log, in which each request counts once.
func TestSessionsAndTheLog(t *testing.T) {
	at := func(s *sent, slots ...uint64) []history.Operation {
		for i := range s.ops {
			s.ops[i].By.Slot = slots[i]
		}
		return s.ops
	}
	two := func() *sent { return new(sent).try(5, "n1", 0, 1, history.OK, 5).try(6, "n1", 2, 3, history.OK, 5, 6) }
	for _, tt := range []struct {
		name  string
		ops   []history.Operation
		nodes []NodeObservations
		want  string
		says  string // its summary
		role  string // of the answer
	}{
		{"as in the log", at(two(), 1, 2), appliedIn(5, 6), "", "", ""},
		{"repeated in the log", at(two(), 1, 3), appliedIn(5, 5, 6), "", "", ""},
		{"sent on while its session went on", at(new(sent).try(5, "n1", 0, 1, history.Unknown).
			try(6, "n1", 2, 3, history.OK, 6).read(4, 5, 6), 0, 1, 2), appliedIn(6, 5), "", "", ""},
		{"executed although its session had gone on", at(new(sent).try(5, "n1", 0, 1, history.Unknown).
			try(6, "n1", 2, 3, history.OK, 6).read(4, 5, 6, 5), 0, 1, 2), appliedIn(6, 5), nameOtherLog, "it is nothing more", "shows 5 as element 2"},
		{"another order", at(two(), 1, 2), appliedIn(6, 5), nameOtherLog, "it is 6, in slot 1", "shows 5 as element 1"},
		{"more than the log has", at(two(), 1, 1), appliedIn(5), nameOtherLog, "it is nothing more", "shows 6 as element 2"},
		{"not in the log", at(new(sent).try(5, "n1", 0, 1, history.OK, 5).try(6, "n1", 2, 3, history.Unknown).
			read(4, 5, 5, 6), 1, 0, 0), appliedIn(6), nameRequestLost, "in slot 1", "was acknowledged, and is in no slot"},
		{"not in the log, and nobody says in which slot", at(new(sent).try(5, "n1", 0, 1, history.OK, 5), 0), appliedIn(6), "", "", ""},
		{"slots that nobody knows", at(two(), 1, 3), appliedIn(5), "", "", ""},
		{"no log", at(two(), 1, 2), nil, "", "", ""},
	} {
		k := ByKey(tt.ops).At(0)
		l, ok := newList(k, nil)
		if !ok {
			t.Fatal("it is no list")
		}
		f, found := executionOf(tt.nodes, false).disagrees(l)
		if found != (tt.want != "") || f.Name != tt.want || !strings.Contains(f.Summary, tt.says) {
			t.Errorf("%s: found %v: %+v", tt.name, found, f)
		}
		if found && (len(f.Table) != 1 || f.Table[0].Role != tt.role) {
			t.Errorf("%s: %+v, want the part %q", tt.name, f.Table, tt.role)
		}
		if executionOf(tt.nodes, true) != nil {
			t.Errorf("%s: nodes that do not agree have a log", tt.name)
		}
	}
}

// A request of which all attempts failed had no effect, and one that was answered twice was answered alike.
func TestRequestsOnlineObject(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    *sent
		want string // the reason
	}{
		{"failed and seen", new(sent).try(5, "n1", 0, 1, history.Fail).try(6, "n1", 2, 3, ok, 6).read(4, 5, 6, 5),
			"5 was seen, which nobody had asked to append"},
		{"failed twice and seen", new(sent).try(5, "n1", 0, 3, history.Fail).try(5, "n2", 1, 2, history.Fail).read(4, 5, 5),
			"5 was seen, which nobody had asked to append"},
		{"seen and then failed", new(sent).try(5, "n1", 0, 5, history.Fail).read(1, 2, 5),
			"5 was seen, but its append failed"},
		{"failed, sent again and seen", new(sent).try(5, "n1", 0, 1, history.Fail).try(5, "n2", 2, 5, ok, 5).read(3, 4, 5), ""},
		{"two answers", new(sent).try(5, "n1", 0, 1, ok, 5).try(5, "n2", 2, 3, ok, 5, 5),
			"request 1:5 was answered otherwise before"},
	} {
		var o Online
		events := eventsOf(tt.s.ops)
		for i := range events {
			if fine := o.Observe(&events[i]); fine != (tt.want == "" || i < len(events)-1) {
				t.Errorf("%s: event %d is fine: %v", tt.name, i, fine)
			}
		}
		if _, why := o.Decision("x"); why != tt.want && tt.want != "" {
			t.Errorf("%s: %q, want %q", tt.name, why, tt.want)
		}
	}
}

// A request is decided while it goes on as it is in the end: the first objection comes with the first answer that has
// no legal order. Only where an attempt failed may it come late, or not at all.
func TestRequestsOnline(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	objections, missed := 0, 0
	for range sessionHistories / 10 {
		ops := randomRequests(rng)
		failed := slices.ContainsFunc(ops, func(op history.Operation) bool { return op.Outcome == history.Fail })
		var o Online
		events := eventsOf(ops)
		for i := range events {
			if o.Observe(&events[i]) {
				if !failed && !sessionLegal(upTo(ops, events[i].Seq)) {
					t.Fatalf("it does not object to event %d:\n%s", i, accounts(ops))
				}
				continue
			}
			objections++
			if sessionLegal(ops) || !failed && !sessionLegal(upTo(ops, events[i].Seq-1)) {
				t.Fatalf("it objects to event %d:\n%s", i, accounts(ops))
			}
			break
		}
		if _, why := o.Decision("x"); failed && why == "" && !sessionLegal(ops) {
			missed++
		}
	}
	t.Logf("%d objections, %d missed where an attempt had failed", objections, missed)
	if objections < 500 {
		t.Error("there is hardly anything to object to")
	}
}
