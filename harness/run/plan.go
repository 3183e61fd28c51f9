package run

import (
	"fmt"

	"elenchus/nemesis"
)

// Plan is the schedule of a run: the one given, checked against the lab's nodes, or one made from the seed.
func Plan(o Options, nodes []string) (*nemesis.Schedule, error) {
	if o.Schedule != nil {
		return o.Schedule, nil
	}
	return nemesis.Plan(nemesis.PlanOptions{
		Seed: o.Seed, Nodes: nodes, Kinds: o.Nemesis, Length: o.TimeLimit, Term: o.ElectionTimeout,
	})
}

// NodeNames are the names of the hosts of a local lab, and of ours by custom: n1 … nN.
func NodeNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("n%d", i+1)
	}
	return names
}
