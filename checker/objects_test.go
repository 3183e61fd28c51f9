package checker

import (
	"context"
	"strings"
	"testing"

	"elenchus/results/history"
	"elenchus/results/verdict"
	"elenchus/workloads"
)

// propose and look are operations on the write-once object x.
func propose(v int64) history.Op { return history.Op{Func: history.CAS, Key: "x", Value: v} }

func look() history.Op { return history.Op{Func: history.Read, Key: "x"} }

// won makes the last operation a proposal that was told to be the first.
func (s *sent) won() *sent {
	s.ops[len(s.ops)-1].Result = history.Result{Matched: true}
	return s
}

func TestWriteOnceObjects(t *testing.T) {
	ok, fail, unknown := history.OK, history.Fail, history.Unknown
	for _, tt := range []struct {
		name string
		s    *sent
		want string // the name of the only finding, if there is any
		says string
		core int
	}{
		{"one wins", new(sent).add(propose(5), "n1", 0, 3, ok).won().add(propose(6), "n2", 1, 2, ok, 5).
			add(look(), "n3", 4, 5, ok, 5), "", "", 0},
		{"one value twice", new(sent).add(propose(5), "n1", 0, 1, ok).won().add(propose(5), "n2", 2, 3, ok, 5), "", "", 0},

		{"two winners", new(sent).add(propose(5), "n1", 0, 2, ok).won().add(propose(6), "n2", 1, 3, ok).won(), nameTwoChosen,
			"Two values were chosen for x: 5, as process 0 at n1 was told that it had won with", 2},
		{"changed", new(sent).add(propose(5), "n1", 0, 1, ok).won().add(propose(6), "n2", 2, 3, unknown).
			add(look(), "n3", 4, 5, ok, 6), nameChanged, "but later 6, as process 2 at n3 read", 3},
		{"two winners of one value", new(sent).add(propose(5), "n1", 0, 2, ok).won().add(propose(5), "n2", 1, 3, ok).won(),
			nameWonTwice, "were both told to be the first", 2},
		{"nobody proposed it", new(sent).add(propose(5), "n1", 0, 1, unknown).add(propose(7), "n1", 2, 3, unknown).
			add(look(), "n3", 4, 5, ok, 6), nameUnproposed, "nobody ever proposed it", 1},
		{"it had failed", new(sent).add(propose(5), "n1", 0, 1, fail).add(propose(7), "n1", 2, 3, unknown).
			add(look(), "n3", 4, 5, ok, 5), nameFailedChosen, "had been answered with a failure", 1},
		{"it had come too late", new(sent).add(propose(7), "n1", 0, 1, unknown).add(propose(5), "n2", 2, 3, ok, 7).
			add(look(), "n3", 4, 5, ok, 5), nameFailedChosen,
			"the proposal of 5 by process 1 at n2 had been answered at 0.003 s that it came too late (7 had been chosen)", 1},
		{"before it was proposed", new(sent).add(propose(7), "n1", 0, 1, unknown).add(look(), "n3", 2, 3, ok, 5).
			add(propose(5), "n1", 4, 5, ok).won(), nameForeseen, "nobody proposed 5 before 0.004 s", 1},
		{"stale", new(sent).add(propose(5), "n1", 0, 1, ok).won().add(look(), "n2", 2, 3, ok).
			add(propose(6), "n3", 4, 5, ok, 5), nameStale, "found nothing; process 2 at n3 saw it again at 0.005 s", 2},
		{"lost", new(sent).add(propose(5), "n1", 0, 1, ok).won().add(propose(6), "n3", 2, 3, unknown).
			add(look(), "n2", 4, 5, ok), nameDecisionLost, "nobody ever saw it again", 2},
		{"too late for nothing", new(sent).add(propose(5), "n1", 0, 1, ok).add(propose(6), "n3", 2, 3, unknown),
			nameNoDecision, "no object answers that", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Run: "test", Facts: Facts{}}
			in.History = history.Log{Complete: true, Events: eventsOf(tt.s.ops)}
			in.Faults.Complete = true
			in.Linearizability = Linearize(context.Background(), workloads.WriteOnceModel(), tt.s.ops, nil, Budget{})
			v := Check(context.Background(), in)
			key := in.Linearizability.Keys[0]
			if key.By != ByOrder {
				t.Errorf("it was decided by %s: %s", key.By, key.Reason)
			}
			if tt.want == "" {
				if v.Safety.Status != verdict.Valid || !strings.Contains(v.Safety.Checks[1].Detail, "1 object, of 1 of which") {
					t.Fatalf("%+v", v.Safety)
				}
				return
			}
			found := v.Safety.Findings
			if v.Safety.Status != verdict.Violated || len(found) != 1 || found[0].Name != tt.want ||
				!strings.Contains(found[0].Summary, tt.says) {
				t.Fatalf("%s, %+v", v.Safety.Status, found)
			}
			if n := len(key.Explanation.Core); n != tt.core {
				t.Errorf("a core of %d operations", n)
			}
		})
	}
}

// Keys are told of as write-once objects only where nothing else is done to any of them.
func TestObjectsAmongRegisters(t *testing.T) {
	s := new(sent).add(propose(5), "n1", 0, 1, history.OK).won().add(propose(6), "n2", 2, 3, history.OK).won().
		add(history.Op{Func: history.Write, Key: "y", Value: 7}, "n1", 4, 5, history.OK)
	in := Input{Run: "test", History: history.Log{Complete: true, Events: eventsOf(s.ops)}}
	in.Linearizability = Linearize(context.Background(), workloads.Model(), s.ops, nil, Budget{})
	v := Check(context.Background(), in)
	if len(v.Safety.Findings) != 1 || v.Safety.Findings[0].Name != nameLostUpdate {
		t.Errorf("%+v", v.Safety.Findings)
	}
	for _, c := range v.Safety.Checks {
		if c.Checker == CheckWriteOnce {
			t.Errorf("there is a check of write-once objects: %+v", c)
		}
	}
}
