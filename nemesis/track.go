package nemesis

import (
	"math/rand/v2"
	"time"
)

// Shares of the acts that faults may fill. See Plan for what follows from them.
const (
	trackShare    = 0.34 // of one kind
	majorityShare = 0.06 // of faults of one kind that take down a majority by themselves
)

// grain is the rounding of planned times, for readability.
const grain = time.Millisecond

// minFault is the shortest planned fault: applying one takes some milliseconds.
const minFault = 50 * time.Millisecond

// track plans the faults of one kind.
type track struct {
	options PlanOptions
	kind    string
	acts    []span
	random  *rand.Rand

	faults                 []Fault
	total                  time.Duration // that faults may take
	budget, majorityBudget time.Duration // remaining time for all faults, and for those that break the majority
	forms, harmless        []Form
}

// plan fills the acts with alternating faults and gaps.
func (t *track) plan() []Fault {
	var total time.Duration
	for _, act := range t.acts {
		total += act.length()
	}
	t.total = time.Duration(trackShare * float64(total))
	t.budget = t.total
	t.majorityBudget = max(time.Duration(majorityShare*float64(total)), minFault)
	t.forms = t.options.forms(t.kind)
	for _, form := range t.forms {
		if !form.breaksMajority(len(t.options.Nodes)) {
			t.harmless = append(t.harmless, form)
		}
	}
	for _, act := range t.acts {
		at := act.from + between(t.random, 0, act.length()/3)
		for {
			length := t.fault(at, act.to)
			if length == 0 {
				break
			}
			at += length + max(between(t.random, 3*length/2, 3*length), t.options.Term/4, 2*grain)
		}
	}
	return t.faults
}

// fault plans one fault and returns its length; zero means that there is no room for another.
func (t *track) fault(at, end time.Duration) time.Duration {
	at = at.Round(grain)
	room := min(end-at, t.budget)
	if room < minFault || len(t.faults) >= MaxFaults/len(kindNames()) {
		return 0
	}
	forms := t.forms
	if t.majorityBudget < minFault && len(t.harmless) > 0 {
		forms = t.harmless
	}
	form := draw(t.random, forms)
	if form.breaksMajority(len(t.options.Nodes)) && len(t.harmless) > 0 {
		room = min(room, t.majorityBudget)
	}
	length := max(min(t.length(), room).Truncate(grain), minFault)
	t.budget -= length
	if form.breaksMajority(len(t.options.Nodes)) {
		t.majorityBudget -= length
	}
	f := Fault{At: at, For: length, Kind: t.kind, Shape: form.Shape, Groups: form.Groups}
	if t.kind == Clock {
		f.Move = t.options.Clocks.move(t.random, form, length)
	}
	t.faults = append(t.faults, f)
	return length
}

// length draws how long a fault lasts: some faults are too short for the system to notice, some last just about the
// term, and some several times longer. None uses so much of the budget that a short run would consist of a single
// fault.
func (t *track) length() time.Duration {
	term, longest := t.options.Term, max(t.total/3, min(3*t.options.Term, t.total))
	if t.kind == Pause && t.options.LeaseTerm > 0 {
		return min(t.options.pause(t.random), longest)
	}
	switch class := t.random.IntN(10); {
	case class < 3:
		return between(t.random, term/10, term*9/10)
	case class < 6:
		return between(t.random, term*9/10, term*2)
	default:
		return between(t.random, min(term*2, longest/2), min(term*6, longest))
	}
}

// pause draws how long a pause lasts where there are leases: what a resumed leader may believe depends on how much
// of a term it has missed.
func (o PlanOptions) pause(random *rand.Rand) time.Duration {
	terms := []float64{0.5, 0.95, 1.05, 2, 5}[random.IntN(5)]
	return time.Duration(terms * float64(o.LeaseTerm))
}

// draw picks a form at random by weight.
func draw(random *rand.Rand, forms []Form) Form {
	total := 0
	for _, form := range forms {
		total += form.Weight
	}
	at := random.IntN(total)
	for _, form := range forms {
		if at -= form.Weight; at < 0 {
			return form
		}
	}
	panic("nemesis: the weights do not add up")
}

// breaksMajority reports whether the form by itself can leave no majority of n nodes that are up and hear each
// other.
func (f Form) breaksMajority(n int) bool {
	working := n
	if f.Kind == Clock || f.Kind == Transfer {
		return false
	}
	switch f.Shape {
	case Halves:
		working = n - n/2
	case Bridge:
		// The bridge and the larger half hear each other.
		working = 1 + n/2
	case Ring:
		// Every node hears a majority, though hardly any majority is fully connected: this is no outage for a
		// leader.
		return false
	case OneWay:
		working = n - 1 // all forms have a single node on one side
	default:
		for _, target := range f.Groups[0] {
			working -= size(target, n)
		}
	}
	return working < n/2+1
}
