package system

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"elenchus/harness/control"
	"elenchus/node/client"
)

func answerOf(id int, role, leader, ballot string) answer {
	return answer{
		node:   &node{id: id, name: nodeName(id), host: control.Host{Name: nodeName(id)}},
		status: client.Status{Role: role, Leader: leader, Ballot: ballot},
	}
}

func TestChooseLeader(t *testing.T) {
	silent := answerOf(2, "leader", "n2", "99.n2")
	silent.err = errors.New("timed out")
	tests := []struct {
		name    string
		answers []answer
		want    string
		agreed  bool
	}{
		{"one", []answer{answerOf(1, "follower", "n2", "7.n2"), answerOf(2, "leader", "n2", "7.n2")}, "n2", true},
		{"deposed n1", []answer{answerOf(1, "leader", "n1", "9.n1"), answerOf(2, "leader", "n2", "10.n2")}, "n2", false},
		{"deposed n2", []answer{answerOf(1, "leader", "n1", "10.n1"), answerOf(2, "leader", "n2", "9.n2")}, "n1", false},
		{"same round", []answer{answerOf(1, "leader", "n1", "3.n1"), answerOf(2, "leader", "n2", "3.n2")}, "n2", false},
		{"silent one", []answer{answerOf(1, "leader", "n1", "3.n1"), silent}, "n1", false},
		{"none", []answer{answerOf(1, "candidate", "", "3.n1"), answerOf(2, "follower", "", "-")}, "", false},
		{"only followed", []answer{answerOf(1, "follower", "n2", "3.n2")}, "", false},
		{"ballot that is none", []answer{answerOf(1, "leader", "n1", "x")}, "", false},
		{"behind", []answer{answerOf(1, "leader", "n1", "4.n1"), answerOf(2, "follower", "n1", "3.n1")}, "n1", false},
		{"nobody", nil, "", true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			for range 2 {
				got := ""
				if a := chooseLeader(tc.answers); a != nil {
					got = a.node.name
				}
				if got != tc.want {
					t.Errorf("got leader %q, want %q", got, tc.want)
				}
				if got := disagreement(tc.answers); (got == "") != tc.agreed {
					t.Errorf("got disagreement %q, want agreement: %v", got, tc.agreed)
				}
				slices.Reverse(tc.answers)
			}
		})
	}
}

func TestShortName(t *testing.T) {
	long := strings.Repeat("é", 100)
	for _, name := range []string{"", "a", strings.Repeat("x", 64), strings.Repeat("x", 65), long, long + "1"} {
		got := shortName(name)
		if len(got) > clusterBytesMax || len(name) <= clusterBytesMax && got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
	if shortName(long) == shortName(long+"1") {
		t.Error("two names became one")
	}
}

func TestNodeSeedsDiffer(t *testing.T) {
	seen := make(map[uint64]bool)
	for seed := range uint64(100) {
		for id := 1; id <= hostsMax; id++ {
			s := nodeSeed(seed, id)
			if s == 0 || seen[s] || s != nodeSeed(seed, id) {
				t.Fatalf("seed %d of node %d is %d", seed, id, s)
			}
			seen[s] = true
		}
	}
}
