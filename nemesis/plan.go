package nemesis

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// minPlanLength is the shortest run that can be planned.
const minPlanLength = time.Second

// PlanOptions configures [Plan]. Only Nodes is required.
type PlanOptions struct {
	Seed  uint64
	Nodes []string

	// Kinds of fault, see [ParseKinds]. Nil means all, empty means none.
	Kinds []string

	// Length of the run. Zero means 30 s; less than 1 s is too short to plan.
	Length time.Duration

	// Quiet is the time without faults at the start, in which the cluster gets going. Zero means a tenth of the
	// run, but at most 3 s; negative means none.
	Quiet time.Duration

	// Calm is the time without faults at the end, in which the cluster must recover under load. Zero means the same
	// default as for Quiet; negative means none.
	Calm time.Duration

	// Term is the time in which the system notices the loss of a node: its election timeout, or its lease term.
	// Some faults are planned shorter than that, some about as long, and some several times longer. Zero means 1 s.
	Term time.Duration

	// Clocks bounds the clock faults.
	Clocks ClockBounds

	// LeaseTerm is the term of the leases that reads rely on. If set, pauses last half a term, or just under or
	// over one, two or five terms, and leases are hunted. Zero means that there are no leases.
	LeaseTerm time.Duration

	// Hunt is the fraction of the time under faults that is spent on hunts, see [Hunts]; the rest goes to the
	// individual kinds. Zero means a third if LeaseTerm or Elections is set; negative means none. It must not
	// exceed 1. If they would leave out a kind, hunts get less, unless Only names them.
	Hunt float64

	// Elections adds hunts aimed at changes of the leader, which need no leases.
	Elections bool

	// Only are the names of the only [Hunts] to plan, Elections or not. Nil means all.
	Only []string

	// Weights overrides how often a form of fault is drawn, relative to the other forms of its kind. Keys are
	// [Form] names as listed by [Forms]: "partition isolate leader". Zero excludes a form.
	Weights map[string]int
}

// Form is a form of fault that the planner can draw.
type Form struct {
	Kind   string
	Shape  string
	Groups [][]string
	Weight int
}

// Name returns the form in the syntax of the schedule file: "partition isolate leader".
func (f Form) Name() string {
	return Fault{Kind: f.Kind, Shape: f.Shape, Groups: f.Groups}.name()
}

func (f Fault) name() string { return strings.TrimRight(f.Kind+" "+f.Detail(), " ") }

// Forms lists the forms the planner draws from, with their default weights. More than half of the weight is on the
// leader, because most failures of replicated systems involve it.
func Forms() []Form {
	one := func(targets ...string) [][]string { return [][]string{targets} }
	return []Form{
		{Partition, Isolate, one(RoleLeader), 6},
		{Partition, Isolate, one(RoleFollower), 2},
		{Partition, Halves, one(RoleLeader), 4},
		{Partition, Halves, nil, 2},
		{Partition, OneWay, [][]string{{RoleLeader}, {RoleRest}}, 3},
		{Partition, OneWay, [][]string{{RoleRest}, {RoleLeader}}, 3},
		{Partition, OneWay, [][]string{{RoleFollower}, {RoleLeader}}, 1},
		{Partition, Ring, nil, 3},
		{Partition, Bridge, one(RoleLeader), 1},
		{Partition, Bridge, one(RoleAny), 2},
		{Partition, Isolate, one(RoleAll), 1},
		{Kill, "", one(RoleLeader), 6},
		{Kill, "", one(RoleFollower), 2},
		{Kill, "", one(RoleMinority), 2},
		{Kill, "", one(RoleMajority), 1},
		{Kill, "", one(RoleAll), 1},
		{Pause, "", one(RoleLeader), 6},
		{Pause, "", one(RoleFollower), 2},
		{Pause, "", one(RoleMinority), 2},
		{Pause, "", one(RoleMajority), 1},
		{Pause, "", one(RoleAll), 1},
		{Clock, ClockRate, one(RoleLeader), 6},
		{Clock, ClockRate, one(RoleFollowers), 3},
		{Clock, ClockRate, one(RoleFollower), 2},
		{Clock, ClockRate, one(RoleMinority), 1},
		{Clock, ClockStep, one(RoleLeader), 2},
		{Clock, ClockStep, one(RoleFollowers), 1},
		{Clock, ClockStep, one(RoleMinority), 1},
		{Clock, ClockStrobe, one(RoleLeader), 1},
		{Clock, ClockStrobe, one(RoleAny), 1},
		{Transfer, "", one(RoleLeader), 4},
		{Transfer, "", one(RoleAll), 1}, // so that whoever leads hands over, and everybody who believes to lead
	}
}

// everyForm is [Forms], shared by readers that do not modify it.
var everyForm = Forms()

// Plan generates a complete schedule from a seed.
//
// Every kind has its own track: faults of one kind never overlap, those of different kinds may. Every track draws
// from its own stream of random numbers, so adding a kind does not change what the others do, and when (except for
// the numbers of the faults, and thus the nodes drawn for them). Every kind requested occurs at least once, however
// short the run, and every fault ends within it.
//
// Faults may take down a majority, singly or together, but not for most of the run, which would then test nothing:
//   - at least a fifth of the run has no fault at all: the quiet start, the calm end, and lulls between acts;
//   - a kind is active for at most 34 % of the acts;
//   - forms that take down a majority by themselves are active for at most 6 % of the acts per kind (unless no
//     other form of the kind is left, as with two nodes).
//
// It follows for three kinds that a majority of nodes is up and connected for at least half of the run: an outage
// takes two kinds at a time, which leaves (3 x 34 % - 3 x 6 %) / 2 of the acts, or one of the 3 x 6 %. Clock faults
// and transfers take no node down.
//
// Where there are leases, the end of every act is reserved for hunts, one after another, with time between them for
// the cluster to have a leader again.
func Plan(o PlanOptions) (*Schedule, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("plan faults: %w", err)
	}
	s := o.schedule()
	for tries := 0; tries < lessHuntsMax && o.Hunt > 0 && o.Only == nil && o.lacks(s); tries++ {
		o.Hunt *= lessHunts
		s = o.schedule()
	}
	s.Sort()
	s.nameFaults()
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("plan faults: the plan came out wrong: %w", err)
	}
	return s, nil
}

// Hunts that fill all the time may leave out a kind of fault, and a run without it is vacuous. They then get less time.
const (
	lessHunts    = 0.6 // of what they had
	lessHuntsMax = 4
)

// lacks reports whether a kind of fault that is wanted is not in a plan.
func (o PlanOptions) lacks(s *Schedule) bool {
	there := s.Kinds()
	return slices.ContainsFunc(o.Kinds, func(kind string) bool { return !slices.Contains(there, kind) })
}

// schedule draws the faults, in no order yet.
func (o PlanOptions) schedule() *Schedule {
	s := &Schedule{Seed: o.Seed, Nodes: slices.Clone(o.Nodes), Length: o.Length}
	acts, hunted := o.divide(o.acts())
	for _, kind := range o.Kinds {
		t := track{options: o, kind: kind, acts: acts, random: stream(o.Seed, "plan/"+kind)}
		s.Faults = append(s.Faults, t.plan()...)
	}
	h := hunter{options: o, acts: hunted, random: stream(o.Seed, "plan/hunts")}
	s.Faults = append(s.Faults, h.plan()...)
	return s
}

// withDefaults fills in defaults and lists everything that is wrong.
func (o PlanOptions) withDefaults() (PlanOptions, error) {
	if o.Length == 0 {
		o.Length = 30 * time.Second
	}
	if o.Term == 0 {
		o.Term = time.Second
	}
	edge := min(o.Length/10, 3*time.Second)
	for _, d := range []*time.Duration{&o.Quiet, &o.Calm} {
		if *d == 0 {
			*d = edge
		}
		*d = max(*d, 0)
	}
	head := Schedule{Nodes: o.Nodes, Length: o.Length}
	problems := head.headProblems()
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if o.Length > 0 && o.Length < minPlanLength {
		add("length %v: less than %v is too short", o.Length, minPlanLength)
	}
	if o.Length >= minPlanLength && o.Length-o.Quiet-o.Calm < minPlanLength/2 {
		add("quiet start %v and calm end %v leave less than %v of %v for faults", o.Quiet, o.Calm, minPlanLength/2,
			o.Length)
	}
	bounds, err := o.Clocks.withDefaults()
	if err != nil && (o.Kinds == nil || slices.Contains(o.Kinds, Clock)) {
		problems = append(problems, err)
	}
	o.Clocks = bounds
	if o.LeaseTerm < 0 {
		add("lease term %v: it must not be negative", o.LeaseTerm)
	}
	if o.Hunt > 1 {
		add("hunts for %v of the time: 1 is all of it", o.Hunt)
	}
	for _, name := range o.Only {
		if !slices.Contains(huntNames(), name) {
			problems = append(problems, unknownWord("hunt", name, huntNames()))
		}
	}
	if o.Hunt == 0 {
		o.Hunt = huntDefault
	}
	if o.Term < 0 {
		add("term %v: it must not be negative", o.Term)
	}
	o.checkWeights(add)
	if o.Kinds == nil {
		o.Kinds = kindNames()
	}
	for i, kind := range o.Kinds {
		if _, known := lookupKind(kind); !known {
			add("%w", unknownWord("kind of fault", kind, kindNames()))
		} else if slices.Contains(o.Kinds[:i], kind) {
			add("kind %q is asked for twice", kind)
		} else if len(problems) == 0 && len(o.forms(kind)) == 0 {
			add("kind %q: no form of it is possible with %d nodes and these weights", kind, len(o.Nodes))
		}
	}
	return o, errors.Join(problems...)
}

func (o PlanOptions) checkWeights(add func(format string, args ...any)) {
	if len(o.Weights) == 0 {
		return
	}
	names := []string{}
	for _, form := range everyForm {
		names = append(names, form.Name())
	}
	for _, name := range sortedKeys(o.Weights) {
		if !slices.Contains(names, name) {
			add("weights: %w", unknownWord("form of fault", name, names))
		} else if o.Weights[name] < 0 {
			add("weights: %q weighs %d: it must not be negative", name, o.Weights[name])
		}
	}
}

func sortedKeys(m map[string]int) []string {
	keys := []string{}
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// forms returns the forms of a kind that are possible with these nodes, with the requested weights.
func (o PlanOptions) forms(kind string) []Form {
	var forms []Form
	for _, form := range everyForm {
		if form.Kind != kind {
			continue
		}
		if len(o.Weights) > 0 {
			if weight, given := o.Weights[form.Name()]; given {
				form.Weight = weight
			}
		}
		fault := Fault{Kind: form.Kind, Shape: form.Shape, Groups: form.Groups}
		if form.Kind == Clock && !o.Clocks.allows(form.Shape, o.Term) {
			continue
		}
		if form.Weight > 0 && len(fault.targetProblems(o.Nodes)) == 0 {
			forms = append(forms, form)
		}
	}
	return forms
}

// span is an interval of a run.
type span struct{ from, to time.Duration }

func (s span) length() time.Duration { return s.to - s.from }

// acts divides the run into acts, in which faults may be active, and lulls without faults, so that together with
// the quiet start and the calm end at least a fifth of the run is free of faults. It has its own random stream: the
// acts do not depend on which tracks there are.
func (o PlanOptions) acts() []span {
	const mostActs = 1000
	active := o.Length - o.Quiet - o.Calm
	lulls := o.Length/5 - o.Quiet - o.Calm
	if lulls <= 0 {
		return []span{{o.Quiet, o.Quiet + active}}
	}
	count := int(min(max(active/(15*o.Term), 2), mostActs))
	random := stream(o.Seed, "plan/acts")
	shares, total := make([]float64, count), 0.0
	for i := range shares {
		shares[i] = 2 + random.Float64()
		total += shares[i]
	}
	var acts []span
	from := o.Quiet
	for _, share := range shares {
		to := from + time.Duration(share/total*float64(active-lulls))
		acts = append(acts, span{from, to})
		from = to + lulls/time.Duration(count-1)
	}
	return acts
}

// between draws a duration from low, inclusive, to high, exclusive.
func between(random *rand.Rand, low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(random.Int64N(int64(high-low)))
}
