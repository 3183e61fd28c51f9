package nemesis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
)

// HuntNodes is how many nodes there must be for any hunt: with fewer, nobody is left to be elected.
const HuntNodes = 3

// huntDefault is the fraction of the time under faults spent on hunts where there are leases.
const huntDefault = 1.0 / 3

// Hunt is a recipe for an attack: several faults whose targets and times are coordinated. Hunts on leases aim at
// the moment at which a lease has expired for one side but not for the other; hunts on elections aim at what a
// leader leaves behind, and at its successor.
type Hunt struct {
	Name    string
	Summary string
	Kinds   []string // of the faults it consists of
	Weight  int      // relative frequency

	wall      bool // attacks leases on wall clocks; other hunts that move clocks attack leases on monotonic ones
	elections bool // planned only if PlanOptions.Elections is set
	leaseless bool // works without leases
	plan      func(h *chase)
}

// NeedsLeases reports whether the hunt is planned only where reads rest on leases.
func (h Hunt) NeedsLeases() bool { return !h.leaseless }

// Hunts lists the recipes.
//
// Terms are lease terms. A cut lasts until the leases of both sides have expired by the slowest clock, so that the
// others elect a leader and write while the node that is cut off still reads, if it can.
func Hunts() []Hunt {
	return slices.Concat(stops(), transfers())
}

// stops are the hunts that stop nodes and messages, and move clocks.
func stops() []Hunt {
	return []Hunt{
		{"slow", "slow the leader's clock, and cut it off right after a renewal",
			[]string{Partition, Clock}, 6, false, false, false, (*chase).slow},
		{"fast", "have all clocks but the leader's run fast, and cut it off right after a renewal",
			[]string{Partition, Clock}, 2, false, false, false, (*chase).fast},
		{"back", "step the leader's clock back right after a renewal, and cut it off",
			[]string{Partition, Clock}, 6, true, false, false, (*chase).back},
		{"ahead", "step all clocks but the leader's ahead, and cut it off",
			[]string{Partition, Clock}, 2, true, false, false, (*chase).ahead},
		{"granters", "cut the leader off, and restart those who granted its lease inside the term",
			[]string{Partition, Kill}, 2, false, false, false, (*chase).granters},
		{"slow-kill", "slow the leader's clock, restart a granter, and cut the leader off",
			[]string{Partition, Kill, Clock}, 1, false, false, false, (*chase).slowKill},
		{"pause", "pause the leader across the end of its lease",
			[]string{Pause}, 2, false, false, false, (*chase).pause},
		{"deaf", "let nothing reach the leader any more but what clients say",
			[]string{Partition}, 1, false, false, false, (*chase).deaf},
		{"restart", "restart the leader inside its term, and cut it off",
			[]string{Partition, Kill}, 1, false, false, false, (*chase).restart},
		{"comeback", "cut the leader off, and kill its successor as the cut ends",
			[]string{Partition, Kill}, 4, false, true, true, (*chase).comeback},
		{"laggard", "cut a follower off, and join it again just as the leader is cut off",
			[]string{Partition}, 3, false, true, true, (*chase).laggard},
		{"relay", "kill the leader, and as it comes back, cut its successor off",
			[]string{Partition, Kill}, 3, false, true, true, (*chase).relay},
		{"minority", "cut the leader off with as many companions as fit, and kill its successor as the cut ends",
			[]string{Partition, Kill}, 3, false, true, true, (*chase).minority},
		{"blackout", "kill everybody at once, and cut off who leads then",
			[]string{Partition, Kill}, 2, false, true, true, (*chase).blackout},
		{"voters", "cut the leader off, and restart some of the others while they elect",
			[]string{Partition, Kill}, 3, false, true, true, (*chase).voters},
		{"duel", "stop everybody until all have lost their patience",
			[]string{Pause}, 2, false, true, true, (*chase).duel},
		{"late", "stop a follower with messages of the leader in its buffers, until there is another leader",
			[]string{Pause, Kill}, 3, false, true, true, (*chase).late},
		{"backlog", "stop the followers while clients go on, and cut the leader off as they wake up",
			[]string{Pause, Partition}, 4, false, true, true, (*chase).backlog},
		{"orphans", "stop some followers while clients go on, and kill the leader as they wake up",
			[]string{Pause, Kill}, 3, false, true, true, (*chase).orphans},
		{"replay", "cut the leader off, and restart everybody when it is back",
			[]string{Partition, Kill}, 3, false, true, true, (*chase).replay},
		{"hiccup", "restart the leader faster than anybody loses patience, twice",
			[]string{Kill}, 3, false, true, true, (*chase).hiccup},
		{"reboot", "cut the leader off, and restart everybody else inside the term of its lease",
			[]string{Partition, Kill}, 4, false, true, false, (*chase).reboot},
		{"succession", "cut one leader off after the other, each as the one before comes back",
			[]string{Partition}, 4, false, true, true, (*chase).succession},
		{"rivals", "cut the leader off with a companion, then its successor with another, and let the rest elect",
			[]string{Partition}, 5, false, true, true, (*chase).rivals},
		{"whispers", "join a follower again that has missed much, while the leader hears no answers",
			[]string{Partition}, 3, false, true, true, (*chase).whispers},
		{"stagger", "stop the followers while clients go on, wake them one after the other, and kill the leader meanwhile",
			[]string{Pause, Kill}, 4, false, true, true, (*chase).stagger},
		{"checkpoint", "cut a node off, and restart it twice while it catches up",
			[]string{Partition, Kill}, 3, false, true, true, (*chase).checkpoint},
		{"courier", "join a node again that has missed much, and pause or kill the leader as it brings it up to date",
			[]string{Partition, Pause, Kill}, 4, false, true, true, (*chase).courier},
		{"stun", "pause the leader while clients go on, until there has been another for a while",
			[]string{Pause}, 4, false, true, true, (*chase).stun},
		{"revenant", "restart a follower twice while the leader waits for a majority",
			[]string{Pause, Kill}, 3, false, true, true, (*chase).revenant},
		{"halves", "cut the nodes in two halves, and then in two others",
			[]string{Partition}, 2, false, true, true, (*chase).halves},
		{"storm", "many short faults at once, of all kinds that stop nodes or messages",
			[]string{Partition, Kill, Pause}, 5, false, true, true, (*chase).storm},
		{"amnesia", "restart all who granted the leader's lease, and cut it off inside the term",
			[]string{Partition, Kill}, 3, false, true, false, (*chase).amnesia},
	}
}

// everyHunt is [Hunts], shared by readers that do not modify it.
var everyHunt = Hunts()

// huntNames lists the names of [Hunts] in order.
func huntNames() []string {
	var names []string
	for _, h := range everyHunt {
		names = append(names, h.Name)
	}
	return names
}

// Missing says what keeps a hunt out of a plan with these options: kinds of faults that are not to be injected, and
// something else that it needs. Both are empty if the hunt may be planned. Whether there is time for it is another
// matter.
func (o PlanOptions) Missing(h Hunt) (kinds []string, needs string) {
	o, _ = o.withDefaults() // Plan says what is wrong with them
	return o.missing(h)
}

// missing is Missing, of options with their defaults.
func (o PlanOptions) missing(h Hunt) (kinds []string, needs string) {
	for _, kind := range h.Kinds {
		if !slices.Contains(o.Kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	moves := slices.Contains(h.Kinds, Clock)
	switch {
	case len(o.Nodes) < HuntNodes:
		needs = fmt.Sprintf("at least %d nodes", HuntNodes)
	case h.elections && !o.Elections && o.Only == nil:
		needs = "elections to be hunted"
	case !h.leaseless && o.LeaseTerm <= 0:
		needs = "reads that rest on leases"
	case moves && h.wall && !o.Clocks.Wall:
		needs = "leases on wall clocks"
	case moves && !h.wall && o.Clocks.Wall:
		needs = "leases on monotonic clocks"
	case moves && !o.Clocks.allows(map[bool]string{true: ClockStep, false: ClockRate}[h.wall], o.Term):
		needs = "clocks that may be moved further"
	}
	return kinds, needs
}

// hunts returns the recipes that fault kinds, nodes and clock bounds allow.
func (o PlanOptions) hunts() []Hunt {
	if o.Hunt <= 0 {
		return nil
	}
	var possible []Hunt
	for _, h := range everyHunt {
		if o.Only != nil && !slices.Contains(o.Only, h.Name) {
			continue
		}
		if kinds, needs := o.missing(h); len(kinds) == 0 && needs == "" {
			possible = append(possible, h)
		}
	}
	return possible
}

// divide reserves the end of every act for hunts, if there are any.
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

// hunter plans hunts one after another.
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
			if h.options.Elections { // the previous faults must be over as well, which takes time
				at += h.options.settle()
			}
		}
	}
	return h.faults
}

// one plans one hunt that ends in time and returns its end; the second result is false if none fits.
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

// draw picks a hunt at random by weight.
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

// chase is a hunt being planned.
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

// settle is the time allowed for proving that a clock has moved and for leases to be renewed on it. Where the system's
// own times are shorter it is half of its election timeout, but at least settleLeast: faults take that long themselves.
const (
	settle      = 300 * time.Millisecond
	settleLeast = 40 * time.Millisecond
)

func (o PlanOptions) settle() time.Duration { return min(settle, max(o.Term/2, settleLeast)) }

// lead is settle plus a random part of a term, because the times of lease renewals are unknown.
func (c *chase) lead() time.Duration {
	return c.options.settle() + between(c.random, 0, c.options.LeaseTerm*2/5)
}

// expiry is the time until a lease that was just renewed has expired on every clock and a new leader has written
// something.
func (c *chase) expiry() time.Duration {
	return c.over() + c.options.Term/2 + c.options.settle()
}

// over is how long a lease that was just renewed lasts on the slowest clock; zero without leases.
func (c *chase) over() time.Duration {
	if c.options.Clocks.Wall {
		return c.options.LeaseTerm + 2*min(max(c.options.Clocks.MaxStep, 0), 10*c.options.LeaseTerm)
	}
	drift := float64(max(c.options.Clocks.Drift, 0)) / float64(clockshim.Nominal)
	return time.Duration(float64(c.options.LeaseTerm) * (1 + 1.5*drift))
}

// add plans a fault that begins the given time after the hunt.
func (c *chase) add(name string, after, lasts time.Duration, f Fault) {
	f.ID = c.name + "-" + name
	f.At, f.For = (c.at + after).Round(grain), max(lasts.Round(grain), minFault)
	c.faults = append(c.faults, f)
}

func (c *chase) cut(after time.Duration) {
	c.add("cut", after, c.expiry(), Fault{Kind: Partition, Shape: Isolate, Groups: [][]string{{RoleLeader}}})
}

// rate runs clocks at the edge of the bounds from the beginning until after the cut.
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

// stepped steps wall clocks just before the cut: at a leader's next renewal all clocks would agree again.
func (c *chase) stepped(who string, step time.Duration) {
	lead := c.lead()
	c.add("clock", lead, c.expiry(), Fault{Kind: Clock, Shape: ClockStep, Groups: [][]string{{who}},
		Move: hostclock.Move{Step: step}})
	c.cut(lead + 2*grain)
}

func (c *chase) granters() {
	c.cut(0)
	c.add("kill", c.options.settle(), c.options.LeaseTerm/10, Fault{Kind: Kill, Groups: [][]string{{RoleMinority}}})
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
