package run

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"elenchus/nemesis"
	"elenchus/results/verdict"
)

// Plan is the schedule of a run: the one given, checked against the lab's nodes, or one made from the seed. Options
// that are for other plans than this one, and would be without effect, are refused.
func Plan(o Options, nodes []string) (*nemesis.Schedule, error) {
	bounds, err := o.clockBounds()
	if err != nil {
		return nil, err
	}
	how := nemesis.PlanOptions{
		Seed: o.Seed, Nodes: nodes, Kinds: o.Nemesis, Length: o.TimeLimit, Term: o.ElectionTimeout,
		Clocks: bounds, LeaseTerm: o.leaseTerm(), Hunt: o.Hunt, Elections: o.HuntElections,
		Only: o.HuntOnly,
	}
	if err := o.fit(how); err != nil {
		return nil, err
	}
	schedule := o.Schedule
	if schedule == nil {
		if schedule, err = nemesis.Plan(how); err != nil {
			return nil, err
		}
	}
	return schedule, o.checkClocks(schedule)
}

// fit lists the options that tune faults of which none will be planned.
func (o *Options) fit(how nemesis.PlanOptions) error {
	var problems []error
	if o.Schedule != nil {
		for _, option := range []struct {
			name  string
			given bool
		}{
			{"clock-drift", o.ClockDrift != 0}, {"clock-step", o.ClockStep != 0}, {"hunt", o.Hunt != 0},
			{"hunt-elections", o.HuntElections}, {"hunts", len(o.HuntOnly) > 0},
		} {
			if option.given {
				problems = append(problems, fmt.Errorf("--schedule says which faults there are: leave --%s out", option.name))
			}
		}
		return errors.Join(problems...)
	}
	if !slices.Contains(o.Nemesis, nemesis.Clock) {
		if o.ClockDrift > 0 {
			problems = append(problems, errors.New("--clock-drift is for faults of clocks: add clock to --nemesis"))
		}
		if o.ClockStep > 0 {
			problems = append(problems, errors.New("--clock-step is for faults of clocks: add clock to --nemesis"))
		}
	}
	return errors.Join(append(problems, o.huntsFit(how)...)...)
}

// huntsFit lists the hunts that were asked for and are not possible. Unknown names are reported elsewhere.
func (o *Options) huntsFit(how nemesis.PlanOptions) (problems []error) {
	if o.Hunt < 0 && len(o.HuntOnly) > 0 {
		return []error{errors.New("--hunt none plans no hunts: leave --hunts out")}
	}
	if o.Hunt < 0 && o.HuntElections && !o.Drawn {
		return []error{errors.New("--hunt none plans no hunts: leave --hunt-elections out")}
	}
	possible := false
	for _, h := range nemesis.Hunts() {
		kinds, needs := how.Missing(h)
		possible = possible || len(kinds) == 0 && needs == ""
		if !slices.Contains(o.HuntOnly, h.Name) {
			continue
		}
		for _, kind := range kinds {
			problems = append(problems, fmt.Errorf("hunt %s needs %s: add it to --nemesis", h.Name, kind))
		}
		if needs != "" {
			problems = append(problems, fmt.Errorf("hunt %s needs %s", h.Name, needs))
		}
	}
	asked := o.Hunt > 0 || o.HuntElections && o.Hunt == 0
	if possible || !asked || o.Drawn || len(o.HuntOnly) > 0 {
		return problems
	}
	if least := nemesis.HuntNodes; len(how.Nodes) < least {
		return append(problems, fmt.Errorf("hunts need at least %d nodes: give more --nodes, or leave --hunt and "+
			"--hunt-elections out", least))
	}
	kinds := cmp.Or(strings.Join(o.Nemesis, ","), "none")
	return append(problems, fmt.Errorf("there is nothing to hunt with %s, --reads %s and --nemesis %s: "+
		"elenchus list hunts says what each hunt needs; some need --hunt-elections",
		verdict.Count(len(how.Nodes), "node"), o.Reads, kinds))
}

// NodeNames are the names of the hosts of a local lab, and of ours by custom: n1 … nN.
func NodeNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("n%d", i+1)
	}
	return names
}
