package sim

import (
	"slices"
	"time"

	"elenchus/nemesis"
)

// Fired says what became of a fault of a plan that was played.
type Fired struct {
	ID      string        `json:"id"`
	Begin   time.Duration `json:"begin_ns"`
	End     time.Duration `json:"end_ns,omitempty"` // zero: it was in effect when everything was healed, or the run ended
	Targets [][]string    `json:"targets"`          // of its groups: nodes in the place of roles

	shape string // of a partition, as its roles were resolved
}

// noteFired records when a fault took effect and on whom, for [Plan.Freeze].
func (w *World) noteFired(i int, f *nemesis.Fault) {
	w.fired = append(w.fired, Fired{ID: f.ID, Begin: w.now, Targets: f.Groups, shape: f.Shape})
	w.faults[i].fired = len(w.fired)
}

func (w *World) noteEnded(i int) {
	if at := w.faults[i].fired; at > 0 && !w.calm && w.now < w.length {
		w.fired[at-1].End = w.now
	}
}

// Freeze is the plan without what depends on the run: of every fault that took effect in it, begin and end are those
// that it had, and its targets are nodes. Faults that did not take effect are left out. So it is the same run again,
// and one out of which faults can be taken while the others stay when and where they were. The result must be that of
// this plan, and of the last run of its world.
func (p *Plan) Freeze(r *Result) *Plan {
	frozen := *p
	frozen.Triggers = nil
	frozen.Schedule.Faults, frozen.Faults = nil, nil
	for i := range p.Schedule.Faults {
		f := p.Schedule.Faults[i]
		if fired := r.firedAs(f.ID); fired != nil {
			f.At, f.For = fired.span(f.For)
			f.Groups, f.Shape = fired.Targets, fired.shape
			frozen.Schedule.Faults = append(frozen.Schedule.Faults, f)
		}
	}
	frozen.Schedule.Sort()
	for i := range p.Faults {
		f := p.Faults[i]
		if fired := r.firedAs(f.ID); fired != nil {
			f.At, f.For = fired.span(f.For)
			f.Targets = slices.Concat(fired.Targets...)
			frozen.Faults = append(frozen.Faults, f)
		}
	}
	return &frozen
}

func (r *Result) firedAs(id string) *Fired {
	if i := slices.IndexFunc(r.Fired, func(f Fired) bool { return f.ID == id }); i >= 0 {
		return &r.Fired[i]
	}
	return nil
}

// span returns when the fault began and how long it lasted; zero if it lasted until everything was healed.
func (f *Fired) span(planned time.Duration) (at, lasts time.Duration) {
	if f.End == 0 || planned == 0 && f.End <= f.Begin {
		return f.Begin, 0
	}
	return f.Begin, f.End - f.Begin
}
