package register

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestApply(t *testing.T) {
	write := func(seq uint64, v string) Command {
		return Command{Client: 1, Seq: seq, Op: OpWrite, Key: "x", Value: v}
	}
	add := func(seq uint64, v string) Command {
		return Command{Client: 1, Seq: seq, Op: OpAppend, Key: "x", Value: v}
	}
	swap := func(seq uint64, old, v string) Command {
		return Command{Client: 1, Seq: seq, Op: OpCAS, Key: "x", Value: v, Expect: old}
	}
	create := func(seq uint64, v string) Command {
		return Command{Client: 1, Seq: seq, Op: OpCAS, Key: "x", Value: v, ExpectAbsent: true}
	}
	read := Command{Op: OpRead, Key: "x"}
	type step struct {
		command Command
		want    Result
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"absent register", []step{{read, Result{}}}},
		{"write", []step{{write(1, "a"), Result{}}, {write(2, "b"), Result{}}, {read, Result{Values: []string{"b"}}}}},
		{"empty value is not absent", []step{
			{write(1, ""), Result{}}, {read, Result{Values: []string{""}}},
			{create(2, "b"), Result{Code: CodeMismatch, Values: []string{""}}}, {swap(3, "", "c"), Result{}},
		}},
		{"append", []step{
			{add(1, "a"), Result{Values: []string{"a"}}}, {add(2, "b"), Result{Values: []string{"a", "b"}}},
			{write(3, "c"), Result{}}, {add(4, "d"), Result{Values: []string{"c", "d"}}},
		}},
		{"cas", []step{
			{swap(1, "a", "b"), Result{Code: CodeMismatch}}, {create(2, "a"), Result{}},
			{create(3, "b"), Result{Code: CodeMismatch, Values: []string{"a"}}}, {swap(4, "a", "b"), Result{}},
			{swap(5, "a", "c"), Result{Code: CodeMismatch, Values: []string{"b"}}},
		}},
		{"cas wants exactly one element", []step{
			{add(1, "a"), Result{Values: []string{"a"}}}, {add(2, "b"), Result{Values: []string{"a", "b"}}},
			{swap(3, "a", "c"), Result{Code: CodeMismatch, Values: []string{"a", "b"}}},
		}},
		{"repeat gets the first answer", []step{
			{add(1, "a"), Result{Values: []string{"a"}}},
			{Command{Client: 2, Seq: 1, Op: OpAppend, Key: "x", Value: "b"}, Result{Values: []string{"a", "b"}}},
			{add(1, "a"), Result{Values: []string{"a"}}}, {read, Result{Values: []string{"a", "b"}}},
		}},
		{"older than the latest", []step{
			{write(5, "a"), Result{}}, {write(4, "b"), Result{Code: CodeStale}}, {read, Result{Values: []string{"a"}}},
		}},
		{"a gap is no obstacle", []step{{write(1, "a"), Result{}}, {write(7, "b"), Result{}}}},
		{"refused", []step{
			{Command{Op: OpWrite, Key: "x", Value: "a"}, Result{Code: CodeRefused}},
			{Command{Client: 1, Op: OpWrite, Key: "x"}, Result{Code: CodeRefused}},
			{Command{Client: 1, Seq: 1, Op: 99}, Result{Code: CodeRefused}}, {read, Result{}},
		}},
		{"no-op", []step{{Command{}, Result{}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s Store
			for i, step := range tt.steps {
				if got := s.Apply(step.command); !equalResults(got, step.want) {
					t.Errorf("step %d: Apply(%+v) = %+v, want %+v", i, step.command, got, step.want)
				}
			}
		})
	}
}

func equalResults(a, b Result) bool { return a.Code == b.Code && slices.Equal(a.Values, b.Values) }

func TestLimits(t *testing.T) {
	if _, err := New(Options{SessionsMax: -1}); err == nil {
		t.Error("New accepts a negative session limit")
	}
	s, err := New(Options{SessionsMax: 2})
	if err != nil {
		t.Fatal(err)
	}
	for client, want := range map[ClientID]Code{1: CodeOK, 2: CodeOK} {
		if got := s.Apply(Command{Client: client, Seq: 1, Op: OpWrite, Key: "x"}); got.Code != want {
			t.Errorf("client %d: %v", client, got.Code)
		}
	}
	before := s.Hash()
	if got := s.Apply(Command{Client: 3, Seq: 1, Op: OpWrite, Key: "x", Value: "late"}); got.Code != CodeFull {
		t.Errorf("a third client in a table for two: %v", got.Code)
	}
	if s.Hash() != before {
		t.Error("a command that was refused changed the state")
	}
	if got := s.Apply(Command{Client: 2, Seq: 2, Op: OpWrite, Key: "x"}); got.Code != CodeOK {
		t.Errorf("a known client is turned away: %v", got.Code)
	}

	var long Store
	value := strings.Repeat("v", ValueBytesMax)
	for i := 1; ; i++ {
		got := long.Apply(Command{Client: 1, Seq: uint64(i), Op: OpAppend, Key: "x", Value: value})
		if got.Code == CodeFull {
			if i != RegisterBytesMax/ValueBytesMax+1 {
				t.Errorf("register is full at element %d", i)
			}
			break
		}
	}
}

// Results do not change, whatever is applied later and whatever their receiver appends to them.
func TestResultsDoNotAlias(t *testing.T) {
	var s Store
	add := func(seq uint64, v string) Result {
		return s.Apply(Command{Client: 1, Seq: seq, Op: OpAppend, Key: "x", Value: v})
	}
	var results []Result
	for i := range 20 {
		results = append(results, add(uint64(i+1), fmt.Sprint(i)))
		_ = append(results[i].Values, "intruder")
	}
	for i, r := range results {
		if len(r.Values) != i+1 || r.Values[i] != fmt.Sprint(i) {
			t.Errorf("result %d became %q", i, r.Values)
		}
	}
	if got := s.Read("x").Values; slices.Contains(got, "intruder") {
		t.Errorf("a receiver changed the store: %q", got)
	}
}

func commands() *rapid.Generator[Command] {
	return rapid.Custom(func(t *rapid.T) Command {
		return Command{
			Client: ClientID(rapid.Uint64Range(0, 4).Draw(t, "client")),
			Seq:    rapid.Uint64Range(0, 6).Draw(t, "seq"),
			Op:     Op(rapid.Uint8Range(0, 5).Draw(t, "op")),
			Key:    rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "key"),
			Value:  rapid.SampledFrom([]string{"", "a", "b", "a longer value"}).Draw(t, "value"),
			Expect: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "expect"),

			ExpectAbsent: rapid.Bool().Draw(t, "absent"),
		}
	})
}

// The incrementally maintained hash equals the hash computed from the content alone, the snapshot is a function of the
// content, and a restored store behaves like the original under all later commands.
func TestSnapshotIsTheState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := Options{SessionsMax: 3}
		original, _ := New(opts)
		for _, c := range rapid.SliceOf(commands()).Draw(t, "before") {
			original.Apply(c)
		}
		data := original.Snapshot()
		restored, _ := New(opts)
		restored.Apply(Command{Client: 9, Seq: 1, Op: OpWrite, Key: "old", Value: "content"})
		if err := restored.Restore(data); err != nil {
			t.Fatalf("restore: %v", err)
		}
		for _, c := range rapid.SliceOf(commands()).Draw(t, "after") {
			a, b := original.Apply(c), restored.Apply(c)
			if !equalResults(a, b) {
				t.Fatalf("%+v: original answers %+v, restored %+v", c, a, b)
			}
		}
		if original.Hash() != restored.Hash() || original.Keys() != restored.Keys() ||
			original.Sessions() != restored.Sessions() {
			t.Fatalf("original has hash %x, restored %x", original.Hash(), restored.Hash())
		}
		if diff := cmp.Diff(original.Snapshot(), restored.Snapshot()); diff != "" {
			t.Fatalf("snapshots differ:\n%s", diff)
		}
	})
}

// model is a slow and obvious implementation of the replicated object.
type model struct {
	registers map[string][]string
	latest    map[ClientID]uint64
	answers   map[ClientID]Result
}

func (m *model) apply(c Command) Result {
	if c.Op > OpAppend || c.Op.Mutates() && (c.Client == 0 || c.Seq == 0) {
		return Result{Code: CodeRefused}
	}
	if c.Client != 0 {
		if last, known := m.latest[c.Client]; known && c.Seq <= last {
			if c.Seq < last {
				return Result{Code: CodeStale}
			}
			return m.answers[c.Client]
		}
	}
	var result Result
	switch old := m.registers[c.Key]; c.Op {
	case OpRead:
		result.Values = slices.Clone(old)
	case OpWrite:
		m.registers[c.Key] = []string{c.Value}
	case OpAppend:
		m.registers[c.Key] = append(slices.Clone(old), c.Value)
		result.Values = m.registers[c.Key]
	case OpCAS:
		if c.ExpectAbsent && len(old) == 0 || !c.ExpectAbsent && slices.Equal(old, []string{c.Expect}) {
			m.registers[c.Key] = []string{c.Value}
		} else {
			result = Result{CodeMismatch, slices.Clone(old)}
		}
	}
	if c.Client != 0 {
		m.latest[c.Client], m.answers[c.Client] = c.Seq, result
	}
	return result
}

// The store gives the same answers as the model, and stores with equal hashes have equal content.
func TestStoreIsTheModel(t *testing.T) {
	contents := make(map[uint64]string)
	rapid.Check(t, func(t *rapid.T) {
		var s Store
		m := model{make(map[string][]string), make(map[ClientID]uint64), make(map[ClientID]Result)}
		for _, c := range rapid.SliceOf(commands()).Draw(t, "commands") {
			got, want := s.Apply(c), m.apply(c)
			if !equalResults(got, want) {
				t.Fatalf("Apply(%+v) = %+v, want %+v", c, got, want)
			}
			if s.Keys() != len(m.registers) || s.Sessions() != len(m.latest) {
				t.Fatalf("%d keys and %d sessions, want %d and %d",
					s.Keys(), s.Sessions(), len(m.registers), len(m.latest))
			}
			content := string(s.Snapshot())
			if old, ok := contents[s.Hash()]; ok && old != content {
				t.Fatalf("hash %x stands for two contents:\n%q\n%q", s.Hash(), old, content)
			}
			contents[s.Hash()] = content
		}
		for _, key := range slices.Sorted(maps.Keys(m.registers)) {
			if got := s.Read(key).Values; !slices.Equal(got, m.registers[key]) {
				t.Fatalf("Read(%q) = %q, want %q", key, got, m.registers[key])
			}
		}
	})
}

func FuzzRestore(f *testing.F) {
	var s Store
	f.Add(s.Snapshot())
	for i := range 6 {
		s.Apply(Command{Client: ClientID(i%3 + 1), Seq: uint64(i + 1), Op: OpAppend, Key: "x", Value: fmt.Sprint(i)})
		s.Apply(Command{Client: 7, Seq: uint64(i + 1), Op: OpCAS, Key: "x", Expect: "?", Value: "v"})
		f.Add(s.Snapshot())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got Store
		got.Apply(Command{Client: 1, Seq: 1, Op: OpWrite, Key: "kept"})
		before := got.Hash()
		if err := got.Restore(data); err != nil {
			if got.Hash() != before || got.Keys() != 1 {
				t.Errorf("a failed restore changed the store: %v", err)
			}
			return
		}
		var again Store
		if err := again.Restore(got.Snapshot()); err != nil || again.Hash() != got.Hash() {
			t.Errorf("restored store does not survive another round: %v", err)
		}
	})
}

// Every truncation and every flipped bit of a snapshot is detected.
func TestRestoreRefusesDamage(t *testing.T) {
	var s Store
	for i := range 5 {
		s.Apply(Command{Client: ClientID(i + 1), Seq: 1, Op: OpAppend, Key: "x", Value: fmt.Sprint("value ", i)})
	}
	data := s.Snapshot()
	for n := range data {
		var got Store
		if err := got.Restore(data[:n]); err == nil {
			t.Errorf("%d of %d bytes are accepted", n, len(data))
		}
		for bit := range 8 {
			damaged := slices.Clone(data)
			damaged[n] ^= 1 << bit
			if err := got.Restore(damaged); err == nil {
				t.Errorf("bit %d of byte %d can be flipped", bit, n)
			}
		}
	}
}

func BenchmarkApplyWrite(b *testing.B) {
	var s Store
	b.ReportAllocs()
	for i := range b.N {
		s.Apply(Command{Client: ClientID(i%1000 + 1), Seq: uint64(i + 1), Op: OpWrite, Key: "x", Value: "some value"})
	}
}
