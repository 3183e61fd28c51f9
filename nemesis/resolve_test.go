package nemesis

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var five = []string{"n1", "n2", "n3", "n4", "n5"}

// mustFault parses a fault for a test.
func mustFault(tb testing.TB, text string) Fault {
	tb.Helper()
	f, err := parseFault("at 0s " + text)
	if err != nil {
		tb.Fatal(err)
	}
	f.ID = "f1"
	return f
}

// matrix formats who hears whom: a row per receiver, a column per sender.
func matrix(nodes []string, cuts []Cut) string {
	var b strings.Builder
	for _, to := range nodes {
		for _, from := range nodes {
			if slices.Contains(cuts, Cut{from, to}) {
				b.WriteString(".")
			} else {
				b.WriteString("x")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestCuts(t *testing.T) {
	for _, test := range []struct{ fault, targets, want string }{
		{"partition split n1,n2 | n3,n4,n5", "n1,n2", "xx...\nxx...\n..xxx\n..xxx\n..xxx\n"},
		{"partition split n1 | n2", "n1", "x.xxx\n.xxxx\nxxxxx\nxxxxx\nxxxxx\n"},
		{"partition split n1 | n2 | rest", "n1,n2", "x....\n.x...\n..xxx\n..xxx\n..xxx\n"},
		{"partition isolate leader", "n3", "xx.xx\nxx.xx\n..x..\nxx.xx\nxx.xx\n"},
		{"partition isolate leader,n5", "n3,n5", "xx.x.\nxx.x.\n..x..\nxx.x.\n....x\n"},
		{"partition one-way leader -> n1,n2", "n3", "xx.xx\nxx.xx\nxxxxx\nxxxxx\nxxxxx\n"},
		{"partition one-way rest -> leader", "n3", "xxxxx\nxxxxx\n..x..\nxxxxx\nxxxxx\n"},
		{"partition ring n1,n2,n3,n4,n5", "n1,n2,n3,n4,n5", "xx..x\nxxx..\n.xxx.\n..xxx\nx..xx\n"},
		{"partition ring n1,n3,n5,n2,n4", "n1,n2,n3,n4,n5", "x.xx.\n.x.xx\nx.x.x\nxx.x.\n.xx.x\n"},
		{"partition bridge leader between n1,n5 | n2,n4", "n3", "x.x.x\n.xxx.\nxxxxx\n.xxx.\nx.x.x\n"},
		{"kill leader", "n3", "xxxxx\nxxxxx\nxxxxx\nxxxxx\nxxxxx\n"},
	} {
		f := mustFault(t, test.fault)
		if problems := f.targetProblems(five); problems != nil {
			t.Fatal(problems)
		}
		r, err := f.Resolve(five, 1, Roles{Leader: "n3"})
		if err != nil {
			t.Errorf("%s: %v", test.fault, err)
			continue
		}
		if got := strings.Join(r.Targets, ","); got != test.targets {
			t.Errorf("%s: targets %s, want %s", test.fault, got, test.targets)
		}
		if got := matrix(five, r.Cuts); got != test.want {
			t.Errorf("%s:\ngot\n%swant\n%s", test.fault, got, test.want)
		}
	}
}

// TestMajoritiesRing checks that every node hears a majority, no two nodes the same one, and that hearing is
// mutual.
func TestMajoritiesRing(t *testing.T) {
	for n := 3; n <= 25; n++ {
		seen := map[string]int{}
		spare := 0
		for a := range n {
			heard := make([]byte, n)
			count := 0
			for b := range n {
				if ringNeighbours(a, b, n) != ringNeighbours(b, a, n) {
					t.Fatalf("n=%d: %d and %d do not agree on hearing each other", n, a, b)
				}
				heard[b] = '.'
				if ringNeighbours(a, b, n) {
					heard[b] = 'x'
					count++
				}
			}
			if count < n/2+1 {
				t.Errorf("n=%d: %d hears %d, no majority", n, a, count)
			}
			spare += count - (n/2 + 1)
			seen[string(heard)]++
		}
		if len(seen) != n {
			t.Errorf("n=%d: only %d different majorities", n, len(seen))
		}
		if spare > 1 {
			t.Errorf("n=%d: %d connections more than needed", n, spare)
		}
	}
}

func TestResolveTakesNoNodeTwice(t *testing.T) {
	for _, test := range []struct {
		fault  string
		sizes  []int // of the groups
		leader int   // the group that must contain the leader; -1 for none
	}{
		{"partition split leader,follower | rest", []int{2, 3}, 0},
		{"partition split rest | leader,any", []int{3, 2}, 1},
		{"partition halves leader", []int{2, 3}, 0},
		{"partition bridge leader", []int{1, 2, 2}, 0},
		{"partition bridge leader,follower", []int{2, 1, 2}, 0},
		{"partition one-way minority -> leader", []int{2, 1}, 1},
		{"pause followers", []int{4}, -1},
		{"pause follower,follower", []int{2}, -1},
		{"pause minority,leader,follower", []int{4}, 0},
		{"pause majority,leader,any", []int{5}, 0},
		{"pause all", []int{5}, 0},
	} {
		f := mustFault(t, test.fault)
		if problems := f.targetProblems(five); problems != nil {
			t.Fatal(problems)
		}
		for seed := range uint64(40) {
			leader := fmt.Sprintf("n%d", 1+seed%5)
			r, err := f.Resolve(five, seed, Roles{Leader: leader})
			if err != nil {
				t.Fatalf("%s: %v", test.fault, err)
			}
			var sizes []int
			var all []string
			where := -1
			for g, group := range r.Fault.Groups {
				sizes, all = append(sizes, len(group)), append(all, group...)
				if slices.Contains(group, leader) {
					where = g
				}
			}
			slices.Sort(all)
			if !cmp.Equal(sizes, test.sizes) || len(slices.Compact(all)) != len(all) || where != test.leader {
				t.Errorf("%s, led by %s, came out as %s", test.fault, leader, r.Fault)
			}
		}
	}
}

// TestResolvedResolvesToItself also checks that a resolved fault is valid and aimed at nodes only.
func TestResolvedResolvesToItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchedule(t)
		roles := Roles{Leader: rapid.SampledFrom(append([]string{""}, s.Nodes...)).Draw(t, "leader")}
		// The order in which faults are resolved must not matter.
		order := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0)).Perm(len(s.Faults))
		for _, i := range order {
			f := s.Faults[i]
			first, err := f.Resolve(s.Nodes, s.Seed, roles)
			if errors.Is(err, ErrNobody) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if problems := first.Fault.targetProblems(s.Nodes); problems != nil {
				t.Fatalf("%s came out as %s: %v", f, first.Fault, problems)
			}
			second, err := first.Fault.Resolve(s.Nodes, s.Seed+1, Roles{})
			if err != nil {
				t.Fatal(err)
			}
			first.Notes = nil
			if diff := cmp.Diff(first, second); diff != "" {
				t.Fatalf("%s resolved again (-first +second):\n%s", f, diff)
			}
			if f.Kind == Partition && len(first.Cuts) == 0 {
				t.Fatalf("%s came out as %s, which cuts nothing", f, first.Fault)
			}
		}
	})
}

func TestResolveIsGivenBySeedAndName(t *testing.T) {
	f := mustFault(t, "kill minority")
	seen := map[string]bool{}
	for seed := range uint64(60) {
		a, _ := f.Resolve(five, seed, Roles{})
		b, _ := f.Resolve(five, seed, Roles{})
		if !cmp.Equal(a, b) {
			t.Fatalf("seed %d: %v and then %v", seed, a, b)
		}
		seen[a.Fault.Detail()] = true
	}
	if len(seen) != 10 {
		t.Errorf("60 seeds drew %d of the 10 pairs of nodes", len(seen))
	}
	other := f
	other.ID = "f2"
	differ := 0
	for seed := range uint64(60) {
		a, _ := f.Resolve(five, seed, Roles{})
		b, _ := other.Resolve(five, seed, Roles{})
		if !cmp.Equal(a.Targets, b.Targets) {
			differ++
		}
	}
	if differ < 40 {
		t.Errorf("two faults of the same words drew different nodes for %d of 60 seeds only", differ)
	}
}

func TestResolveWithoutAnybody(t *testing.T) {
	f := mustFault(t, "partition split leader | n2")
	if _, err := f.Resolve(five, 1, Roles{Leader: "n2"}); !errors.Is(err, ErrNobody) {
		t.Errorf("got %v", err)
	}
	if _, err := f.Resolve(five, 1, Roles{Leader: "n7"}); err == nil || errors.Is(err, ErrNobody) {
		t.Errorf("a leader from outside: got %v", err)
	}
	r, err := mustFault(t, "kill leader").Resolve(five, 1, Roles{})
	if err != nil || len(r.Targets) != 1 || len(r.Notes) != 1 ||
		r.Notes[0] != "no leader is known: "+r.Targets[0]+" stands in" {
		t.Errorf("without a leader: %+v, %v", r, err)
	}
}
