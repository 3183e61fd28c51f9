package run

import (
	"fmt"

	"elenchus/nemesis"
)

// Plan is the schedule of a run: the one given, checked against the lab's nodes, or one made from the seed.
func Plan(o Options, nodes []string) (*nemesis.Schedule, error) {
	schedule := o.Schedule
	if schedule == nil {
		bounds, err := o.clockBounds()
		if err != nil {
			return nil, err
		}
		schedule, err = nemesis.Plan(nemesis.PlanOptions{
			Seed: o.Seed, Nodes: nodes, Kinds: o.Nemesis, Length: o.TimeLimit, Term: o.ElectionTimeout,
			Clocks: bounds, LeaseTerm: o.leaseTerm(), Hunt: o.Hunt, Elections: o.HuntElections,
			Only: o.HuntOnly,
		})
		if err != nil {
			return nil, err
		}
	}
	return schedule, o.checkClocks(schedule)
}

// NodeNames are the names of the hosts of a local lab, and of ours by custom: n1 … nN.
func NodeNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("n%d", i+1)
	}
	return names
}
