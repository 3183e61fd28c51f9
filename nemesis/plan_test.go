package nemesis

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"elenchus/nemesis/clockshim"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew instead of comparing with them")

// golden compares output with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -rewrite accepts it):\n%s", path, diff)
	}
}

// TestPlans pins plans down: a seed must mean the same run forever. The files are schedules with their timeline.
func TestPlans(t *testing.T) {
	nodes := func(n int) []string { return []string{"n1", "n2", "n3", "n4", "n5", "n6", "n7"}[:n] }
	for name, options := range map[string]PlanOptions{
		"default":   {Seed: 7, Nodes: five},
		"short":     {Seed: 1, Nodes: nodes(3), Length: 10 * time.Second},
		"long":      {Seed: 42, Nodes: nodes(7), Length: 3 * time.Minute, Term: 2 * time.Second},
		"pair":      {Seed: 3, Nodes: nodes(2), Length: 20 * time.Second, Kinds: []string{"kill", "pause"}},
		"none":      {Seed: 9, Nodes: five, Kinds: []string{}},
		"partition": {Seed: 7, Nodes: five, Kinds: []string{"partition"}},
		"leases":    {Seed: 7, Nodes: five, LeaseTerm: time.Second},
		"hunt": {Seed: 7, Nodes: five, LeaseTerm: time.Second, Hunt: 1, Kinds: []string{Partition, Clock},
			Clocks: ClockBounds{Drift: clockshim.Nominal / 5}},
		"wall": {Seed: 7, Nodes: five, LeaseTerm: time.Second, Kinds: []string{Partition, Clock},
			Clocks: ClockBounds{Wall: true, MaxStep: 100 * time.Millisecond}},
	} {
		s, err := Plan(options)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		b.Write(s.Format())
		b.WriteString("\n")
		var picture strings.Builder
		if err := s.Timeline(&picture, 100); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.SplitAfter(strings.TrimSuffix(picture.String(), "\n"), "\n") {
			b.WriteString("#" + line)
		}
		b.WriteString("\n")
		golden(t, "plan-"+name+".txt", b.Bytes())
		if again, err := Parse(name, b.Bytes()); err != nil || !cmp.Equal(s, again) {
			t.Errorf("%s does not read back the same: %v", name, err)
		}
	}
}

func drawPlan(t *rapid.T) PlanOptions {
	return PlanOptions{
		Seed:   rapid.Uint64().Draw(t, "seed"),
		Nodes:  []string{"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"}[:rapid.IntRange(2, 9).Draw(t, "nodes")],
		Length: time.Duration(rapid.Int64Range(int64(minPlanLength), int64(5*time.Minute)).Draw(t, "length")),
		Term:   time.Duration(rapid.Int64Range(int64(20*time.Millisecond), int64(40*time.Second)).Draw(t, "term")),
		Kinds: rapid.SampledFrom([][]string{
			nil, {Partition}, {Kill}, {Pause}, {Kill, Pause}, {Pause, Partition}}).Draw(t, "kinds"),
	}
}

func TestPlanKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := drawPlan(t)
		s, err := Plan(options)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		full, _ := options.withDefaults()
		if got, want := s.Kinds(), full.Kinds; len(got) != len(want) {
			t.Fatalf("kinds %v, want each of %v", got, want)
		}
		last := map[string]time.Duration{}
		for _, f := range s.Faults {
			end, reverted := f.End()
			if !reverted || f.At < full.Quiet-grain || end > full.Length-full.Calm+grain || f.For < minFault {
				t.Fatalf("%s: outside of %v .. %v, or too short", f, full.Quiet, full.Length-full.Calm)
			}
			if f.At <= last[f.Kind] {
				t.Fatalf("%s: overlaps the one before it, which ends at %v", f, last[f.Kind])
			}
			last[f.Kind] = end
		}
		free := s.Length - coverage(s, 1, func(Fault) int { return 1 })
		if free < s.Length/5-grain*time.Duration(len(s.Faults)+1) {
			t.Fatalf("only %v of %v are free of faults:\n%s", free, s.Length, s.Format())
		}
		if n := len(s.Nodes); n > 2 {
			outage := coverage(s, (n-1)/2+1, func(f Fault) int { return worst(f, n) })
			if outage > s.Length/2+2*minFault {
				t.Fatalf("no majority for %v of %v:\n%s", outage, s.Length, s.Format())
			}
		}
		again, _ := Plan(options)
		if diff := cmp.Diff(s, again); diff != "" {
			t.Fatalf("planned again (-first +second):\n%s", diff)
		}
	})
}

// worst is the largest number of nodes that a fault can remove from the largest working group.
func worst(f Fault, n int) int {
	switch f.Shape {
	case Halves:
		return n / 2
	case Bridge:
		return n - 1 - n/2
	case Ring:
		return 1
	case OneWay:
		return 1
	}
	total := 0
	for _, target := range f.Groups[0] {
		total += size(target, n)
	}
	return total
}

// coverage is the total time for which the weights of the active faults add up to the threshold or more.
func coverage(s *Schedule, threshold int, weight func(Fault) int) time.Duration {
	var moments []time.Duration
	for _, f := range s.Faults {
		end, _ := f.End()
		moments = append(moments, f.At, end)
	}
	slices.Sort(moments)
	var total time.Duration
	for i := 1; i < len(moments); i++ {
		sum := 0
		for _, f := range s.Faults {
			if end, _ := f.End(); f.At <= moments[i-1] && end >= moments[i] {
				sum += weight(f)
			}
		}
		if sum >= threshold {
			total += moments[i] - moments[i-1]
		}
	}
	return total
}

// TestPlanTracksAreIndependent checks that what one kind does, and when, does not depend on the other kinds.
func TestPlanTracksAreIndependent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := drawPlan(t)
		options.Kinds = nil
		options.Nodes = append(options.Nodes, "more")
		all, err := Plan(options)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range kindNames() {
			options.Kinds = []string{kind}
			alone, err := Plan(options)
			if err != nil {
				t.Fatal(err)
			}
			var track []string
			for _, f := range all.Faults {
				if f.Kind == kind {
					track = append(track, f.String())
				}
			}
			var single []string
			for _, f := range alone.Faults {
				single = append(single, f.String())
			}
			if diff := cmp.Diff(single, track); diff != "" {
				t.Fatalf("%s (-alone +with the others):\n%s", kind, diff)
			}
		}
	})
}

// TestPlanVaries checks over many seeds that every form occurs, the leader is hit often, and durations fall on both
// sides of the term.
func TestPlanVaries(t *testing.T) {
	forms := map[string]int{}
	var total, leader, short, long int
	for seed := range uint64(200) {
		s, err := Plan(PlanOptions{Seed: seed, Nodes: five, Length: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range s.Faults {
			forms[Form{Kind: f.Kind, Shape: f.Shape, Groups: f.Groups}.Name()]++
			total++
			if strings.Contains(f.Detail(), RoleLeader) {
				leader++
			}
			if f.For < time.Second {
				short++
			}
			if f.For > 2*time.Second {
				long++
			}
		}
	}
	for _, form := range Forms() {
		if forms[form.Name()] == 0 {
			t.Errorf("%q never came in 200 plans", form.Name())
		}
	}
	if leader*2 < total || short*5 < total || long*5 < total {
		t.Errorf("of %d faults %d are aimed at the leader, %d are short, %d are long", total, leader, short, long)
	}
}

func TestPlanWeights(t *testing.T) {
	weights := map[string]int{}
	for _, form := range Forms() {
		weights[form.Name()] = 0
	}
	weights["kill leader"], weights["partition ring"] = 1, 3
	s, err := Plan(PlanOptions{Nodes: five, Kinds: []string{Kill, Partition}, Weights: weights})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Faults {
		if name := f.name(); name != "kill leader" && name != "partition ring" {
			t.Errorf("planned %s", name)
		}
	}
}

func TestPlanErrors(t *testing.T) {
	for _, test := range []struct {
		options PlanOptions
		want    string
	}{
		{PlanOptions{}, "plan faults: no nodes: faults need somebody to befall"},
		{PlanOptions{Nodes: []string{"a", "a"}, Length: 500 * time.Millisecond, Term: -1, Kinds: []string{"kil"},
			Weights: map[string]int{"kill leadr": 1, "kill leader": -1}},
			"plan faults: node \"a\" is listed twice\nlength 500ms: less than 1s is too short\n" +
				"term -1ns: it must not be negative\nweights: \"kill leader\" weighs -1: it must not be negative\n" +
				"weights: unknown form of fault \"kill leadr\" (did you mean \"kill leader\"?)\n" +
				"unknown kind of fault \"kil\" (did you mean \"kill\"?)"},
		{PlanOptions{Nodes: []string{"a"}}, "plan faults: kind \"partition\": no form of it is possible with 1 nodes " +
			"and these weights"},
		{PlanOptions{Nodes: five, Quiet: time.Minute, Kinds: []string{"kill", "kill"}},
			"plan faults: quiet start 1m0s and calm end 3s leave less than 500ms of 30s for faults\n" +
				"kind \"kill\" is asked for twice"},
	} {
		_, err := Plan(test.options)
		if diff := cmp.Diff(test.want, errorText(err)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestTimeline(t *testing.T) {
	s, err := Parse("x", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, width := range []int{0, 80} {
		fmt.Fprintf(&b, "width %d\n", width)
		if err := s.Timeline(&b, width); err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n")
	}
	golden(t, "timeline.txt", []byte(b.String()))
	for line := range strings.Lines(b.String()) {
		if len(line) > 81+9 {
			t.Errorf("too wide: %q", line)
		}
	}
}

// Every bar has its name in it or beside it, which the file with names explains.
func TestTimelineNamesEveryFault(t *testing.T) {
	for seed := range uint64(20) {
		s, err := Plan(PlanOptions{Seed: seed, Nodes: five, LeaseTerm: time.Second, Elections: true})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := s.Timeline(&b, 98); err != nil {
			t.Fatal(err)
		}
		words := strings.FieldsFunc(b.String(), func(r rune) bool { return strings.ContainsRune(" \n[]=>#", r) })
		named := string(s.FormatNamed())
		for _, f := range s.Faults {
			if !slices.Contains(words, f.ID) || !strings.Contains(named, "\n"+f.ID+": ") {
				t.Errorf("seed %d: %s is not in the picture, or not in the file:\n%s%s", seed, f.ID, b.String(), named)
			}
		}
	}
}
