package checker

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"go.uber.org/goleak"

	"elenchus/results/history"
)

// workerEnv makes the test program the worker of its own tests.
const workerEnv = "CHECKER_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		if err := WorkerMain(os.Stdin, os.Stdout, nastyModel()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// registerModel is the register of the specification, written apart from the one that runs use.
func registerModel() porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return []int64(nil) },
		Equal: func(a, b any) bool { return slices.Equal(a.([]int64), b.([]int64)) },
		Hash: func(s any) uint64 {
			h := uint64(17)
			for _, v := range s.([]int64) {
				h = h*31 + uint64(v)
			}
			return h
		},
		Step: func(s, in, out any) (bool, any) {
			state, op, done := s.([]int64), in.(history.Op), out.(history.Operation)
			known := done.Outcome == history.OK
			switch op.Func {
			case history.Read:
				return !known || slices.Equal(state, done.Result.Values), state
			case history.Write:
				return true, []int64{op.Value}
			case history.Append:
				next := append(slices.Clone(state), op.Value)
				return !known || slices.Equal(next, done.Result.Values), next
			}
			match := op.Expect == nil && len(state) == 0 || op.Expect != nil && slices.Equal(state, []int64{*op.Expect})
			switch {
			case known && match != done.Result.Matched:
				return false, state
			case match:
				return true, []int64{op.Value}
			}
			return !known || slices.Equal(state, done.Result.Values), state
		},
		DescribeOperation: func(in, _ any) string { return in.(history.Op).String() },
	}
}

// nastyModel is registerModel, but for some keys a step does what searches do in bad moments.
func nastyModel() porcupine.Model {
	m := registerModel()
	step := m.Step
	var hoard [][]byte
	m.Step = func(s, in, out any) (bool, any) {
		switch in.(history.Op).Key {
		case "exit":
			os.Exit(7)
		case "panic":
			panic("no such register")
		case "hang":
			select {}
		case "hoard":
			for {
				b := make([]byte, 16<<20)
				for i := range b {
					b[i] = 1
				}
				hoard = append(hoard, b)
			}
		}
		return step(s, in, out)
	}
	return m
}

// script builds the history of one key by hand. Each event comes a millisecond after the one before.
type script struct {
	key  string
	open map[int]int
	ops  []history.Operation
	seq  int64
}

func newScript(t *testing.T, key string) *script {
	t.Helper()
	return &script{key: key, open: make(map[int]int)}
}

func (s *script) tick() (int64, time.Duration) {
	s.seq++
	return s.seq - 1, time.Duration(s.seq) * time.Millisecond
}

func (s *script) call(process int, op history.Op) *script {
	seq, at := s.tick()
	op.Key = s.key
	s.open[process] = len(s.ops)
	s.ops = append(s.ops, history.Operation{
		ID: len(s.ops), Process: process, Node: fmt.Sprintf("n%d", process+1), Phase: history.PhaseMain, Op: op,
		Outcome: history.Unknown, Reason: history.ReasonNoCompletion, Call: at, CallSeq: seq, ReturnSeq: -1,
	})
	return s
}

func (s *script) ret(process int, outcome history.Type, matched bool, values ...int64) *script {
	seq, at := s.tick()
	op := &s.ops[s.open[process]]
	op.Outcome, op.Result = outcome, history.Result{Matched: matched, Values: values}
	op.Return, op.ReturnSeq, op.Reason = at, seq, ""
	if outcome != history.OK {
		op.Reason = "because"
	}
	return s
}

// do is call and ok at once.
func (s *script) do(process int, op history.Op, values ...int64) *script {
	return s.call(process, op).ret(process, history.OK, false, values...)
}

func read() history.Op            { return history.Op{Func: history.Read} }
func write(v int64) history.Op    { return history.Op{Func: history.Write, Value: v} }
func appendOp(v int64) history.Op { return history.Op{Func: history.Append, Value: v} }
func cas(e, v int64) history.Op   { return history.Op{Func: history.CAS, Value: v, Expect: &e} }

// What the usual workloads do.
var (
	registerFuncs = []history.Func{history.Read, history.Write, history.CAS}
	listFuncs     = []history.Func{history.Read, history.Append}
)

// generated is a history of one key as clients of an atomic register see it, with chance deciding everything.
type generated struct {
	clients, steps int
	funcs          []history.Func
	unknown        float64 // share of updates whose outcome is unknown
	domain         int64   // values are drawn from 1 … domain instead of being unique, when not zero
	wrong          float64 // share of answers that are tampered with
}

func (g generated) make(rng *rand.Rand) []history.Operation {
	w := &generator{generated: g, rng: rng, open: make(map[int]*effect), fresh: g.clients}
	for c := range g.clients {
		w.process = append(w.process, c)
	}
	for range g.steps {
		w.lateEffect()
		c := rng.IntN(g.clients)
		e := w.open[c]
		switch {
		case e == nil:
			w.invoke(c)
		case !e.applied && rng.IntN(2) == 0:
			w.apply(e)
			continue // nobody sees it happen: no event
		default:
			w.complete(c, e)
		}
		w.seq++
	}
	return w.ops
}

// generator makes one history.
type generator struct {
	generated
	rng     *rand.Rand
	state   []int64
	ops     []history.Operation
	seq     int64
	value   int64
	open    map[int]*effect
	process []int // of each client
	fresh   int
	late    []*effect // updates of unknown outcome that may yet take effect
}

// effect is what an operation does to the register, at some instant between its call and return.
type effect struct {
	id      int
	applied bool
	result  history.Result
}

func (g *generator) invoke(client int) {
	g.value++
	op := history.Op{Func: g.funcs[g.rng.IntN(len(g.funcs))], Key: "x"}
	if op.Func.Mutates() {
		op.Value = g.value
		if g.domain > 0 {
			op.Value = 1 + g.rng.Int64N(g.domain)
		}
	}
	if op.Func == history.CAS && len(g.state) == 1 {
		e := g.state[0]
		if g.rng.IntN(4) == 0 {
			e = max(1, e-1)
		}
		op.Expect = &e
	}
	g.open[client] = &effect{id: len(g.ops)}
	g.ops = append(g.ops, history.Operation{
		ID: len(g.ops), Process: g.process[client], Node: "n1", Phase: history.PhaseMain, Op: op,
		Outcome: history.Unknown, Call: time.Duration(g.seq) * time.Millisecond, CallSeq: g.seq, ReturnSeq: -1,
	})
}

func (g *generator) complete(client int, e *effect) {
	op := &g.ops[e.id]
	op.Return, op.ReturnSeq = time.Duration(g.seq)*time.Millisecond, g.seq
	delete(g.open, client)
	if op.Op.Func.Mutates() && g.rng.Float64() < g.unknown {
		g.late = append(g.late, e)
		g.process[client] = g.fresh
		g.fresh++
		return
	}
	if !e.applied {
		g.apply(e)
	}
	op.Outcome, op.Result = history.OK, e.result
	if g.rng.Float64() < g.wrong {
		tamper(op, g.value, g.rng)
	}
}

func (g *generator) lateEffect() {
	if len(g.late) == 0 || g.rng.IntN(4) != 0 {
		return
	}
	i := g.rng.IntN(len(g.late))
	if !g.late[i].applied && g.rng.IntN(2) == 0 {
		g.apply(g.late[i])
	}
	g.late = slices.Delete(g.late, i, i+1)
}

func (g *generator) apply(e *effect) {
	op := g.ops[e.id].Op
	e.applied = true
	switch op.Func {
	case history.Read:
		e.result.Values = slices.Clone(g.state)
	case history.Write:
		g.state = []int64{op.Value}
	case history.Append:
		g.state = append(slices.Clone(g.state), op.Value)
		e.result.Values = slices.Clone(g.state)
	case history.CAS:
		present := op.Expect != nil && slices.Equal(g.state, []int64{*op.Expect})
		e.result.Matched = present || op.Expect == nil && len(g.state) == 0
		if e.result.Matched {
			g.state = []int64{op.Value}
		} else {
			e.result.Values = slices.Clone(g.state)
		}
	}
}

// tamper makes an answer show another value.
func tamper(op *history.Operation, values int64, rng *rand.Rand) {
	vs := slices.Clone(op.Result.Values)
	switch {
	case op.Op.Func == history.CAS && op.Result.Matched:
		e := 1 + rng.Int64N(values)
		op.Op.Expect = &e
	case op.Op.Func == history.Append && len(vs) > 1:
		i := rng.IntN(len(vs) - 1)
		vs = slices.Delete(vs, i, i+1)
	case op.Op.Func == history.Append || len(vs) == 0:
		return
	default:
		vs[rng.IntN(len(vs))] = 1 + rng.Int64N(values)
	}
	op.Result.Values = vs
}

// merge puts histories of several keys one after another into one.
func merge(parts ...[]history.Operation) []history.Operation {
	var out []history.Operation
	var seq int64
	var at time.Duration
	process := 0
	for _, ops := range parts {
		var maxSeq int64
		var maxAt time.Duration
		maxProcess := 0
		for _, op := range ops {
			maxSeq, maxAt = max(maxSeq, op.CallSeq, op.ReturnSeq), max(maxAt, op.Call, op.Return)
			maxProcess = max(maxProcess, op.Process)
			op.ID = len(out)
			op.CallSeq += seq
			op.Call += at
			op.Process += process
			if op.Completed() {
				op.ReturnSeq += seq
				op.Return += at
			}
			out = append(out, op)
		}
		seq += maxSeq + 1
		at += maxAt + time.Millisecond
		process += maxProcess + 1
	}
	return out
}

// events takes operations apart again.
func events(ops []history.Operation) []history.Event {
	var out []history.Event
	for _, op := range ops {
		e := history.Event{Process: op.Process, Node: op.Node, Phase: op.Phase, Op: op.Op}
		call, ret := e, e
		call.Seq, call.Time, call.Type = op.CallSeq, op.Call, history.Invoke
		out = append(out, call)
		if op.Completed() {
			ret.Seq, ret.Time, ret.Type = op.ReturnSeq, op.Return, op.Outcome
			ret.Result, ret.Reason, ret.By = op.Result, op.Reason, op.By
			out = append(out, ret)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Seq < out[j].Seq })
	return out
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s: %q does not contain %q", what, text, p)
		}
	}
}
