package nemesis

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
)

const example = `elenchus-schedule 1
seed 7
nodes n1 n2 n3 n4 n5
length 30s

# at      for      fault
at 5.120s for 3.4s   partition isolate leader
at 9s     for 2s     kill minority   # two of them
at 12.5s  for 1.25s  pause n3, n4
at 24s    for 3s     partition ring
at 15s    for 4s     partition split n1,n2 | n3,n4,n5
usurp: at 20s for 3s partition one-way n1->n2,n3
at 27s    for 2s     partition bridge n3
at 27s               partition bridge n3 between n1|n2,n4,n5
at 28s               partition halves leader
at 28s for 1s        clock rate leader,n2 -10%
at 28s for 1s        clock step n1  2s
at 28s for 1s        clock strobe n5 -200ms every 50ms
at 29s               transfer leader
at 29s for 500ms     transfer n1, n2
`

func TestParse(t *testing.T) {
	got, err := Parse("x", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	ms, still := time.Millisecond, hostclock.Move{}
	want := &Schedule{Seed: 7, Nodes: []string{"n1", "n2", "n3", "n4", "n5"}, Length: 30 * time.Second, Faults: []Fault{
		{"f1", 5120 * ms, 3400 * ms, Partition, Isolate, [][]string{{"leader"}}, still},
		{"f2", 9000 * ms, 2000 * ms, Kill, "", [][]string{{"minority"}}, still},
		{"f3", 12500 * ms, 1250 * ms, Pause, "", [][]string{{"n3", "n4"}}, still},
		{"f4", 15000 * ms, 4000 * ms, Partition, Split, [][]string{{"n1", "n2"}, {"n3", "n4", "n5"}}, still},
		{"usurp", 20000 * ms, 3000 * ms, Partition, OneWay, [][]string{{"n1"}, {"n2", "n3"}}, still},
		{"f6", 24000 * ms, 3000 * ms, Partition, Ring, nil, still},
		{"f7", 27000 * ms, 2000 * ms, Partition, Bridge, [][]string{{"n3"}}, still},
		{"f8", 27000 * ms, 0, Partition, Bridge, [][]string{{"n3"}, {"n1"}, {"n2", "n4", "n5"}}, still},
		{"f9", 28000 * ms, 0, Partition, Halves, [][]string{{"leader"}}, still},
		{"f10", 28000 * ms, 1000 * ms, Clock, ClockRate, [][]string{{"leader", "n2"}}, hostclock.Move{Rate: 900_000_000}},
		{"f11", 28000 * ms, 1000 * ms, Clock, ClockStep, [][]string{{"n1"}}, hostclock.Move{Step: 2 * time.Second}},
		{"f12", 28000 * ms, 1000 * ms, Clock, ClockStrobe, [][]string{{"n5"}},
			hostclock.Move{Strobe: -200 * ms, Every: 50 * ms}},
		{"f13", 29000 * ms, 0, Transfer, "", [][]string{{"leader"}}, still},
		{"f14", 29000 * ms, 500 * ms, Transfer, "", [][]string{{"n1", "n2"}}, still},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("parsed (-want +got):\n%s", diff)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("a parsed schedule is not valid: %v", err)
	}
	formatted := `elenchus-schedule 1
seed 7
nodes n1 n2 n3 n4 n5
length 30s

#      at        for        fault
f1:    at 5.12s  for 3.4s   partition isolate leader
f2:    at 9s     for 2s     kill minority
f3:    at 12.5s  for 1.25s  pause n3,n4
f4:    at 15s    for 4s     partition split n1,n2 | n3,n4,n5
usurp: at 20s    for 3s     partition one-way n1 -> n2,n3
f6:    at 24s    for 3s     partition ring
f7:    at 27s    for 2s     partition bridge n3
f8:    at 27s               partition bridge n3 between n1 | n2,n4,n5
f9:    at 28s               partition halves leader
f10:   at 28s    for 1s     clock rate leader,n2 0.9
f11:   at 28s    for 1s     clock step n1 +2s
f12:   at 28s    for 1s     clock strobe n5 -200ms every 50ms
f13:   at 29s               transfer leader
f14:   at 29s    for 500ms  transfer n1,n2
`
	if diff := cmp.Diff(formatted, string(got.Format())); diff != "" {
		t.Errorf("formatted (-want +got):\n%s", diff)
	}
}

func TestNamesOfFaults(t *testing.T) {
	text := "elenchus-schedule 1\nnodes a b c\nlength 9s\n" +
		"f2: at 1s kill a\nat 2s kill b\nat 3s kill c\nf4: at 4s kill a\nat 5s kill b\n"
	s, err := Parse("x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range s.Faults {
		names = append(names, f.ID)
	}
	if diff := cmp.Diff([]string{"f2", "f6", "f3", "f4", "f5"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// With a name for every fault the file is longer, and the schedule the same.
func TestFormatNamed(t *testing.T) {
	s, err := Parse("x", []byte("elenchus-schedule 1\nnodes a b c\nlength 9s\nat 1s for 2s kill a\nat 12ms kill b\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "elenchus-schedule 1\nseed 0\nnodes a b c\nlength 9s\n\n" +
		"#   at       for     fault\nf1: at 12ms          kill b\nf2: at 1s    for 2s  kill a\n"
	if diff := cmp.Diff(want, string(s.FormatNamed())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := Parse("x", s.FormatNamed())
	if diff := cmp.Diff(s, again); err != nil || diff != "" {
		t.Errorf("%v: read back (-want +got):\n%s", err, diff)
	}
}

// TestSyntaxErrors provokes each error once, and checks line, place and message.
func TestSyntaxErrors(t *testing.T) {
	head := "elenchus-schedule 1\nnodes n1 n2 n3 n4 n5\nlength 30s\n"
	for _, test := range []struct{ line, want string }{
		{"at 5s partion ring", `4:7: unknown fault "partion" (did you mean "partition"?)`},
		{"at 5s zap n1", `4:7: unknown fault "zap" (there are partition, kill, pause, clock, transfer)`},
		{"at 5s for 2s", `4:13: expected a fault: partition, kill, pause, clock, transfer`},
		{"at 5s partition", `4:16: expected a shape of partition: split, halves, isolate, ring, bridge, one-way`},
		{"at 5s partition bridg n1", `4:17: unknown shape of partition "bridg" (did you mean "bridge"?)`},
		{"at soon kill n1", `4:4: expected a duration with its unit, like 5s or 250ms, but found "soon"`},
		{"at 5 kill n1", `4:4: expected a duration with its unit, like 5s or 250ms, but found "5"`},
		{"at", `4:3: expected a duration with its unit, like 5s or 250ms, but the line ends`},
		{"At 5s kill n1", `4:1: unknown word "At" (did you mean "at"?)`},
		{"on elected(n2) +5ms kill n2", `4:1: unknown word "on" (there are at, seed, nodes, length)`},
		{"x1: kill n1", `4:5: expected "at" and a time, but found "kill"`},
		{"X: at 1s kill n1",
			`4:1: "X" is no name for a fault: up to 16 small letters, digits and dashes, a letter first`},
		{"at -5s kill n1", `4:4: fires at -5s: before the run begins`},
		{"at 30s kill n1", `4:4: fires at 30s: the run is over after 30s`},
		{"at 5s for 0s kill n1", `4:11: lasts 0s: it must be more than nothing`},
		{"at 5s for -1s kill n1", `4:11: lasts -1s: it must be more than nothing`},
		{"at 29s for 2s kill n1",
			`4:12: lasts until 31s: the run is over after 30s (without "for" it lasts until the final heal)`},
		{"at 5s kill", `4:11: expected a node or a role, but the line ends`},
		{"at 5s kill n1,", `4:15: expected a node or a role, but the line ends`},
		{"at 5s kill ,n1", `4:12: expected a node or a role, but found ","`},
		{"at 5s kill n1 n2", `4:15: expected the end of the line, but found "n2"`},
		{"at 5s kill n9", `4:12: unknown node "n9" (did you mean "n1"?)`},
		{"at 5s kill n1,leadr", `4:15: unknown node "leadr" (did you mean "leader"?)`},
		{"at 5s kill somewhere", `4:12: unknown node "somewhere" (there are n1, n2, n3, n4, n5)`},
		{"at 5s pause n1,n2,n1", `4:19: "n1" is named twice: a node can be in one place only`},
		{"at 5s pause rest", `4:13: "rest" needs other targets beside it: write "all" if all are meant`},
		{"at 5s pause all,rest", `4:17: "rest" is nobody: the other targets are all 5 nodes`},
		{"at 5s kill majority,minority,any",
			`4:30: the targets up to "any" come to 6 nodes, but there are only 5`},
		{"at 5s partition split n1,n2", `4:17: split takes at least two groups: A | B`},
		{"at 5s partition split n1 |", `4:27: expected a node or a role, but the line ends`},
		{"at 5s partition split n1,n2 | n2,n3", `4:31: "n2" is named twice: a node can be in one place only`},
		{"at 5s partition one-way n1", `4:17: one-way takes two groups: A -> B`},
		{"at 5s partition one-way n1 -> n2 -> n3", `4:17: one-way takes two groups: A -> B`},
		{"at 5s partition one-way n1 | n2", `4:28: expected the end of the line, but found "|"`},
		{"at 5s partition halves follower", `4:17: halves takes nothing, or "leader"`},
		{"at 5s partition ring leader", `4:22: ring takes the names of all nodes in order, not "leader"`},
		{"at 5s partition ring n1,n2", `4:17: ring names 2 nodes of 5: name all of them, or none`},
		{"at 5s partition bridge n1,n2,n3,n4",
			`4:17: bridge cuts nothing: it leaves 1 nodes to be kept apart, and two are needed`},
		{"at 5s partition bridge n1 between n2",
			`4:17: bridge takes the bridge, or the bridge and two sides: C between A | B`},
		{"at 5s clock", `4:12: expected a way to move a clock: rate, step, strobe`},
		{"at 5s clock n1 0.9", `4:13: unknown way to move a clock "n1" (there are rate, step, strobe)`},
		{"at 5s clock rat n1 0.9", `4:13: unknown way to move a clock "rat" (did you mean "rate"?)`},
		{"at 5s clock rate 0.9", `4:21: expected a rate, like 0.9, -10% or +500ppm, but the line ends`},
		{"at 5s clock rate n1", `4:20: expected a rate, like 0.9, -10% or +500ppm, but the line ends`},
		{"at 5s clock rate n1 0", `4:21: no clock runs at rate 0: there are 0.000000001 to 9.999999999, 1 being the real one`},
		{"at 5s clock rate n1 -0.5",
			`4:21: no clock runs at rate -0.5: there are 0.000000001 to 9.999999999, 1 being the real one`},
		{"at 5s clock rate n1 1e9",
			`4:21: no clock runs at rate 1e9: there are 0.000000001 to 9.999999999, 1 being the real one`},
		{"at 5s clock rate n1 nan",
			`4:21: no clock runs at rate nan: there are 0.000000001 to 9.999999999, 1 being the real one`},
		{"at 5s clock rate n1 -100%",
			`4:21: no clock runs at rate -100%: there are 0.000000001 to 9.999999999, 1 being the real one`},
		{"at 5s clock rate n1 10%",
			`4:21: "10%" is no rate: say what the clock gains or loses with a sign, like +10% or -10%`},
		{"at 5s clock rate n1 slow",
			`4:21: "slow" is no rate: write a factor, like 0.9, or a difference, like -10% or +500ppm`},
		{"at 5s clock rate n1 1", `4:21: rate 1 is how clocks run anyway: it moves nothing`},
		{"at 5s clock rate n1 +10ppm",
			`4:21: rate 1.000010000: less than 50 ppm off cannot be told from what clocks do by themselves`},
		{"at 5s clock step n1 -10us", `4:21: step -10µs: less than 1ms cannot be told from what clocks do by themselves`},
		{"at 5s clock rate n1 0.9 n2", `4:25: expected the end of the line, but found "n2"`},
		{"at 5s clock rate n1 | n2 0.9", `4:21: "|" is no rate: write a factor, like 0.9, or a difference, like -10% or +500ppm`},
		{"at 5s clock step n1 2", `4:21: expected a duration with its unit, like 5s or 250ms, but found "2"`},
		{"at 5s clock step n1 0s", `4:21: step takes what it says: a step, like +2s`},
		{"at 5s clock step n1 99999h", `4:21: step 99999h0m0s: the limit is 87600h0m0s`},
		{"at 5s clock step n9 1s", `4:18: unknown node "n9" (did you mean "n1"?)`},
		{"at 5s clock strobe n1 1s", `4:25: expected "every" and a time, but the line ends`},
		{"at 5s clock strobe n1 1s each 5ms", `4:26: expected "every" and a time, but found "each"`},
		{"at 5s clock strobe n1 1s every 0s",
			`4:23: strobe every 0s: it must be more than nothing, and at most 1h0m0s`},
		{"seed x", `4:6: expected a whole number, from 0 to 2^64-1, but found "x"`},
		{"seed 1 2", `4:8: expected the end of the line, but found "2"`},
		{"length 10s", `4:1: "length" was said already, in line 3`},
		{"nodes a", `4:1: "nodes" was said already, in line 2`},
		{"\tat 1s\tkill\tn1  n2", `4:17: expected the end of the line, but found "n2"`},
	} {
		_, err := Parse("s", []byte(head+test.line+"\n"))
		checkSyntaxError(t, test.line, err, "s:"+test.want)
	}
}

// TestHeadErrors tests errors in the head, with complete files.
func TestHeadErrors(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"", `s:1:1: not a schedule: the first line must be "elenchus-schedule 1"`},
		{"# only this\n", `s:1:1: not a schedule: the first line must be "elenchus-schedule 1"`},
		{"nodes a b\n", `s:1:1: not a schedule: the first line must be "elenchus-schedule 1"`},
		{"elenchus-schedule\n",
			`s:1:18: expected the version of the file, like "elenchus-schedule 1", but the line ends`},
		{"elenchus-schedule 2\nfoo",
			`s:1:19: version 2 of the file is newer than this program, which reads up to 1`},
		{"elenchus-schedule 1 x\nnodes a\nlength 1s", `s:1:21: expected the end of the line, but found "x"`},
		{"\xff", `s:1:1: the file is not text in UTF-8`},
		{"elenchus-schedule 1\nnodes a", `s:1:1: the file has no line that begins with "length"`},
		{"elenchus-schedule 1\nlength 1s", `s:1:1: the file has no line that begins with "nodes"`},
		{"elenchus-schedule 1\nnodes\nlength 1s", `s:2:6: expected the names of the nodes, but the line ends`},
		{"elenchus-schedule 1\nnodes a a\nlength 1s", `s:2:9: node "a" is listed twice`},
		{"elenchus-schedule 1\nnodes leader\nlength 1s",
			`s:2:7: "leader" is no name for a node: the word means something in schedules`},
		{"elenchus-schedule 1\nnodes a,b\nlength 1s",
			`s:2:8: "," is no name for a node: letters, digits, '.', '_' and '-'`},
		{"elenchus-schedule 1\nnodes a\nlength 0s", `s:3:8: length 0s: it must be more than nothing`},
		{"elenchus-schedule 1\nnodes a\nlength 9999h", `s:3:8: length 9999h0m0s: at most 720h0m0s is supported`},
		{"elenchus-schedule 1\nnodes a\nlength 9s\nx: at 1s kill a\nx: at 2s kill a",
			`s:5:1: the fault in line 4 is called "x" already`},
		{"elenchus-schedule 1\nnodes a b\nlength 9s\nat 1s partition ring",
			`s:4:17: ring cuts nothing in a cluster of 2: it takes 3`},
		{"elenchus-schedule 1\nnodes a b\nlength 9s\nat 1s kill minority",
			`s:4:12: "minority" is nobody in a cluster of 2`},
		{"elenchus-schedule 1\nnodes a\nlength 9s\nat 1s partition isolate a",
			`s:4:17: isolate cuts nothing in a cluster of 1`},
	} {
		_, err := Parse("s", []byte(test.file))
		checkSyntaxError(t, test.file, err, test.want)
	}
}

// checkSyntaxError wants exactly one error with the given first line and a caret under its column.
func checkSyntaxError(t *testing.T, input string, err error, want string) {
	t.Helper()
	var all SyntaxErrors
	if !errors.As(err, &all) || len(all) != 1 {
		t.Errorf("%q: got %v, want one error: %s", input, err, want)
		return
	}
	lines := strings.Split(all[0].Error(), "\n")
	if lines[0] != want {
		t.Errorf("%q:\n got %s\nwant %s", input, lines[0], want)
	}
	if len(lines) != 3 || len([]rune(lines[2])) != 1+all[0].Column {
		t.Errorf("%q: the caret is not in column %d:\n%s", input, all[0].Column, all[0])
	}
}

func TestAllErrorsAreReported(t *testing.T) {
	_, err := Parse("nightly.txt", []byte("elenchus-schedule 1\nseed -1\nnodes n1 n2 n1 n3\n"+
		"at 5s partion ring\nat 6s for 2s partition split n1,n9 | n2,n1 # comment\nat 1x kill n1\nlength 4s\n"))
	want := `nightly.txt:2:6: expected a whole number, from 0 to 2^64-1, but found "-1"
	seed -1
	     ^
nightly.txt:3:13: node "n1" is listed twice
	nodes n1 n2 n1 n3
	            ^
nightly.txt:4:7: unknown fault "partion" (did you mean "partition"?)
	at 5s partion ring
	      ^
nightly.txt:5:4: fires at 6s: the run is over after 4s
	at 6s for 2s partition split n1,n9 | n2,n1 # comment
	   ^
nightly.txt:5:33: unknown node "n9" (did you mean "n1"?)
	at 6s for 2s partition split n1,n9 | n2,n1 # comment
	                                ^
nightly.txt:5:41: "n1" is named twice: a node can be in one place only
	at 6s for 2s partition split n1,n9 | n2,n1 # comment
	                                        ^
nightly.txt:6:4: expected a duration with its unit, like 5s or 250ms, but found "1x"
	at 1x kill n1
	   ^`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

func TestValidateListsAllProblems(t *testing.T) {
	s := &Schedule{Nodes: []string{"a", "b", "rest"}, Length: time.Second, Faults: []Fault{
		{ID: "f1", At: 500 * time.Millisecond, Kind: Kill, Groups: [][]string{{"x"}}},
		{ID: "f1", At: 0, Kind: Partition, Shape: "loop"},
		{ID: "F", At: 2 * time.Second, Kind: Pause, Shape: Ring, Groups: [][]string{{"a"}}},
		{ID: "g", At: 2 * time.Second, Kind: Pause, Groups: [][]string{{}}},
		{ID: "h", At: 2 * time.Second, Kind: Clock, Shape: Ring, Groups: [][]string{{"a"}}},
		{ID: "i", At: 2 * time.Second, Kind: Clock, Shape: ClockStep, Groups: [][]string{{"a"}},
			Move: hostclock.Move{Rate: 2 * clockshim.Nominal}},
		{ID: "j", At: 2 * time.Second, Kind: Clock, Shape: ClockRate, Groups: [][]string{{"a"}},
			Move: hostclock.Move{Rate: 2 * clockshim.Nominal, Step: time.Second}},
		{ID: "k", At: 2 * time.Second, Kind: Kill, Groups: [][]string{{"a"}}, Move: hostclock.Move{Step: 1e9}},
	}}
	want := `"rest" is no name for a node: the word means something in schedules
fault 1 (f1): unknown node "x" (there are a, b, rest)
fault 2 (f1): another fault has that name already
fault 2 (f1): out of order: it fires at 0s, before the fault in front of it
fault 2 (f1): unknown shape of partition "loop" (there are split, halves, isolate, ring, bridge, one-way)
fault 3 (F): "F" is no name for a fault: up to 16 small letters, digits and dashes, a letter first
fault 3 (F): fires at 2s: the run is over after 1s
fault 3 (F): pause has no shapes: "ring" is out of place
fault 4 (g): fires at 2s: the run is over after 1s
fault 4 (g): pause: group 1 is empty
fault 5 (h): fires at 2s: the run is over after 1s
fault 5 (h): unknown way to move a clock "ring" (there are rate, step, strobe)
fault 6 (i): fires at 2s: the run is over after 1s
fault 6 (i): step takes what it says: a step, like +2s
fault 7 (j): fires at 2s: the run is over after 1s
fault 7 (j): one of a rate, a step and a strobe is to be given, not 2
fault 8 (k): fires at 2s: the run is over after 1s
fault 8 (k): kill moves no clocks`
	if diff := cmp.Diff(want, s.Validate().Error()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// drawSchedule draws any valid schedule.
func drawSchedule(t *rapid.T) *Schedule {
	n := rapid.IntRange(1, 7).Draw(t, "nodes")
	s := &Schedule{Seed: rapid.Uint64().Draw(t, "seed")}
	s.Nodes = []string{"n1", "b.2", "c_3", "d-4", "5e", "F", "g7"}[:n]
	s.Length = time.Duration(rapid.Int64Range(1, int64(MaxLength)).Draw(t, "length"))
	target := rapid.SampledFrom(append(append([]string{}, s.Nodes...), roleNames...))
	group := rapid.SliceOfN(target, 1, 4)
	for range rapid.IntRange(0, 12).Draw(t, "faults") {
		f := Fault{
			ID:     rapid.SampledFrom([]string{"", "", "", "usurp", "f2", "at", "seed", "a-b"}).Draw(t, "id"),
			At:     time.Duration(rapid.Int64Range(0, int64(s.Length)-1).Draw(t, "at")),
			Kind:   rapid.SampledFrom(kindNames()).Draw(t, "kind"),
			Groups: rapid.SliceOfN(group, 0, 3).Draw(t, "groups"),
		}
		f.For = time.Duration(rapid.Int64Range(0, int64(s.Length-f.At)).Draw(t, "for"))
		if f.Kind == Partition {
			f.Shape = rapid.SampledFrom(shapeNames).Draw(t, "shape")
		}
		if f.Kind == Clock {
			f.Shape = rapid.SampledFrom(moveNames).Draw(t, "way")
			f.Move = drawMove(t, f.Shape)
		}
		if len(f.Groups) == 0 {
			f.Groups = nil
		}
		taken := func(other Fault) bool { return f.ID != "" && other.ID == f.ID }
		if len(f.targetProblems(s.Nodes)) == 0 && !containsFault(s.Faults, taken) {
			s.Faults = append(s.Faults, f)
		}
	}
	s.Sort()
	s.nameFaults()
	return s
}

// drawMove draws any valid move.
func drawMove(t *rapid.T, way string) hostclock.Move {
	far := rapid.Int64Range(-int64(clockshim.MaxStep), int64(clockshim.MaxStep)).Filter(func(d int64) bool {
		return time.Duration(d).Abs() >= hostclock.MinStep
	})
	switch way {
	case ClockRate:
		rate := rapid.Int64Range(int64(clockshim.MinRate), int64(clockshim.MaxRate))
		return hostclock.Move{Rate: clockshim.Rate(rate.Filter(func(r int64) bool {
			return hostclock.Move{Rate: clockshim.Rate(r)}.Validate() == nil
		}).Draw(t, "rate"))}
	case ClockStep:
		return hostclock.Move{Step: time.Duration(far.Draw(t, "step"))}
	default:
		return hostclock.Move{Strobe: time.Duration(far.Draw(t, "strobe")),
			Every: time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "every"))}
	}
}

func containsFault(faults []Fault, match func(Fault) bool) bool {
	for _, f := range faults {
		if match(f) {
			return true
		}
	}
	return false
}

func TestFormatReadsBackTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchedule(t)
		if err := s.Validate(); err != nil {
			t.Fatalf("drew a schedule that is not valid: %v", err)
		}
		got, err := Parse("x", s.Format())
		if err != nil {
			t.Fatalf("%v\n%s", err, s.Format())
		}
		if diff := cmp.Diff(s, got); diff != "" {
			t.Fatalf("read back (-want +got):\n%s\n%s", diff, s.Format())
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("elenchus-schedule 1\nnodes a\nlength 1s\nx:y: at 0s pause a,,|->"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("fuzz", text)
		if err != nil {
			var all SyntaxErrors
			if !errors.As(err, &all) || all.Error() == "" {
				t.Fatalf("not a syntax error: %v", err)
			}
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("parsed, but not valid: %v", err)
		}
		again, err := Parse("again", s.Format())
		if err != nil {
			t.Fatalf("%v\n%s", err, s.Format())
		}
		if diff := cmp.Diff(s, again); diff != "" {
			t.Fatalf("read back (-want +got):\n%s", diff)
		}
	})
}

func TestParseKinds(t *testing.T) {
	for _, test := range []struct {
		list string
		want []string
		err  string
	}{
		{"pause, partition,pause", []string{"partition", "pause"}, ""},
		{"all", []string{"partition", "kill", "pause", "clock", "transfer"}, ""},
		{"none", []string{}, ""},
		{"", nil, "no kinds of fault given: write a list of partition, kill, pause, clock, transfer, or all, or none"},
		{"kil,paus,fire,none", nil, "unknown kind of fault \"kil\" (did you mean \"kill\"?)\n" +
			"unknown kind of fault \"paus\" (did you mean \"pause\"?)\n" +
			"unknown kind of fault \"fire\" (there are partition, kill, pause, clock, transfer, all, none)\n" +
			"\"none\" stands alone: it does not go with other kinds of fault"},
	} {
		got, err := ParseKinds(test.list)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.list, diff)
		}
		if text := errorText(err); text != test.err {
			t.Errorf("%q:\n got %s\nwant %s", test.list, text, test.err)
		}
	}
	err := Refuse([]string{"partition", "kill"}, "n1", func(c string) bool { return c == "signals" })
	if text := errorText(err); text != `partition needs "iptables", which host n1 does not have` {
		t.Error(text)
	}
	if err := Refuse([]string{Transfer}, "n1", func(string) bool { return false }); err != nil {
		t.Errorf("a transfer needs something of a host: %v", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
