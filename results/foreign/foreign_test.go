package foreign

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"elenchus/results/history"
)

// record makes a history with the project's own writer, so that whatever is tested with it is a valid one.
type recorder struct {
	t       *testing.T
	events  []history.Event
	open    map[int]history.Event
	retired map[int]bool
}

func (r *recorder) invoke(process int, op history.Op) {
	e := history.Event{Seq: int64(len(r.events)), Time: time.Duration(len(r.events)+1) * time.Millisecond,
		Type: history.Invoke, Process: process, Node: history.NodeUnknown, Phase: history.PhaseMain, Op: op}
	r.events, r.open[process] = append(r.events, e), e
}

func (r *recorder) complete(process int, typ history.Type, res history.Result, reason string) {
	e := r.open[process]
	delete(r.open, process)
	e.Seq, e.Time = int64(len(r.events)), time.Duration(len(r.events)+1)*time.Millisecond
	e.Type, e.Result, e.Reason = typ, res, reason
	r.events = append(r.events, e)
	r.retired[process] = typ == history.Unknown
}

// readAs reads a history of a format.
func readAs(format string, r io.Reader, name string, o Options) (History, error) {
	h, _, err := Read(r, name, format, o)
	return h, err
}

// save writes events as a history file.
func save(file history.File, events []history.Event) error {
	s := NewSaver(file)
	for i := range events {
		if err := s.Add(&events[i]); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Close()
}

// randomHistory has operations of the given functions with every outcome, some of them never completed.
func randomHistory(t *testing.T, seed uint64, keys []string, funcs ...history.Func) []history.Event {
	rng := rand.New(rand.NewPCG(seed, 1))
	r := &recorder{t: t, open: map[int]history.Event{}, retired: map[int]bool{}}
	next := int64(0)
	for range 200 {
		process := rng.IntN(40)
		if r.retired[process] {
			continue
		}
		open, busy := r.open[process]
		if !busy {
			op := history.Op{Func: funcs[rng.IntN(len(funcs))], Key: keys[rng.IntN(len(keys))]}
			if op.Func != history.Read {
				next++
				op.Value = next
			}
			if op.Func == history.CAS && rng.IntN(2) == 0 {
				expect := rng.Int64N(next)
				op.Expect = &expect
			}
			r.invoke(process, op)
			continue
		}
		switch rng.IntN(6) {
		case 0:
			r.complete(process, history.Unknown, history.Result{}, "timeout")
		case 1:
			r.complete(process, history.Fail, history.Result{}, "refused")
		default:
			r.complete(process, history.OK, randomResult(rng, open.Op), "")
		}
	}
	return r.events
}

func randomResult(rng *rand.Rand, op history.Op) history.Result {
	switch {
	case op.Func == history.Read && rng.IntN(4) > 0:
		return history.Result{Values: []int64{rng.Int64N(100)}}
	case op.Func == history.CAS:
		return history.Result{Matched: true} // what a mismatch saw does not survive
	case op.Func == history.Append:
		return history.Result{Values: []int64{1, 2, op.Value}}
	}
	return history.Result{}
}

// What is written for Jepsen and read back is the same history.
func TestJepsenThereAndBack(t *testing.T) {
	for seed := range uint64(50) {
		for name, events := range map[string][]history.Event{
			"registers": randomHistory(t, seed, []string{"a", `b "c"`}, history.Read, history.Write, history.CAS),
			"lists":     randomHistory(t, seed, []string{"a", "b"}, history.Read, history.Append),
		} {
			var file bytes.Buffer
			if err := WriteJepsen(&file, events, nil); err != nil {
				t.Fatal(err)
			}
			got, err := readAs(FormatJepsen, &file, "history.edn", Options{})
			if err != nil {
				t.Fatalf("%s, seed %d: %v", name, seed, err)
			}
			for i, e := range got.Events { // reasons are for people, and are written as EDN
				got.Events[i].Reason = strings.Trim(e.Reason, `"`)
			}
			if diff := cmp.Diff(events, got.Events); diff != "" {
				t.Fatalf("%s, seed %d (-want +got):\n%s", name, seed, diff)
			}
		}
	}
}

// A mismatch is a :fail there, which has no result.
func TestJepsenMismatchFails(t *testing.T) {
	r := &recorder{t: t, open: map[int]history.Event{}, retired: map[int]bool{}}
	r.invoke(0, history.Op{Func: history.CAS, Key: "x", Value: 2})
	r.complete(0, history.OK, history.Result{Values: []int64{7}}, "")
	var file bytes.Buffer
	if err := WriteJepsen(&file, r.events, nil); err != nil {
		t.Fatal(err)
	}
	want := `{:index 0, :time 1000000, :type :invoke, :process 0, :f :cas, :value ["x" [nil 2]]}
{:index 1, :time 2000000, :type :fail, :process 0, :f :cas, :value ["x" [nil 2]], :error "mismatch, found 7"}
`
	if diff := cmp.Diff(want, file.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Everything that survives in Porcupine's formats comes back: all but failed operations, times and reasons.
func TestPorcupineThereAndBack(t *testing.T) {
	for seed := range uint64(50) {
		store := randomHistory(t, seed, []string{"a", "b"}, history.Read, history.Write)
		log := randomHistory(t, seed, []string{onlyKey}, history.Read, history.Write, history.CAS)
		for name, events := range map[string][]history.Event{"store": store, "log": log} {
			var file bytes.Buffer
			if err := WritePorcupine(&file, events); err != nil {
				t.Fatal(err)
			}
			got, err := readAs(FormatPorcupine, &file, "history.txt", Options{})
			if err != nil {
				t.Fatalf("%s, seed %d: %v", name, seed, err)
			}
			want := outcomes(effective(events), name == "log")
			if diff := cmp.Diff(want, outcomes(got.Events, name == "log")); diff != "" {
				t.Fatalf("%s, seed %d (-want +got):\n%s", name, seed, diff)
			}
		}
	}
}

// outcomes are events without what Porcupine's formats do not have.
func outcomes(events []history.Event, unknowns bool) []history.Event {
	var out []history.Event
	for _, e := range events {
		if e.Type == history.Unknown && !unknowns {
			continue
		}
		out = append(out, history.Event{Type: e.Type, Process: e.Process, Op: e.Op, Result: e.Result})
	}
	return out
}

// What Jepsen's own tools print is read: vectors, records, tuples, keywords and strings as values, other processes.
func TestJepsenVariety(t *testing.T) {
	const file = `; a comment
[#jepsen.history.Op{:process :nemesis, :type :info, :f :start-partition, :value "majority", :time 5}
 {:process :nemesis, :type :info, :f :start-partition, :value [:isolated {"n1" #{"n2" "n3"}}], :time 9}
 {:process 1, :type :invoke, :f :write, :value [0 :on], :time 10, :index 2}
 {:process 0, :type :invoke, :f :read, :value #jepsen.independent.Tuple [0 nil], :time 10}
 {:process :checker, :type :info, :f :look, :value nil}
 {:process 1, :type :ok, :f :write, :value [0 :on], :time 12} #_{:ignored true}
 {:process 0, :type :ok, :f :read, :value [0 :on], :time 11}
 {:process 0, :type :invoke, :f :cas, :value [0 [:on 3]], :time 20}
 {:process 0, :type :info, :f :cas, :value [0 [:on 3]], :time 21, :error [:timeout "late"]}
 {:process 0, :type :invoke, :f :read, :value [1 nil], :time 22}
 {:process 0, :type :fail, :f :read, :value [1 nil], :time 23, :error :connection-refused}
 {:process :nemesis, :type :info, :f :stop-partition, :value nil, :time 30}
 {:process :nemesis, :type :info, :f :stop-partition, :value :healed, :time 31}]`
	h, err := readAs(FormatJepsen, strings.NewReader(file), "history.edn", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range h.Events {
		lines = append(lines, strings.TrimSpace(strings.Join([]string{
			e.Time.String(), string(rune('0' + e.Process)), string(e.Type), e.Op.String(), e.Result.String(), e.Reason}, " ")))
	}
	want := []string{
		"10ns 1 invoke write 0 1152921504606846976 absent",
		"11ns 0 invoke read 0 absent",
		"12ns 1 ok write 0 1152921504606846976 absent",
		"13ns 0 ok read 0 1152921504606846976",
		"20ns 0 invoke cas 0 1152921504606846976→3 absent",
		"21ns 0 unknown cas 0 1152921504606846976→3 absent [:timeout late]",
		"22ns 2 invoke read 1 absent",
		"23ns 2 fail read 1 absent :connection-refused",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if len(h.Faults) != 2 || h.Faults[0].Kind != "partition" || h.Faults[0].End != 9 || h.Faults[1].Begin != 30 {
		t.Errorf("faults: %+v", h.Faults)
	}
	if h.Names[firstName] != ":on" || len(h.Notes) != 4 {
		t.Errorf("names %v, notes %q", h.Names, h.Notes)
	}
}

// One register without keys, as Knossos has it. The value of a cas is no pair of key and value.
func TestJepsenOneRegister(t *testing.T) {
	const file = `{:process 0, :type :invoke, :f :cas, :value [1 2]}
{:process 0, :type :fail, :f :cas, :value [1 2]}
{:process 0, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :read, :value 4}`
	h, err := readAs(FormatJepsen, strings.NewReader(file), "h", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if e := h.Events[0]; e.Op.Key != onlyKey || *e.Op.Expect != 1 || e.Op.Value != 2 {
		t.Errorf("cas is %v", e.Op)
	}
	if e := h.Events[3]; len(e.Result.Values) != 1 || e.Result.Values[0] != 4 {
		t.Errorf("read saw %v", e.Result)
	}
}

// Whatever is wrong is refused with its line, and never judged.
func TestRefused(t *testing.T) {
	invoke := "{:process 0, :type :invoke, :f :read, :value nil}\n"
	tests := map[string]struct{ file, want string }{
		"empty":         {"  \n; nothing\n", "h: there is no history"},
		"not a map":     {"(1 2)", "h:1: an operation is a map"},
		"unclosed":      {invoke + "{:process 0\n", "h:3: the file ends inside the '{' of line 2"},
		"unclosed all":  {"[" + invoke, "h:2: the file ends inside the history"},
		"mismatched":    {"{:process [0}\n", "h:1: '}' closes the '[' of line 1"},
		"trailing":      {"[" + invoke + "] 3", "h:2: 3 follows the end"},
		"stray":         {invoke + "]", "h:2: ']' closes nothing"},
		"odd map":       {"{:process}", "h:1: a map has a key without a value"},
		"type":          {"{:process 0, :type :maybe}", "h:1: :type must be"},
		"process":       {"{:process 1.5, :type :ok}", "h:1: :process must be"},
		"time":          {"{:process 0, :type :ok, :f :read, :time -4}", "h:1: :time must be"},
		"function":      {"{:process 0, :type :invoke, :f :enqueue, :value 1}", "h:1: :f :enqueue is not supported"},
		"twice":         {invoke + invoke, "h:2: process 0 invokes read x while its read x is outstanding"},
		"never invoked": {"{:process 3, :type :ok, :f :read, :value 1}", "h:1: process 3 completes an operation"},
		"another":       {invoke + "{:process 0, :type :ok, :f :write, :value 1}", "h:2: process 0 completes write"},
		"nil write":     {"{:process 0, :type :invoke, :f :write, :value nil}", "h:1: a write of nil"},
		"cas":           {"{:process 0, :type :invoke, :f :cas, :value 3}", "h:1: the value of a cas is a pair"},
		"transaction":   {"{:process 0, :type :invoke, :f :txn, :value [[:w 1 2]]}", "h:1: the only transactions"},
		"deep":          {strings.Repeat("[", 100), "h:1: brackets are nested"},
		"negative":      {"{:process -1, :type :invoke, :f :read, :value nil}", "h:1: process -1 is negative"},
		"escape":        {`{:process "\q"}`, `h:1: \q means nothing`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := readAs(FormatJepsen, strings.NewReader(test.file), "h", Options{})
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error is %v, want %s…", err, test.want)
			}
		})
	}
}

// The format is seen from how a file begins.
func TestGuess(t *testing.T) {
	for head, want := range map[string]string{
		`{"seq":0,"t":1}`: FormatJSONL,
		"\n  {:process 0, :type :invoke, :f :read}": FormatJepsen,
		"[{:index 0":              FormatJepsen,
		"; Knossos\n{:process 0}": FormatJepsen,
		`{:process 2, :f :put, :key "4", :value "x"}`: FormatPorcupine,
		"INFO  jepsen.util - 4\t:invoke\t:read\tnil":  FormatPorcupine,
	} {
		if got := guess(head); got != want {
			t.Errorf("%q looks like %s, want %s", head, got, want)
		}
	}
}

// No input makes a reader panic, and what it accepts is a history by the rules of the project's own reader.
func FuzzRead(f *testing.F) {
	f.Add([]byte("{:process 0, :type :invoke, :f :read, :value nil}"))
	f.Add([]byte("[{:process 0, :type :invoke, :f :txn, :value [[:append 1 2] [:r 1 nil]]}]"))
	f.Add([]byte("INFO  jepsen.util - 4\t:invoke\t:cas\t[1 2]\n"))
	f.Add([]byte(`{:process 0, :type :invoke, :f :put, :key "0", :value "x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func([]byte) (History, error){
			func(b []byte) (History, error) { return readAs(FormatJepsen, bytes.NewReader(b), "h", Options{}) },
			func(b []byte) (History, error) { return readAs(FormatPorcupine, bytes.NewReader(b), "h", Options{}) },
		} {
			h, err := read(data)
			if err != nil {
				continue
			}
			if err := save(discard{}, h.Events); err != nil {
				t.Fatalf("not a valid history: %v", err)
			}
		}
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Sync() error                 { return nil }
func (discard) Close() error                { return nil }

// What seems to be pairs of keys and values until one is none, are values.
func TestMixedPairs(t *testing.T) {
	const file = `
{:type :invoke, :process 0, :f :write, :value [1 2]}
{:type :ok, :process 0, :f :write, :value [1 2]}
{:type :invoke, :process 0, :f :write, :value 3}
`
	h, err := readAs(FormatJepsen, strings.NewReader(file), "h", Options{})
	if err != nil || len(h.Events) != 3 || h.Events[0].Op.Key != onlyKey || h.Names[h.Events[0].Op.Value] != "[1 2]" {
		t.Errorf("%+v, %v", h, err)
	}
	_, err = Scan(strings.NewReader(file), "h", FormatJepsen, Options{}, func(*history.Event) error { return nil })
	if !errors.Is(err, ErrMixed) || !strings.HasPrefix(err.Error(), "h:4: value 3 ") {
		t.Errorf("%v", err)
	}
}
