package run

import (
	"testing"

	"elenchus/nemesis"
	"elenchus/results/history"
)

func TestStepLine(t *testing.T) {
	event := func(step history.FaultStep, status history.FaultStatus, played, err string, evidence ...string) history.FaultEvent {
		return history.FaultEvent{ID: "f3", Kind: "pause", Detail: "leader", Played: played, Step: step, Status: status,
			Evidence: evidence, Error: err}
	}
	const apply, revert = history.FaultApply, history.FaultRevert
	for want, e := range map[string]history.FaultEvent{
		"installed f3 pause n1": event(apply, history.FaultInstalled, "n1", "", "n1: process 7 is stopped"),
		"reverted  f3 pause n1": event(revert, history.FaultReverted, "n1", ""),
		"skipped   f3 pause n1, nothing to do: n1: process 7 (start 8) is gone": event(apply, history.FaultSkipped, "n1", "",
			"no leader is known", "n1: skipped: process 7 (start 8) is gone"),
		"skipped   f3 pause leader, nothing to do: the run was over": event(apply, history.FaultSkipped, "", "",
			"skipped: the run was over"),
		"over      f3 pause n1, nothing to revert: n1: process 7 died, killed by f2, while it was stopped": event(revert,
			history.FaultSkipped, "n1", "", "n1: skipped: process 7 died, killed by f2, while it was stopped"),
		"failed    f3 pause n1, revert: did not last: n1: gone": event(revert, history.FaultFailed, "n1",
			"did not last: n1: gone"),
	} {
		if got := stepLine(e); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestSeeds(t *testing.T) {
	o := Options{Seed: 7}
	if got, want := o.seeds(), "seed 7: workload, nodes and faults"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	o.Schedule = &nemesis.Schedule{Seed: 5}
	if got, want := o.seeds(), "seed 7: workload and nodes; the schedule's own seed 5: who is meant by its roles"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
