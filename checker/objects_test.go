package checker

import (
	"context"
	"errors"
	"slices"
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
	fail, unknown := history.Fail, history.Unknown
	for _, tt := range []struct {
		name string
		s    *sent
		want string   // the name of the only finding, if there is any
		says string   // its summary
		role []string // of each operation in its table
	}{
		{"one wins", new(sent).add(propose(5), "n1", 0, 3, ok).won().add(propose(6), "n2", 1, 2, ok, 5).
			add(look(), "n3", 4, 5, ok, 5), "", "", nil},
		{"one value twice", new(sent).add(propose(5), "n1", 0, 1, ok).won().add(propose(5), "n2", 2, 3, ok, 5), "", "", nil},

		{"two winners", new(sent).add(propose(5), "n1", 0, 2, ok).won().add(propose(6), "n2", 1, 3, ok).won(), nameTwoChosen,
			"Two values were chosen for x: 5, as process 0 at n1 was told that it had won with",
			[]string{"was told that it had won with 5", "was told that it had won with 6"}},
		{"changed", new(sent).add(propose(5), "n1", 0, 1, ok).won().add(propose(6), "n2", 2, 3, unknown).
			add(look(), "n3", 4, 5, ok, 6), nameChanged, "but later 6, as process 2 at n3 read",
			[]string{"was told that it had won with 5", "proposed 6", "read 6"}},
		{"changed, as a late proposal was told", new(sent).add(propose(5), "n1", 0, 1, ok).won().
			add(propose(6), "n2", 2, 3, unknown).add(propose(7), "n3", 4, 5, ok, 6), nameChanged,
			"but later 6, as process 2 at n3 was told instead of its own",
			[]string{"was told that it had won with 5", "proposed 6", "was told instead of its own 6"}},
		{"two winners of one value", new(sent).add(propose(5), "n1", 0, 2, ok).won().add(propose(5), "n2", 1, 3, ok).won(),
			nameWonTwice, "were both told to be the first", []string{"was told to be first", "was told to be first, too"}},
		{"won when it had been decided", new(sent).add(propose(5), "n1", 0, 1, unknown).add(look(), "n2", 2, 3, ok, 5).
			add(propose(5), "n3", 4, 5, ok).won(), nameWonLate, "The proposal of 5 for x by process 2 at n3 (0.004 s to " +
			"0.005 s) was told to be the first, but process 1 at n2 had seen that 5 had been chosen for x at 0.003 s.",
			[]string{"saw it before", "proposed what was seen"}},
		{"nobody proposed it", new(sent).add(propose(5), "n1", 0, 1, unknown).add(propose(7), "n1", 2, 3, unknown).
			add(look(), "n3", 4, 5, ok, 6), nameUnproposed, "nobody ever proposed it", []string{"saw 6"}},
		{"it had failed", new(sent).add(propose(5), "n1", 0, 1, fail).add(propose(7), "n1", 2, 3, unknown).
			add(look(), "n3", 4, 5, ok, 5), nameFailedChosen, "had been answered with a failure",
			[]string{"failed", "saw 5"}},
		{"it had come too late", new(sent).add(propose(7), "n1", 0, 1, unknown).add(propose(5), "n2", 2, 3, ok, 7).
			add(look(), "n3", 4, 5, ok, 5), nameFailedChosen,
			"the proposal of 5 by process 1 at n2 had been answered at 0.003 s that it came too late (7 had been chosen)",
			[]string{"was told that it came too late", "saw 5"}},
		{"before it was proposed", new(sent).add(propose(7), "n1", 0, 1, unknown).add(look(), "n3", 2, 3, ok, 5).
			add(propose(5), "n1", 4, 5, ok).won(), nameForeseen, "nobody proposed 5 before 0.004 s",
			[]string{"saw 5", "proposed it later"}},
		{"stale", new(sent).add(propose(5), "n1", 0, 1, ok).won().add(look(), "n2", 2, 3, ok).
			add(propose(6), "n3", 4, 5, ok, 5), nameStale, "found nothing; process 2 at n3 saw it again at 0.005 s",
			[]string{"was told that it had won with 5", "found nothing"}},
		{"lost", new(sent).add(propose(5), "n1", 0, 1, ok).won().add(propose(6), "n3", 2, 3, unknown).
			add(look(), "n2", 4, 5, ok), nameDecisionLost, "nobody ever saw it again",
			[]string{"was told that it had won with 5", "found nothing"}},
		{"too late for nothing", new(sent).add(propose(5), "n1", 0, 1, ok).add(propose(6), "n3", 2, 3, unknown),
			nameNoDecision, "no object answers that", []string{"cannot be explained"}},
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
			check := v.Safety.Checks[1]
			if check.Checker != CheckWriteOnce || check.Status != key.Status {
				t.Errorf("%+v", check)
			}
			if tt.want == "" {
				if v.Safety.Status != verdict.Valid || !strings.Contains(check.Detail, "1 object, of 1 of which") {
					t.Fatalf("%+v", v.Safety)
				}
				return
			}
			found := v.Safety.Findings
			if v.Safety.Status != verdict.Violated || len(found) != 1 || found[0].Name != tt.want ||
				!strings.Contains(found[0].Summary, tt.says) {
				t.Fatalf("%s, %+v", v.Safety.Status, found)
			}
			var roles []string
			for _, row := range found[0].Table {
				roles = append(roles, row.Role)
			}
			if !slices.Equal(roles, tt.role) {
				t.Errorf("parts %q, want %q", roles, tt.role)
			}
			core := key.Explanation.Core
			if len(core) == 0 || len(core) > len(tt.role) || !slices.IsSorted(core) {
				t.Errorf("a core of %v", core)
			}
		})
	}
}

// Operations that say nothing are left out, and the others keep their numbers.
func TestObjectOps(t *testing.T) {
	s := new(sent).add(propose(5), "n1", 0, 1, history.Fail).add(propose(6), "n1", 2, 3, history.OK).won()
	if ops, from, is := objectOps(s.ops); len(ops) != 1 || !slices.Equal(from, []int{1}) || !is {
		t.Errorf("%v from %v, %v", ops, from, is)
	}
	s.add(history.Op{Func: history.Write, Key: "x", Value: 7}, "n1", 4, 5, history.OK)
	if ops, _, is := objectOps(s.ops); is {
		t.Errorf("a key that is written to is an object: %v", ops)
	}
	if _, is, _ := asObject(s.ops, verdict.Valid); is {
		t.Error("a key that is written to was decided as an object")
	}
}

// Two ways to decide that disagree are an error, unless one of them has not decided.
func TestAsObjectDisagrees(t *testing.T) {
	s := new(sent).add(propose(5), "n1", 0, 1, history.OK).won()
	for asRegister, disagree := range map[verdict.Status]bool{
		verdict.Valid: false, verdict.Unknown: false, verdict.Violated: true,
	} {
		status, is, err := asObject(s.ops, asRegister)
		if status != verdict.Valid || !is || errors.Is(err, errDisagree) != disagree {
			t.Errorf("%s as a register: %s, %v, %v", asRegister, status, is, err)
		}
	}
}

// One undecided key makes the whole undecided, unless another is violated; and a single proposal makes no object.
func TestObjectsCheck(t *testing.T) {
	keys := func(all ...verdict.Status) (keys []keyVerdict) {
		for _, s := range all {
			keys = append(keys, keyVerdict{result: KeyResult{Status: s}})
		}
		return keys
	}
	valid, violated, unknown := verdict.Valid, verdict.Violated, verdict.Unknown
	for _, tt := range []struct {
		keys []keyVerdict
		want verdict.Status
	}{
		{keys(valid, valid), valid}, {keys(valid, unknown), unknown}, {keys(unknown, violated), violated},
		{keys(violated, unknown), violated},
	} {
		c, is := objectsCheck(tt.keys, &objects{proposals: 2}, 7)
		if c.Status != tt.want || c.Checker != CheckWriteOnce || c.Elapsed != 7 || !is {
			t.Errorf("%+v, want %s", c, tt.want)
		}
	}
	if _, is := objectsCheck(nil, &objects{proposals: 1}, 0); is {
		t.Error("one proposal makes a check of objects")
	}
}

// What two values disagree about is known to whoever looks for causes.
func TestObjectPlainlyNamesTheValues(t *testing.T) {
	s := new(sent).add(propose(5), "n1", 0, 2, history.OK).won().add(propose(6), "n2", 1, 3, history.OK).won()
	p, found := objectPlainly(KeyHistory{Key: "x", Ops: s.ops, writeOnce: true}, nil, s.ops[1])
	if !found || p.newer == nil || *p.newer != 5 || p.old == nil || *p.old != 6 {
		t.Errorf("%v, %+v", found, p)
	}
	open := new(sent).add(propose(5), "n1", 0, 2, history.Unknown)
	if _, found := objectPlainly(KeyHistory{Key: "x", Ops: open.ops, writeOnce: true}, nil, open.ops[0]); found {
		t.Error("nothing is wrong, and it is explained")
	}
	won := new(sent).add(propose(5), "n1", 0, 2, history.OK).won()
	if _, found := objectPlainly(KeyHistory{Key: "x", Ops: won.ops, writeOnce: true}, nil, won.ops[0]); found {
		t.Error("nothing is wrong with the only proposal, and it is explained")
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
