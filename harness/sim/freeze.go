package sim

import (
	"slices"
	"time"

	"elenchus/nemesis"
)

// Frozen plays a plan and returns one that contains the outcomes of its choices: faults as in [Plan.Freeze], and the
// operations of the clients in place of the workload that generated them. Playing it gives the same run. But now
// something can be removed from it without changing the rest: otherwise a role could be resolved to another node, and
// the workload would generate other operations.
//
// The result is that of the original plan, and valid until the next Run.
func (w *World) Frozen(plan *Plan) (*Plan, Result, error) {
	r, err := w.Run(plan)
	if err != nil {
		return nil, r, err
	}
	p := plan.Freeze(&r).Clone()
	if p.Load.Script == nil {
		p.Load.Script = r.Script()
	}
	return p, r, nil
}

// Clone is a copy of the plan that shares nothing with it that anybody modifies: the operations of its script and the
// groups of its faults are shared.
func (p *Plan) Clone() *Plan {
	c := *p
	c.Clocks = slices.Clone(p.Clocks)
	c.Schedule.Nodes = slices.Clone(p.Schedule.Nodes)
	c.Schedule.Faults = slices.Clone(p.Schedule.Faults)
	c.Faults = slices.Clone(p.Faults)
	c.Triggers = slices.Clone(p.Triggers)
	if p.Load.Script != nil {
		c.Load.Script = append([]Call{}, p.Load.Script...) // an empty script differs from none
	}
	return &c
}

// Death is the end of a process without a fault of the plan: in the middle of a step, or because its disk failed.
type Death struct {
	Node  int // 1 …
	At    time.Duration
	Until time.Duration // when it was started again; zero if it was not
	Why   string
}

// Deaths returns the deaths in a traced run, in order.
func (r *Result) Deaths() []Death {
	var deaths []Death
	open := make(map[int]int)
	for i := range r.Trace.Moments {
		switch m := &r.Trace.Moments[i]; m.Kind {
		case MomentCrashed:
			if m.Why == "killed" || m.Why == "power lost" || m.Why == "disk damaged" || m.Why == "disk lost" {
				continue
			}
			open[m.Node] = len(deaths)
			deaths = append(deaths, Death{Node: m.Node, At: m.At, Why: m.Why})
		case MomentStarted:
			if k, ok := open[m.Node]; ok {
				deaths[k].Until = m.At
				delete(open, m.Node)
			}
		}
	}
	return deaths
}

// Instant reports whether faults of the kind have no duration.
func (k FaultKind) Instant() bool {
	switch k {
	case FaultReset, FaultDiskRot, FaultDiskWipe, FaultForsake, nemesis.Transfer:
		return true
	}
	return false
}

// Faults that both vocabularies have; these are the words of the schedule file for them.
var asScheduled = map[FaultKind]string{
	FaultCrash: nemesis.Kill, FaultSuspend: nemesis.Pause, FaultForsake: nemesis.Transfer,
}

// Scheduled returns the most similar fault that the schedule file can express, if there is one: a transfer for an
// operator who takes the lead away, a kill for a loss of power, a pause for a suspended machine.
func (f *Fault) Scheduled() (nemesis.Fault, bool) {
	kind, ok := asScheduled[f.Kind]
	if !ok {
		return nemesis.Fault{}, false
	}
	aim := f.aim()
	aim.Kind = kind
	return aim, true
}
