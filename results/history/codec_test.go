package history

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a File in memory that can fail.
type memory struct {
	bytes.Buffer
	room   int // bytes that can still be written; negative means no limit
	syncs  int
	closed bool
}

func (m *memory) Write(p []byte) (int, error) {
	if m.room >= 0 && len(p) > m.room {
		n, _ := m.Buffer.Write(p[:m.room])
		m.room = 0
		return n, syscall.ENOSPC
	}
	if m.room >= 0 {
		m.room -= len(p)
	}
	return m.Buffer.Write(p)
}

func (m *memory) Sync() error  { m.syncs++; return nil }
func (m *memory) Close() error { m.closed = true; return nil }

func ptr(v int64) *int64 { return &v }

// record writes a random history to a Writer over m and returns the events that the Writer reported.
func record(t *rapid.T, m *memory, closeIt bool) []Event {
	var now time.Duration
	w := NewWriter(m, WriterOptions{Now: func() time.Duration { return now }})
	defer func() {
		if closeIt {
			if err := w.Close(); err != nil {
				t.Fatalf("close: %v", err)
			}
			return
		}
		close(w.stop) // as if the harness had been killed: no End line
		<-w.done
	}()
	var events []Event
	open := make(map[int]Event)
	slots := []int{0, 1, 2} // current process of each client
	fresh := 3
	value := int64(0)
	for range rapid.IntRange(0, 12).Draw(t, "steps") {
		now += time.Duration(rapid.IntRange(0, 2).Draw(t, "ns")) // ties included
		c := rapid.IntRange(0, 2).Draw(t, "client")
		p := slots[c]
		inv, busy := open[p]
		var e Event
		var err error
		if !busy {
			value++
			e, err = w.Invoke(p, fmt.Sprintf("n%d", c+1), rapid.SampledFrom(Phases).Draw(t, "phase"), drawOp(t, value))
			open[p] = e
		} else {
			e, err = complete(t, w, inv)
			delete(open, p)
			if e.Type == Unknown {
				slots[c] = fresh
				fresh++
			}
		}
		if err != nil {
			t.Fatalf("record: %v", err)
		}
		events = append(events, e)
	}
	return events
}

func drawOp(t *rapid.T, value int64) Op {
	op := Op{Func: rapid.SampledFrom(Funcs).Draw(t, "f"), Key: rapid.StringN(1, 5, -1).Draw(t, "key")}
	if op.Func.Mutates() {
		op.Value = value
	}
	if op.Func == CAS && rapid.Bool().Draw(t, "present") {
		op.Expect = ptr(rapid.Int64().Draw(t, "expect"))
	}
	return op
}

func complete(t *rapid.T, w *Writer, inv Event) (Event, error) {
	by := Witness{Slot: rapid.Uint64().Draw(t, "slot"), Ballot: rapid.StringN(0, 3, -1).Draw(t, "ballot"), Leader: "n2"}
	switch typ := rapid.SampledFrom([]Type{OK, Fail, Unknown}).Draw(t, "type"); typ {
	case OK:
		res := Result{Values: rapid.SliceOfN(rapid.Int64(), 0, 3).Draw(t, "values")}
		if inv.Op.Func == CAS {
			res.Matched = rapid.Bool().Draw(t, "matched")
		}
		return w.Complete(inv, OK, res, "", by)
	default:
		return w.Complete(inv, typ, Result{}, rapid.StringN(0, 5, -1).Draw(t, "reason"), by)
	}
}

var equalEvents = cmp.Options{cmpopts.EquateEmpty()}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &memory{room: -1}
		want := record(t, m, true)
		log, err := ReadFrom(&m.Buffer, "h")
		if err != nil || !log.Complete || log.Truncated {
			t.Fatalf("complete %v, truncated %v, %v", log.Complete, log.Truncated, err)
		}
		if d := cmp.Diff(want, log.Events, equalEvents); d != "" {
			t.Fatal(d)
		}
		if m.syncs == 0 || !m.closed {
			t.Fatal("not synced or not closed")
		}
	})
}

// A history truncated anywhere is a prefix of itself, and never complete. The last two lines are cut at every byte.
func TestCutAtEveryByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &memory{room: -1}
		record(t, m, true)
		whole := m.Bytes()
		lastTwo := bytes.LastIndexByte(whole[:max(0, bytes.LastIndexByte(whole[:len(whole)-1], '\n'))], '\n') + 1
		cuts := []int{rapid.IntRange(0, len(whole)-1).Draw(t, "cut")}
		for n := lastTwo; n < len(whole); n++ {
			cuts = append(cuts, n)
		}
		for _, n := range cuts {
			log, err := ReadFrom(bytes.NewReader(whole[:n]), "h")
			if err != nil || log.Complete {
				t.Fatalf("cut at %d of %d: complete %v, %v", n, len(whole), log.Complete, err)
			}
			if log.Truncated != (n > 0 && whole[n-1] != '\n') {
				t.Fatalf("cut at %d: truncated %v", n, log.Truncated)
			}
			var again []byte
			for _, e := range log.Events {
				again, _ = AppendLine(again, e.line())
			}
			if !bytes.Equal(again, whole[:bytes.LastIndexByte(whole[:n], '\n')+1]) {
				t.Fatalf("cut at %d: read something else than the whole lines before it", n)
			}
		}
	})
}

// A flipped bit anywhere is an error or, in the very last byte, a truncation: a damaged history is never complete.
func TestFlippedBitIsDetected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &memory{room: -1}
		record(t, m, true)
		whole := m.Bytes()
		i := rapid.IntRange(0, len(whole)-1).Draw(t, "byte")
		whole[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		log, err := ReadFrom(bytes.NewReader(whole), "h")
		if err == nil && (log.Complete || i < len(whole)-1) {
			t.Fatalf("byte %d of %d flipped: complete %v and no error", i, len(whole), log.Complete)
		}
	})
}

func FuzzReadFrom(f *testing.F) {
	m := &memory{room: -1}
	w := NewWriter(m, WriterOptions{})
	inv, _ := w.Invoke(0, "n1", PhaseMain, Op{Func: CAS, Key: "x", Value: 2, Expect: ptr(1)})
	_, _ = w.Complete(inv, OK, Result{Values: []int64{5}}, "", Witness{Slot: 3})
	_ = w.Close()
	f.Add(m.Bytes())
	f.Add([]byte("\n"))
	f.Add([]byte(`{"crc":"00000000"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		log, err := ReadFrom(bytes.NewReader(data), "h")
		if err != nil {
			return
		}
		// Whatever is accepted obeys the rules.
		var o order
		for _, e := range log.Events {
			if err := o.admit(&e); err != nil {
				t.Fatalf("accepted, but: %v", err)
			}
		}
		if ops := Operations(log.Events); 2*len(ops) < len(log.Events) {
			t.Fatalf("%d operations from %d events", len(ops), len(log.Events))
		}
	})
}

func TestWriterRefusesMisuse(t *testing.T) {
	m := &memory{room: -1}
	w := NewWriter(m, WriterOptions{})
	read := Op{Func: Read, Key: "x"}
	inv := func(p int, node string, op Op) (Event, error) { return w.Invoke(p, node, PhaseMain, op) }
	first, err := inv(0, "n1", read)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := inv(1, "n1", Op{Func: Write, Key: "x", Value: 1})
	if _, err := w.Complete(other, Unknown, Result{}, "timeout", Witness{}); err != nil {
		t.Fatal(err)
	}
	elsewhere := first
	elsewhere.Op.Key = "y"
	size := m.Len()
	bad := map[string]func() (Event, error){
		"outstanding":  func() (Event, error) { return inv(0, "n1", read) },
		"pinned to n1": func() (Event, error) { return inv(0, "n2", read) },
		"retired":      func() (Event, error) { return inv(1, "n1", read) },
		"not invoked": func() (Event, error) {
			return w.Complete(Event{Process: 7, Node: "n1", Phase: PhaseMain, Op: read}, OK, Result{}, "", Witness{})
		},
		"had invoked":       func() (Event, error) { return w.Complete(elsewhere, OK, Result{}, "", Witness{}) },
		"is none of invoke": func() (Event, error) { return w.Complete(first, "maybe", Result{}, "", Witness{}) },
		"only ok has": func() (Event, error) {
			return w.Complete(first, Fail, Result{Values: []int64{1}}, "",
				Witness{})
		},
		"only a cas can": func() (Event, error) {
			return w.Complete(first, OK, Result{Matched: true}, "",
				Witness{})
		},
		"only fail and":      func() (Event, error) { return w.Complete(first, OK, Result{}, "because", Witness{}) },
		"not valid UTF-8":    func() (Event, error) { return inv(2, "n1", Op{Func: Read, Key: "\xff"}) },
		"key is missing":     func() (Event, error) { return inv(2, "n1", Op{Func: Read}) },
		"only a cas expects": func() (Event, error) { return inv(2, "n1", Op{Func: Write, Key: "x", Expect: ptr(1)}) },
		"operation":          func() (Event, error) { return inv(2, "n1", Op{Func: "increment", Key: "x"}) },
		"is negative":        func() (Event, error) { return inv(-1, "n1", read) },
		"phase":              func() (Event, error) { return w.Invoke(2, "n1", "later", read) },
		"node is missing":    func() (Event, error) { return inv(2, "", read) },
	}
	for want, do := range bad {
		if _, err := do(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
	if m.Len() != size {
		t.Errorf("misuse was recorded:\n%s", m.Bytes()[size:])
	}
	if _, err := w.Complete(first, OK, Result{}, "", Witness{}); err != nil {
		t.Errorf("writer unusable after misuse: %v", err)
	}
	if got, want := w.Counts(), (Counts{OK: 1, Unknown: 1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := inv(3, "n1", read); !errors.Is(err, ErrClosed) {
		t.Errorf("invoke after close: %v", err)
	}
	if err := w.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("second close: %v", err)
	}
}

func TestFullDiskStopsTheWriter(t *testing.T) {
	m := &memory{room: 300}
	w := NewWriter(m, WriterOptions{})
	recorded := 0
	var err error
	for p := 0; err == nil; p++ {
		if _, err = w.Invoke(p, "n1", PhaseMain, Op{Func: Read, Key: "x"}); err == nil {
			recorded++
		}
	}
	m.room = -1 // there is room again: this must not leave a torn line in the middle
	if _, again := w.Invoke(1000, "n1", PhaseMain, Op{Func: Read, Key: "x"}); !errors.Is(again, syscall.ENOSPC) {
		t.Errorf("invoke after a full disk: %v", again)
	}
	if w.Err() == nil || !errors.Is(w.Close(), syscall.ENOSPC) {
		t.Error("the error is not sticky")
	}
	log, err := ReadFrom(&m.Buffer, "h")
	if err != nil || log.Complete || !log.Truncated || len(log.Events) != recorded {
		t.Errorf("%d events (want %d), complete %v, truncated %v, %v",
			len(log.Events), recorded, log.Complete, log.Truncated, err)
	}
}

func TestReaderNamesFileAndLine(t *testing.T) {
	line := func(seq, at int64, typ Type, process int, node string) string {
		e := Event{Seq: seq, Time: time.Duration(at), Type: typ, Process: process, Node: node, Phase: PhaseMain,
			Op: Op{Func: Read, Key: "x"}}
		b, err := AppendLine(nil, e.line())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	end := func(seq, count int64) string {
		b, _ := AppendLine(nil, eventLine{Seq: seq, Time: 1 << 40, Type: End, Count: &count})
		return string(b)
	}
	invoke := line(0, 5, Invoke, 0, "n1")
	tests := []struct{ name, in, want string }{
		{"gap in seq", invoke + line(2, 6, OK, 0, "n1"), "h.jsonl:2: seq is 2, want 1"},
		{"time stands still", invoke + line(1, 5, OK, 0, "n1"), "h.jsonl:2: time 5 ns is not after 5 ns"},
		{"return without call", line(0, 5, OK, 0, "n1"), "h.jsonl:1: process 0 completes"},
		{"two at once", invoke + line(1, 6, Invoke, 0, "n1"), "h.jsonl:2: process 0 invokes"},
		{"moves", invoke + line(1, 6, OK, 0, "n1") + line(2, 7, Invoke, 0, "n2"),
			"h.jsonl:3: process 0 is pinned to n1"},
		{"acts after unknown", invoke + line(1, 6, Unknown, 0, "n1") + line(2, 7, Invoke, 0, "n1"),
			"h.jsonl:3: process 0 was retired"},
		{"after the end", invoke + end(1, 1) + line(2, 1<<41, OK, 0, "n1"), "h.jsonl:3: line after the end"},
		{"torn after the end", invoke + end(1, 1) + "{", "line after the end"},
		{"wrong count", invoke + end(1, 2), "h.jsonl:2: end line does not count the 1 events"},
		{"garbage in the middle", invoke + "garbage\n" + line(1, 6, OK, 0, "n1"), "h.jsonl:2: no checksum"},
		{"empty line", invoke + "\n", "h.jsonl:2: no checksum"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "h.jsonl")
			if err := os.WriteFile(path, []byte(tt.in), 0o644); err != nil {
				t.Fatal(err)
			}
			if log, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), tt.want) || log.Events != nil {
				t.Errorf("got %d events and %v, want an error with %q", len(log.Events), err, tt.want)
			}
		})
	}
	if _, err := ReadFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestConcurrentClients(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	w, err := Create(path, WriterOptions{Start: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, WriterOptions{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("a history was overwritten: %v", err)
	}
	const clients, each = 8, 200
	var wg sync.WaitGroup
	for p := range clients {
		wg.Go(func() {
			for range each {
				inv, err := w.Invoke(p, "n1", PhaseMain, Op{Func: Read, Key: "x"})
				if err == nil {
					_, err = w.Complete(inv, OK, Result{}, "", Witness{})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := w.Counts(); got != (Counts{OK: clients * each}) {
		t.Errorf("counts %+v", got)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := ReadFile(path)
	if err != nil || !log.Complete || len(log.Events) != 2*clients*each {
		t.Errorf("%d events, complete %v, %v", len(log.Events), log.Complete, err)
	}
}

// A history depends on the order of write and request: an invocation must be readable before Invoke returns.
func TestInvocationIsReadableBeforeInvokeReturns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	w, err := Create(path, WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for p := range 5 {
		if _, err := w.Invoke(p, "n1", PhaseMain, Op{Func: Write, Key: "x", Value: int64(p)}); err != nil {
			t.Fatal(err)
		}
		if log, err := ReadFile(path); err != nil || len(log.Events) != p+1 || log.Truncated {
			t.Fatalf("after %d invocations: %d events, %v", p+1, len(log.Events), err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOperations(t *testing.T) {
	write := Op{Func: Write, Key: "x", Value: 1}
	read := Op{Func: Read, Key: "x"}
	events := []Event{
		{Seq: 0, Time: 10, Type: Invoke, Process: 0, Node: "n1", Phase: PhaseMain, Op: write},
		{Seq: 1, Time: 11, Type: Invoke, Process: 1, Node: "n2", Phase: PhaseMain, Op: read},
		{Seq: 2, Time: 12, Type: OK, Process: 1, Node: "n2", Phase: PhaseMain, Op: read,
			Result: Result{Values: []int64{1}}},
		{Seq: 3, Time: 13, Type: Invoke, Process: 1, Node: "n2", Phase: PhaseMain, Op: write},
		{Seq: 4, Time: 14, Type: Unknown, Process: 1, Node: "n2", Phase: PhaseMain, Op: write, Reason: "timeout"},
	}
	want := []Operation{
		{ID: 0, Process: 0, Node: "n1", Phase: PhaseMain, Op: write, Outcome: Unknown, Reason: ReasonNoCompletion,
			Call: 10, CallSeq: 0, ReturnSeq: -1},
		{ID: 1, Process: 1, Node: "n2", Phase: PhaseMain, Op: read, Outcome: OK, Result: Result{Values: []int64{1}},
			Call: 11, Return: 12, CallSeq: 1, ReturnSeq: 2},
		{ID: 2, Process: 1, Node: "n2", Phase: PhaseMain, Op: write, Outcome: Unknown, Reason: "timeout",
			Call: 13, Return: 14, CallSeq: 3, ReturnSeq: 4},
	}
	got := Operations(events)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := UniqueValues(got[:2]); err != nil {
		t.Error(err)
	}
	if err := UniqueValues(got); err == nil || !strings.Contains(err.Error(), `value 1 is written to "x" twice`) {
		t.Errorf("repeated value: %v", err)
	}
}

func BenchmarkInvoke(b *testing.B) {
	w, err := Create(filepath.Join(b.TempDir(), "h"), WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		inv, err := w.Invoke(0, "n1", PhaseMain, Op{Func: Write, Key: "r12", Value: 1})
		if err == nil {
			_, err = w.Complete(inv, OK, Result{}, "", Witness{Slot: 12, Ballot: "3.n1"})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	_ = w.Close()
}
