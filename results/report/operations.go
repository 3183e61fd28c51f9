package report

import (
	"cmp"
	"slices"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// loadOperations reads from a history what a page says of it, which takes up to three passes: all operations are added
// up, unless they have been already; those that findings name are kept; and then, because the findings' pictures are
// of the time around these, others on the same registers in that time.
func (in *Input) loadOperations(path string, activity *Activity) error {
	in.Activity = activity
	findings := in.Verdict.Safety.Findings
	findings = findings[:min(len(findings), closeupsMax)]
	named := make(map[int]bool)
	for _, f := range findings {
		for _, id := range f.Operations {
			named[id] = true
		}
	}
	if activity != nil && len(named) == 0 {
		return nil
	}
	if activity == nil {
		in.Activity = NewActivity(in.Manifest.Recovery.HealedAt)
	}
	if err := history.ScanOperations(path, func(op *history.Operation) {
		if activity == nil {
			in.Activity.Observe(op)
		}
		if named[op.ID] {
			in.Operations = append(in.Operations, *op)
		}
	}); err != nil {
		return err
	}
	in.order()
	return in.loadAround(path, findings)
}

// order puts the operations in order, and each but once.
func (in *Input) order() {
	byID := func(a, b history.Operation) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(in.Operations, byID)
	in.Operations = slices.CompactFunc(in.Operations, func(a, b history.Operation) bool { return a.ID == b.ID })
}

// surroundings are the first operations of a register in a part of the run: as many as a picture shows.
type surroundings struct {
	key   string
	shown scale
	found []history.Operation
}

// keep takes note of an operation, if it is one of these.
func (s *surroundings) keep(op *history.Operation) {
	if _, beside := isBeside(op, s.key, s.shown); !beside {
		return
	}
	if s.found = append(s.found, *op); len(s.found) >= 4*(othersMax+opRowsMax) {
		s.trim()
	}
}

func (s *surroundings) trim() {
	slices.SortFunc(s.found, func(a, b history.Operation) int { return cmp.Compare(a.ID, b.ID) })
	s.found = s.found[:min(len(s.found), othersMax+opRowsMax)]
}

// loadAround reads the operations around those of findings.
func (in *Input) loadAround(path string, findings []verdict.Finding) error {
	st := newStories(*in)
	var all []*surroundings
	for _, f := range findings {
		if _, _, sc, ok := frame(*in, st, f); ok {
			all = append(all, &surroundings{key: f.Key, shown: sc})
		}
	}
	if len(all) == 0 {
		return nil
	}
	err := history.ScanOperations(path, func(op *history.Operation) {
		for _, s := range all {
			s.keep(op)
		}
	})
	for _, s := range all {
		s.trim()
		in.Operations = append(in.Operations, s.found...)
	}
	in.order()
	return err
}
