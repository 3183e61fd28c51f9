package shrink

import (
	"fmt"
	"time"

	"elenchus/harness/sim"
	"elenchus/results/verdict"
)

// Size is how much there is in a run up to its failure.
type Size struct {
	Faults     int           `json:"faults"`    // of the plan
	Accidents  int           `json:"accidents"` // kinds of accidents that happen at random
	Nodes      int           `json:"nodes"`
	Clients    int           `json:"clients"` // that do something
	Keys       int           `json:"keys"`
	Operations int           `json:"operations"`
	Messages   int           `json:"messages"` // between nodes
	Settings   int           `json:"settings"` // that are not the default
	Time       time.Duration `json:"time_ns"`  // of the failure

	lasting time.Duration // all faults together, of those that end
	foreign int           // faults and targets that are not as simple as they could be
	uneven  int           // times that are no whole milliseconds
	late    int           // 1 when it fails after all was healed, while everybody asks for everything once more
}

// String is the size as a line.
func (s Size) String() string {
	text := fmt.Sprintf("%s, %s, %s, %s, %v", verdict.Count(s.Faults, "fault"), verdict.Count(s.Nodes, "node"),
		verdict.Count(s.Operations, "operation"), verdict.Count(s.Messages, "message"), s.Time.Round(time.Millisecond))
	if s.Accidents > 0 {
		text += ", " + verdict.Count(s.Accidents, "kind") + " of accidents"
	}
	return text
}

// weight is what a reduction must lower. What somebody has to understand to follow a run weighs most: a fault as much
// as some sixty messages, an operation as much as a dozen.
func (s Size) weight() int64 {
	return int64(s.Faults)*20_000 + int64(s.Accidents)*8_000 + int64(s.Nodes)*6_000 + int64(s.Operations)*4_000 +
		int64(s.Clients)*1_000 + int64(s.Keys)*1_000 + int64(s.Messages)*300 + int64(s.Settings)*400 +
		int64(s.foreign)*500 + int64(s.Time/time.Millisecond)*2 + int64(s.lasting/time.Millisecond) +
		int64(s.uneven)*20 + int64(s.late)*12_000
}

// sizeOf is the size of a run.
func sizeOf(p *sim.Plan, r *sim.Result) Size {
	s := Size{
		Faults: len(p.Schedule.Faults) + len(p.Faults), Nodes: p.Nodes(), Operations: len(r.History),
		Messages: int(r.Stats.Sent),
	}
	s.Time = r.Simulated
	if r.Violation != nil {
		s.Time = r.Violation.At
		if s.Time >= p.Length && !r.Violation.AtEnd() {
			s.late = 1
		}
	}
	clients, keys := make(map[int]bool), make(map[string]bool)
	for _, at := range moments(p) {
		if at%ms != 0 {
			s.uneven++
		}
	}
	for i := range p.Load.Script {
		clients[p.Load.Script[i].Client] = true
		keys[p.Load.Script[i].Op.Key] = true
	}
	s.Clients, s.Keys = len(clients), len(keys)
	for _, k := range accidents {
		if k.away(p) {
			s.Accidents++
		}
	}
	for _, k := range settings {
		if k.away(p) {
			s.Settings++
		}
	}
	for i := range p.Clocks {
		if p.Clocks[i] != (sim.Clock{}) {
			s.Settings++
		}
	}
	for i := range p.Schedule.Faults {
		f := &p.Schedule.Faults[i]
		s.lasting += f.For
		s.foreign += complexity(f.Shape, f.For)
		for _, g := range f.Groups {
			s.foreign += len(g)
		}
	}
	for i := range p.Faults {
		f := &p.Faults[i]
		s.lasting += f.For
		s.foreign += 2 + len(f.Targets) + complexity("", f.For)
	}
	return s
}

// complexity is what there is to understand of a fault besides its kind and its targets.
func complexity(shape string, lasts time.Duration) int {
	n := 0
	if shape != "" && shape != "isolate" {
		n += 2
	}
	if lasts != 0 {
		n++
	}
	return n
}
