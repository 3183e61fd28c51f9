package writeonce

import (
	"slices"
	"testing"

	"elenchus/results/history"
)

// What operations of a history say of a write-once object, and which are none on such an object.
func TestAppend(t *testing.T) {
	one := int64(1)
	propose := history.Op{Func: history.CAS, Key: "x", Value: 5}
	read := history.Op{Func: history.Read, Key: "x"}
	op := func(what history.Op, outcome history.Type, matched bool, seen ...int64) history.Operation {
		return history.Operation{Op: what, Outcome: outcome, Result: history.Result{Matched: matched, Values: seen},
			CallSeq: 3, ReturnSeq: 7}
	}
	ok, fail, unknown := history.OK, history.Fail, history.Unknown
	for _, tt := range []struct {
		name string
		op   history.Operation
		want []Op
		none bool
	}{
		{"won", op(propose, ok, true), []Op{{3, 7, 5, Won}}, false},
		{"too late", op(propose, ok, false, 6), []Op{{3, 7, 6, Saw}}, false},
		{"too late for nothing", op(propose, ok, false), []Op{{3, 7, 5, Impossible}}, false},
		{"too late for two", op(propose, ok, false, 6, 7), []Op{{3, 7, 5, Impossible}}, false},
		{"open", op(propose, unknown, false), []Op{{3, 7, 5, Open}}, false},
		{"failed", op(propose, fail, false), nil, false},
		{"read", op(read, ok, false, 6), []Op{{3, 7, 6, Saw}}, false},
		{"read nothing", op(read, ok, false), []Op{{3, 7, 0, Nothing}}, false},
		{"read two", op(read, ok, false, 6, 7), []Op{{3, 7, 0, Impossible}}, false},
		{"read without an answer", op(read, unknown, false), nil, false},
		{"read that failed", op(read, fail, false), nil, false},
		{"cas from a value", op(history.Op{Func: history.CAS, Key: "x", Value: 5, Expect: &one}, ok, true), nil, true},
		{"write", op(history.Op{Func: history.Write, Key: "x", Value: 5}, ok, false), nil, true},
		{"append", op(history.Op{Func: history.Append, Key: "x", Value: 5}, ok, false, 5), nil, true},
	} {
		got, is := Append(nil, &tt.op)
		if is == tt.none || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v", tt.name, got, is)
		}
	}
}
