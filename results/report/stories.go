package report

import (
	"slices"
	"time"

	"elenchus/results"
	"elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/leases"
)

// stories are what all pictures of a run are drawn from: what nodes wrote and what was done to them, on one axis.
type stories struct {
	nodes   []leases.Story
	windows []history.FaultWindow
	clashes []leases.Clash
	leased  bool // leases are told of
	end     time.Duration
	note    string // how far instants of nodes can be trusted
}

func newStories(in Input) stories {
	in.addUp()
	st := stories{windows: history.Windows(in.Faults), end: runEnd(in)}
	measured := len(in.Nodes) > 0
	for _, n := range in.Nodes {
		track := clocks.Find(in.Clocks, n.Name)
		axis := clocks.NewAxis(in.Manifest.Started, track, n.Observations)
		measured = measured && axis.Measured()
		st.nodes = append(st.nodes, leases.New(n.Name, n.Observations, axis, leases.Deaths(in.Faults, n.Name), st.end))
	}
	st.leased = leases.Leased(st.nodes)
	st.clashes = leases.Clashes(st.nodes, clocks.PairError(in.Clocks))
	st.note = clockNote(in.Manifest, measured)
	return st
}

func (st stories) names() []string {
	names := make([]string, len(st.nodes))
	for i, s := range st.nodes {
		names[i] = s.Node
	}
	return names
}

// of is the story of a node, an empty one of whoever has none.
func (st stories) of(name string) leases.Story {
	if i := slices.IndexFunc(st.nodes, func(s leases.Story) bool { return s.Node == name }); i >= 0 {
		return st.nodes[i]
	}
	return leases.Story{Node: name}
}

func clockNote(m *results.Manifest, measured bool) string {
	switch {
	case measured:
		return "What nodes wrote is placed by their clocks as they were measured all the time, not as they should have been."
	case m.Config.SharedClock:
		return "All hosts of this run share one wall clock, by which what nodes wrote is placed on the axis of the history."
	}
	return "What nodes wrote is placed by each node's own wall clock, which may be off, and is when clocks are the fault."
}
