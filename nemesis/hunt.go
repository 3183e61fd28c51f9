package nemesis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
)

// huntDefault is the part of the time under faults that goes to hunts where there are leases.
const huntDefault = 1.0 / 3

// Hunt is a recipe for an attack on leases: several faults whose places and times make sense together. All are aimed at
// the moment in which a lease has ended for one side and not for the other.
type Hunt struct {
	Name    string
	Summary string
	Kinds   []string // that it is made of
	Weight  int      // how often it is drawn, relative to the others

	wall bool // of leases on wall clocks; the others that move clocks are of leases on monotonic ones
	plan func(h *chase)
}

// Hunts lists the recipes.
//
// Terms are those of leases; a cut lasts until the leases of both sides have ended by the slowest clock, so that the
// others elect a leader and write while the one that is cut off still reads, if it may.
func Hunts() []Hunt {
	return []Hunt{
		{"slow", "slow the leader's clock, and cut it off right after a renewal",
			[]string{Partition, Clock}, 6, false, (*chase).slow},
		{"fast", "have all clocks but the leader's run fast, and cut it off right after a renewal",
			[]string{Partition, Clock}, 2, false, (*chase).fast},
		{"back", "step the leader's clock back right after a renewal, and cut it off",
			[]string{Partition, Clock}, 6, true, (*chase).back},
		{"ahead", "step all clocks but the leader's ahead, and cut it off",
			[]string{Partition, Clock}, 2, true, (*chase).ahead},
		{"granters", "cut the leader off, and restart those who granted its lease inside the term",
			[]string{Partition, Kill}, 2, false, (*chase).granters},
		{"slow-kill", "slow the leader's clock, restart a granter, and cut the leader off",
			[]string{Partition, Kill, Clock}, 1, false, (*chase).slowKill},
		{"pause", "pause the leader across the end of its lease",
			[]string{Pause}, 2, false, (*chase).pause},
		{"deaf", "let nothing reach the leader any more but what clients say",
			[]string{Partition}, 1, false, (*chase).deaf},
		{"restart", "restart the leader inside its term, and cut it off",
			[]string{Partition, Kill}, 1, false, (*chase).restart},
	}
}

// everyHunt is [Hunts], for those who only look.
var everyHunt = Hunts()

// hunts are the recipes that the kinds of fault, the nodes and the bounds of the clocks allow.
func (o PlanOptions) hunts() []Hunt {
	if o.LeaseTerm <= 0 || o.Hunt <= 0 || len(o.Nodes) < 3 {
		return nil
	}
	var possible []Hunt
	for _, h := range everyHunt {
		moves := slices.Contains(h.Kinds, Clock)
		missing := func(kind string) bool { return !slices.Contains(o.Kinds, kind) }
		switch {
		case slices.ContainsFunc(h.Kinds, missing):
		case moves && h.wall != o.Clocks.Wall:
		case moves && !o.Clocks.allows(map[bool]string{true: ClockStep, false: ClockRate}[h.wall], o.Term):
		default:
			possible = append(possible, h)
		}
	}
	return possible
}

// divide gives the end of every act to hunts, if there are any.
func (o PlanOptions) divide(acts []span) (rest, hunted []span) {
	if len(o.hunts()) == 0 {
		return acts, nil
	}
	for _, act := range acts {
		at := act.to - time.Duration(o.Hunt*float64(act.length()))
		if o.Hunt < 1 {
			rest = append(rest, span{act.from, at})
		}
		hunted = append(hunted, span{at, act.to})
	}
	return rest, hunted
}

// hunter plans hunts one after the other.
type hunter struct {
	options PlanOptions
	acts    []span
	random  *rand.Rand
	count   int
	faults  []Fault
}

func (h *hunter) plan() []Fault {
	possible := h.options.hunts()
	for _, act := range h.acts {
		for at := act.from; ; {
			end, fits := h.one(possible, at, act.to)
			if !fits {
				break
			}
			// Before the next one the cluster must have a leader with a lease again.
			at = end + h.options.LeaseTerm/2 + h.options.Term/2
		}
	}
	return h.faults
}

// one plans one hunt that ends in time, and says when that is; the second result is false if none fits.
func (h *hunter) one(possible []Hunt, at, end time.Duration) (time.Duration, bool) {
	possible = slices.Clone(possible)
	for len(possible) > 0 && len(h.faults) < MaxFaults/2 {
		i := h.draw(possible)
		c := &chase{options: h.options, random: h.random, at: at, name: fmt.Sprintf("h%d", h.count+1)}
		possible[i].plan(c)
		if c.end() <= end {
			h.count++
			h.faults = append(h.faults, c.faults...)
			return c.end(), true
		}
		possible = slices.Delete(possible, i, i+1)
	}
	return 0, false
}

// draw picks one of the hunts, by their weights.
func (h *hunter) draw(possible []Hunt) int {
	total := 0
	for _, hunt := range possible {
		total += hunt.Weight
	}
	at := h.random.IntN(total)
	for i, hunt := range possible {
		if at -= hunt.Weight; at < 0 {
			return i
		}
	}
	panic("nemesis: the weights do not add up")
}

// chase is one hunt being planned.
type chase struct {
	options PlanOptions
	random  *rand.Rand
	at      time.Duration
	name    string
	faults  []Fault
}

func (c *chase) end() (end time.Duration) {
	for _, f := range c.faults {
		end = max(end, f.At+f.For)
	}
	return end
}

// settle is how long a moved clock is given until it has been proven to have moved and leases have been renewed on it.
const settle = 300 * time.Millisecond

// lead is that, and a random part of a term more, since nobody knows when leases are renewed.
func (c *chase) lead() time.Duration {
	return settle + between(c.random, 0, c.options.LeaseTerm*2/5)
}

// expiry is how long it takes for a lease that was just renewed to be over for everybody, whose clock ever it is on,
// and for a new leader to have written something.
func (c *chase) expiry() time.Duration {
	drift := float64(max(c.options.Clocks.Drift, 0)) / float64(clockshim.Nominal)
	term := float64(c.options.LeaseTerm)
	over := time.Duration(term * (1 + 1.5*drift))
	if c.options.Clocks.Wall {
		over = c.options.LeaseTerm + 2*min(max(c.options.Clocks.MaxStep, 0), 10*c.options.LeaseTerm)
	}
	return over + c.options.Term/2 + settle
}

// add plans a fault that begins so long after the hunt did.
func (c *chase) add(name string, after, lasts time.Duration, f Fault) {
	f.ID = c.name + "-" + name
	f.At, f.For = (c.at + after).Round(grain), max(lasts.Round(grain), minFault)
	c.faults = append(c.faults, f)
}

func (c *chase) cut(after time.Duration) {
	c.add("cut", after, c.expiry(), Fault{Kind: Partition, Shape: Isolate, Groups: [][]string{{RoleLeader}}})
}

// rate has clocks run at the edge of the bounds from the beginning until after the cut.
func (c *chase) rate(who string, rate clockshim.Rate, lead time.Duration) {
	c.add("clock", 0, lead+c.expiry(), Fault{Kind: Clock, Shape: ClockRate, Groups: [][]string{{who}},
		Move: hostclock.Move{Rate: rate}})
}

func (c *chase) slow() {
	lead := c.lead()
	c.rate(RoleLeader, c.options.Clocks.slowest(), lead)
	c.cut(lead)
}

func (c *chase) fast() {
	lead := c.lead()
	c.rate(RoleFollowers, c.options.Clocks.fastest(), lead)
	c.cut(lead)
}

func (c *chase) back() { c.stepped(RoleLeader, -c.options.Clocks.MaxStep) }

func (c *chase) ahead() { c.stepped(RoleFollowers, c.options.Clocks.MaxStep) }

// stepped has wall clocks step a moment before the cut: at a leader's next renewal all would agree again.
func (c *chase) stepped(who string, step time.Duration) {
	lead := c.lead()
	c.add("clock", lead, c.expiry(), Fault{Kind: Clock, Shape: ClockStep, Groups: [][]string{{who}},
		Move: hostclock.Move{Step: step}})
	c.cut(lead + 2*grain)
}

func (c *chase) granters() {
	c.cut(0)
	c.add("kill", settle, c.options.LeaseTerm/10, Fault{Kind: Kill, Groups: [][]string{{RoleMinority}}})
}

func (c *chase) slowKill() {
	lead := c.lead()
	c.rate(RoleLeader, c.options.Clocks.slowest(), lead)
	c.add("kill", lead/2, c.options.LeaseTerm/10, Fault{Kind: Kill, Groups: [][]string{{RoleFollower}}})
	c.cut(lead)
}

func (c *chase) pause() {
	c.add("pause", 0, c.options.pause(c.random), Fault{Kind: Pause, Groups: [][]string{{RoleLeader}}})
}

func (c *chase) deaf() {
	c.add("cut", 0, c.expiry(), Fault{Kind: Partition, Shape: OneWay, Groups: [][]string{{RoleRest}, {RoleLeader}}})
}

func (c *chase) restart() {
	c.add("kill", 0, c.options.LeaseTerm/20, Fault{Kind: Kill, Groups: [][]string{{RoleLeader}}})
	c.cut(c.options.LeaseTerm / 10)
}
