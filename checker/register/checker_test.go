package register

import (
	"strings"
	"testing"

	"elenchus/results/history"
)

func read(call, ret, sees int64) Op { return Op{Kind: Read, Call: call, Return: ret, Sees: sees} }
func absent(call, ret int64) Op     { return Op{Kind: Read, Call: call, Return: ret, Absent: true} }
func write(call, ret, v int64) Op   { return Op{Kind: Write, Call: call, Return: ret, Writes: v} }

func cas(call, ret, sees, v int64) Op {
	return Op{Kind: CAS, Call: call, Return: ret, Sees: sees, Writes: v}
}

func unknown(op Op) Op {
	op.Unknown, op.Return = true, -1
	return op
}

func first(op Op) Op { // as a cas that expects nothing
	op.Absent, op.Sees = true, 0
	return op
}

// What each decision rests on, one at a time. cores is the number of operations that prove a violation; zero if the
// history is valid.
func TestDecisions(t *testing.T) {
	tests := []struct {
		name  string
		ops   []Op
		cores int
	}{
		{"nothing", nil, 0},
		{"absent", []Op{absent(0, 1)}, 0},
		{"read of what was written", []Op{write(0, 1, 5), read(2, 3, 5)}, 0},
		{"returning at the instant of a call is not before it", []Op{write(0, 2, 5), absent(2, 3)}, 0},
		{"absent after a write", []Op{write(0, 1, 5), absent(2, 3)}, 2},
		{"absent after a cas", []Op{first(cas(0, 1, 0, 5)), absent(2, 3)}, 2},
		{"never written", []Op{read(0, 1, 5)}, 1},
		{"never written, but replaced", []Op{cas(0, 1, 4, 5)}, 1},
		{"never written, but replaced by a cas that was seen", []Op{unknown(cas(0, 1, 4, 5)), read(2, 3, 5)}, 2},
		{"never written, but replaced by a cas that nobody saw", []Op{unknown(cas(0, 1, 4, 5)), absent(2, 3)}, 0},
		{"impossible answer", []Op{{Kind: Impossible, Return: 1}}, 1},
		{"read before the write", []Op{read(0, 1, 5), write(2, 3, 5)}, 2},
		{"read as the write begins", []Op{read(0, 2, 5), write(2, 3, 5)}, 0},
		{"read before an unknown write", []Op{read(0, 1, 5), unknown(write(2, 3, 5))}, 2},
		{"stale read", []Op{write(0, 1, 5), write(2, 3, 6), read(4, 5, 5)}, 3},
		{"unknown write seen late", []Op{unknown(write(0, 0, 5)), write(2, 3, 6), read(4, 5, 5)}, 0},
		{"unknown write seen, then gone, then back", []Op{
			unknown(write(0, 0, 5)), read(1, 2, 5), write(3, 4, 6), read(5, 6, 5)}, 4},
		{"two writes seen in both orders", []Op{
			write(0, 9, 5), write(0, 9, 6), read(1, 2, 5), read(3, 4, 6), read(5, 6, 5)}, 5},
		{"two cas of one value", []Op{write(0, 1, 5), cas(2, 9, 5, 6), cas(2, 9, 5, 7)}, 3},
		{"two cas of nothing", []Op{first(cas(2, 9, 0, 6)), first(cas(2, 9, 0, 7))}, 2},
		{"two cas of one value, one of them unknown", []Op{
			write(0, 1, 5), cas(2, 9, 5, 6), unknown(cas(2, 9, 5, 7))}, 0},
		{"two cas of one value, one of them unknown and seen", []Op{
			write(0, 1, 5), cas(2, 9, 5, 6), unknown(cas(2, 9, 5, 7)), read(3, 8, 7)}, 4},
		{"cas of its own value", []Op{cas(0, 1, 5, 5)}, 1},
		{"unknown cas of its own value", []Op{unknown(cas(0, 1, 5, 5))}, 0},
		{"unknown cas of its own value, seen", []Op{unknown(cas(0, 1, 5, 5)), read(0, 1, 5)}, 2},
		{"circle", []Op{cas(0, 9, 5, 6), cas(0, 9, 6, 7), cas(0, 9, 7, 5)}, 3},
		{"unknown circle", []Op{unknown(cas(0, 9, 5, 6)), unknown(cas(0, 9, 6, 5))}, 0},
		{"unknown circle, seen", []Op{unknown(cas(0, 9, 5, 6)), unknown(cas(0, 9, 6, 5)), read(1, 2, 6)}, 3},
		{"chain", []Op{write(0, 1, 5), cas(2, 3, 5, 6), cas(4, 5, 6, 7), read(6, 7, 7)}, 0},
		{"unknown chain that a read at its end proves", []Op{
			unknown(write(0, 1, 5)), unknown(cas(0, 1, 5, 6)), unknown(cas(0, 1, 6, 7)), read(1, 2, 7), read(3, 4, 5)}, 5},
		{"read of what a cas replaced before", []Op{write(0, 1, 5), cas(2, 3, 5, 6), read(4, 5, 5)}, 3},
		{"cas before the value was written", []Op{write(4, 5, 5), cas(0, 1, 5, 6)}, 2},
		{"cas before another that it builds on", []Op{
			write(0, 9, 5), cas(6, 7, 5, 6), cas(0, 1, 6, 7)}, 2},
		{"write between the links of a chain", []Op{write(0, 1, 5), write(2, 3, 6), cas(4, 5, 5, 7)}, 3},
		{"write inside a chain whose ends are far", []Op{
			write(0, 1, 1), cas(2, 3, 1, 2), cas(4, 5, 2, 3), cas(6, 7, 3, 4), cas(8, 9, 4, 5), write(5, 6, 9)}, 5},
		{"write around a chain", []Op{
			write(0, 1, 1), cas(2, 3, 1, 2), cas(4, 5, 2, 3), cas(6, 7, 3, 4), cas(8, 9, 4, 5), write(1, 8, 9)}, 0},
		{"write between the ends of a chain, and seen", []Op{
			write(0, 1, 1), cas(2, 3, 1, 2), cas(4, 5, 2, 3), cas(20, 21, 3, 4), cas(22, 23, 4, 5),
			write(10, 11, 9), read(12, 13, 9)}, 3},
	}
	var c Checker
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := differential{t: t, seed: tt.name}
			d.compare(tt.ops)
			c.Decide(tt.ops)
			if core := c.Core(nil); len(core) != tt.cores {
				t.Errorf("core of %d operations, want %d: %v", len(core), tt.cores, core)
			}
			if order := c.Order(nil); (order == nil) != (tt.cores > 0 || len(tt.ops) == 0) && tt.cores > 0 {
				t.Errorf("order %v of a history that has none", order)
			}
		})
	}
}

func TestAbstentions(t *testing.T) {
	tests := []struct {
		ops  []Op
		want string
	}{
		{[]Op{write(0, 1, 5), read(1, 2, 5), unknown(write(2, 3, 5))}, "operations 0 and 2 both write 5"},
		{[]Op{write(0, 1, 5), write(3, 2, 6)}, "operation 1 returns before its call"},
		{[]Op{write(0, instantMax, 5)}, "operation 0 lies outside"},
		{[]Op{write(-instantMax, 0, 5)}, "operation 0 lies outside"},
		{[]Op{unknown(write(instantMax, 0, 5))}, "operation 0 lies outside"},
		{[]Op{unknown(read(0, 1, 5))}, "operation 0 is a read without an answer"},
	}
	var c Checker
	for _, tt := range tests {
		if got := c.Decide(tt.ops); got != Abstained || !strings.Contains(c.Reason(), tt.want) {
			t.Errorf("%v: %v, %q, want %q", tt.ops, got, c.Reason(), tt.want)
		}
		if c.Order(nil) != nil || c.Core(nil) != nil {
			t.Errorf("%v: proofs of nothing", tt.ops)
		}
	}
	edge := []Op{write(-instantMax+1, instantMax-1, 5), write(-instantMax+1, instantMax-1, 6)}
	if got := c.Decide(edge); got != Valid || c.Reason() != "" {
		t.Errorf("edge of times: %v, %q", got, c.Reason())
	}
	var m Monitor
	m.Invoke(&Op{Kind: Write, Writes: 5})
	m.Invoke(&Op{Kind: Write, Writes: 5})
	if m.Decision() != Abstained || m.Reason() != "5 is written twice" {
		t.Errorf("monitor: %v, %q", m.Decision(), m.Reason())
	}
}

// The verifier objects to everything that is no linearization.
func TestVerify(t *testing.T) {
	ops := []Op{write(0, 1, 5), unknown(write(0, 0, 6)), cas(2, 3, 5, 7), read(4, 5, 7), absent(0, 1)}
	if err := Verify(ops, []int32{4, 0, 2, 3, 1}); err != nil {
		t.Error(err)
	}
	if err := Verify(ops, []int32{4, 0, 2, 3}); err != nil {
		t.Error(err)
	}
	bad := map[string][]int32{
		"is missing":            {4, 0, 2},
		"placed twice":          {4, 0, 2, 3, 3},
		"does not exist":        {4, 0, 2, 3, 5},
		"operation -1":          {-1},
		"does not fit":          {0, 4, 2, 3},
		"the register was 6":    {4, 0, 1, 2, 3},
		"returned before one":   {0, 2, 3, 4},
		"operation 3, [4 5] re": {4, 0, 3, 2},
	}
	for want, order := range bad {
		if err := Verify(ops, order); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", order, err, want)
		}
	}
	if err := Verify([]Op{write(0, 1, 5), write(2, 3, 6)}, []int32{1, 0}); err == nil {
		t.Error("an order against time was verified")
	}
	if err := Verify([]Op{write(5, 9, 5), write(0, 9, 6), write(1, 3, 7)}, []int32{0, 1, 2}); err == nil {
		t.Error("an order against the time of what is further ahead was verified")
	}
	if err := Verify([]Op{{Kind: Impossible}}, []int32{0}); err == nil {
		t.Error("the impossible was verified")
	}
	if err := Verify([]Op{absent(0, 1), {Kind: Read, Call: 0, Return: 1}}, []int32{0, 1}); err == nil {
		t.Error("a read of 0 fits an absent register")
	}
}

// A Checker and a Monitor that have seen their largest history allocate nothing more.
func TestNoAllocations(t *testing.T) {
	ops := []Op{write(0, 1, 5), cas(2, 3, 5, 6), read(4, 5, 6), unknown(write(4, 4, 7)), read(6, 7, 6)}
	var c Checker
	order := make([]int32, 0, len(ops))
	if n := testing.AllocsPerRun(100, func() {
		if c.Decide(ops) != Valid {
			t.Error("not valid")
		}
		order = c.Order(order[:0])
	}); n != 0 {
		t.Errorf("%v allocations for a decision and its proof", n)
	}
	var m Monitor
	if n := testing.AllocsPerRun(100, func() {
		m.Reset()
		for i := range ops {
			ticket := m.Invoke(&ops[i])
			switch op := &ops[i]; {
			case op.Unknown:
				m.Unknown(ticket, op.Call)
			case op.Kind == Read:
				m.Found(ticket, op.Return, op.Sees)
			default:
				m.Done(ticket, op.Return)
			}
		}
	}); n != 0 || m.Decision() != Valid {
		t.Errorf("%v allocations to monitor, %v", n, m.Reason())
	}
}

func TestAppend(t *testing.T) {
	one, two := int64(1), int64(2)
	op := func(f history.Func, expect *int64, outcome history.Type, matched bool, seen ...int64) *history.Operation {
		return &history.Operation{
			Op: history.Op{Func: f, Key: "x", Value: 9, Expect: expect}, Outcome: outcome,
			Result: history.Result{Matched: matched, Values: seen}, CallSeq: 3, ReturnSeq: 4,
		}
	}
	tests := []struct {
		in   *history.Operation
		want string
	}{
		{op(history.Read, nil, history.OK, false, 1), "[3 4] read 1"},
		{op(history.Read, nil, history.OK, false), "[3 4] read absent"},
		{op(history.Read, nil, history.OK, false, 1, 2), "[3 4] impossible"},
		{op(history.Read, nil, history.Unknown, false), ""},
		{op(history.Read, nil, history.Fail, false), ""},
		{op(history.Write, nil, history.OK, false), "[3 4] write 9"},
		{op(history.Write, nil, history.Unknown, false), "[3 …] write 9"},
		{op(history.Write, nil, history.Fail, false), ""},
		{op(history.CAS, &one, history.OK, true), "[3 4] cas 1→9"},
		{op(history.CAS, nil, history.OK, true), "[3 4] cas absent→9"},
		{op(history.CAS, &one, history.Unknown, false), "[3 …] cas 1→9"},
		{op(history.CAS, nil, history.Unknown, false), "[3 …] cas absent→9"},
		{op(history.CAS, &one, history.OK, false, 2), "[3 4] read 2"},
		{op(history.CAS, &one, history.OK, false), "[3 4] read absent"},
		{op(history.CAS, &one, history.OK, false, 1), "[3 4] impossible"},
		{op(history.CAS, &two, history.OK, false, 1, 2), "[3 4] impossible"},
		{op(history.CAS, nil, history.OK, false), "[3 4] impossible"},
		{op(history.CAS, nil, history.OK, false, 2), "[3 4] read 2"},
		{op(history.CAS, &one, history.Fail, false), ""},
		{op(history.Append, nil, history.OK, false, 9), "refused"},
		{op(history.Append, nil, history.Fail, false), "refused"},
	}
	for _, tt := range tests {
		got, ok := Append(nil, tt.in)
		text := ""
		switch {
		case !ok:
			text = "refused"
		case len(got) == 1:
			text = got[0].String()
		}
		if text != tt.want || !ok && got != nil {
			t.Errorf("%v %s %v: %q, want %q", tt.in.Op, tt.in.Outcome, tt.in.Result, text, tt.want)
		}
	}
}

// What a Monitor says of completions that are not those of the history's operations as they come out in the end.
func TestMonitorCompletions(t *testing.T) {
	w, c, r := Op{Kind: Write, Writes: 1}, cas(2, 0, 1, 2), Op{Kind: Read, Call: 3}
	nothing := first(cas(2, 0, 0, 2))
	tests := []struct {
		name string
		last func(m *Monitor) bool
		want Decision
	}{
		{"found something else", func(m *Monitor) bool { return m.Found(m.Invoke(&nothing), 9, 1) }, Valid},
		{"found what it expected", func(m *Monitor) bool { return m.Found(m.Invoke(&c), 9, 1) }, Violated},
		{"found what it did not write", func(m *Monitor) bool { return m.Found(m.Invoke(&c), 9, 2) }, Violated},
		{"found nothing", func(m *Monitor) bool { return m.FoundNothing(m.Invoke(&c), 9) }, Violated},
		{"found nothing, expected", func(m *Monitor) bool { return m.FoundNothing(m.Invoke(&nothing), 9) }, Violated},
		{"failed", func(m *Monitor) bool { return m.Fail(m.Invoke(&c), 9) }, Valid},
		{"failed, then seen", func(m *Monitor) bool {
			m.Fail(m.Invoke(&c), 4)
			return m.Found(m.Invoke(&Op{Call: 5}), 9, 2)
		}, Violated},
		{"seen, then failed", func(m *Monitor) bool {
			t := m.Invoke(&c)
			m.Found(m.Invoke(&r), 4, 2)
			return m.Fail(t, 9)
		}, Violated},
		{"seen, then did not match", func(m *Monitor) bool {
			t := m.Invoke(&c)
			m.Found(m.Invoke(&r), 4, 2)
			return m.FoundNothing(t, 9)
		}, Violated},
		{"impossible", func(m *Monitor) bool { return m.Impossible(m.Invoke(&r), 9) }, Violated},
		{"after abstaining", func(m *Monitor) bool {
			m.Abstain("enough")
			return m.Impossible(m.Invoke(&r), 9)
		}, Abstained},
	}
	for _, tt := range tests {
		var m Monitor
		m.Done(m.Invoke(&w), 1)
		if got := tt.last(&m); got != (tt.want == Valid) || m.Decision() != tt.want || (m.Reason() == "") != got {
			t.Errorf("%s: %v, %v (%s), want %v", tt.name, got, m.Decision(), m.Reason(), tt.want)
		}
	}
	var m Monitor // an expected absence that was there: the register as it begins
	if m.FoundNothing(m.Invoke(&nothing), 9) || m.Decision() != Violated {
		t.Errorf("a CAS that expects nothing and found nothing did not match: %v", m.Decision())
	}
	m.Reset()
	if !m.FoundNothing(m.Invoke(&c), 9) || m.Decision() != Valid {
		t.Errorf("a CAS that expects something found nothing: %s", m.Reason())
	}
}
