package run

import (
	"slices"
	"strings"

	"elenchus/nemesis"
)

// Warn warns before a run which cannot be sufficient: the planner found no room within the time limit for a kind of
// fault that was asked for, as happens in short runs with many kinds. The verdict would be that the run was vacuous.
func Warn(ui *UI, o *Options, s *nemesis.Schedule) {
	if o.Schedule != nil { // a schedule that was given is what was asked for
		return
	}
	planned := s.Kinds()
	missing := slices.DeleteFunc(slices.Clone(o.Nemesis), func(kind string) bool { return slices.Contains(planned, kind) })
	if len(missing) > 0 {
		ui.Say("note: no %s fits into %v, so the run will be vacuous: raise --time-limit, or leave that out of --nemesis",
			strings.Join(missing, " and no "), o.TimeLimit)
	}
}
