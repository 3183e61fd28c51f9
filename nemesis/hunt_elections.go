package nemesis

import (
	"slices"
	"time"
)

// elected is the time from the loss of a leader until its successor has written something. With leases, the old
// lease must first expire on the slowest clock.
func (c *chase) elected() time.Duration {
	return c.over() + c.options.Term + c.options.settle() + between(c.random, 0, c.options.Term)
}

// moment separates faults that are meant to coincide: the first one takes some milliseconds to take effect.
const moment = 20 * time.Millisecond

// restarted is how long a process stays dead when the point is to restart it.
const restarted = minFault

func (c *chase) isolate(name string, who string, after, lasts time.Duration) {
	c.add(name, after, lasts, Fault{Kind: Partition, Shape: Isolate, Groups: [][]string{{who}}})
}

func (c *chase) kill(name string, who string, after, lasts time.Duration) {
	c.add(name, after, lasts, Fault{Kind: Kill, Groups: [][]string{{who}}})
}

// comeback lets a leader that has accepted values nobody else has lead again, after another leader.
func (c *chase) comeback() {
	first := c.elected()
	c.isolate("cut", RoleLeader, 0, first)
	c.kill("kill", RoleLeader, first-moment, c.elected())
}

// laggard lets a node that has missed much lead.
func (c *chase) laggard() {
	first := c.elected()
	c.isolate("first", RoleFollower, 0, first)
	c.isolate("cut", RoleLeader, first-moment, c.elected())
}

func (c *chase) relay() {
	first := c.elected()
	c.kill("kill", RoleLeader, 0, first)
	c.isolate("cut", RoleLeader, first-moment, c.elected())
}

func (c *chase) minority() {
	first := c.elected()
	c.add("cut", 0, first, Fault{Kind: Partition, Shape: Halves, Groups: [][]string{{RoleLeader}}})
	c.kill("kill", RoleLeader, first-moment, c.elected())
}

func (c *chase) blackout() {
	c.kill("kill", RoleAll, 0, restarted)
	c.isolate("cut", RoleLeader, restarted+c.elected(), c.elected())
}

// voters restarts nodes at random times between the cut and the following election.
func (c *chase) voters() {
	lasts := c.elected()
	c.isolate("cut", RoleLeader, 0, lasts)
	at := between(c.random, 0, lasts/2)
	c.kill("one", RoleFollower, at, restarted)
	c.kill("two", RoleMinority, at+2*restarted+between(c.random, 0, lasts/3), restarted)
}

func (c *chase) duel() {
	c.add("pause", 0, c.elected(), Fault{Kind: Pause, Groups: [][]string{{RoleAll}}})
}

func (c *chase) late() {
	lasts := c.elected()
	c.add("pause", 0, moment*5+lasts, Fault{Kind: Pause, Groups: [][]string{{RoleFollower}}})
	c.kill("kill", RoleLeader, 5*moment, lasts)
}

// backlog leaves the leader with a full window that the followers may or may not have in their buffers.
func (c *chase) backlog() {
	stopped := max(c.options.Term/3, minFault)
	c.add("pause", 0, stopped, Fault{Kind: Pause, Groups: [][]string{{RoleFollowers}}})
	c.isolate("cut", RoleLeader, stopped-between(c.random, 0, 2*moment), c.elected())
}

func (c *chase) orphans() {
	stopped := max(c.options.Term/3, minFault)
	c.add("pause", 0, stopped, Fault{Kind: Pause, Groups: [][]string{{RoleFollower, RoleFollower}}})
	c.kill("kill", RoleLeader, stopped-between(c.random, 0, 2*moment), c.elected())
}

// replay makes all nodes recover from logs in which slots were accepted in several ballots, and one of them lead
// with it.
func (c *chase) replay() {
	first := c.elected()
	c.isolate("cut", RoleLeader, 0, first)
	again := first + between(c.random, moment, c.options.Term/2)
	c.kill("kill", RoleAll, again, restarted)
	c.isolate("later", RoleLeader, again+restarted+c.elected(), c.elected())
}

// hiccup restarts a leader so quickly that it finds its cluster unchanged, and a moment later restarts whoever leads
// then.
func (c *chase) hiccup() {
	c.kill("one", RoleLeader, 0, restarted)
	c.kill("two", RoleLeader, c.options.settle()+between(c.random, 0, c.options.Term), restarted)
}

// amnesia makes granters forget all that is not on disk, and the leader renew its lease with them when they are
// back.
func (c *chase) amnesia() {
	c.kill("kill", RoleFollowers, 0, restarted)
	settled := c.options.settle()
	c.cut(restarted + between(c.random, settled, settled+c.options.LeaseTerm*3/5))
}

// reboot makes granters forget all that is not on disk while the leader, which cannot ask them again, still counts on
// them.
func (c *chase) reboot() {
	c.isolate("cut", RoleLeader, 0, c.elected())
	c.kill("kill", RoleFollowers, moment, c.options.Term/8)
}

// succession has three or four leaders, each of which may have accepted values that nobody else has, or few.
func (c *chase) succession() {
	at := time.Duration(0)
	for _, name := range []string{"one", "two", "three", "four"}[:3+c.random.IntN(2)] {
		lasts := c.over() + c.options.Term + between(c.random, 0, c.options.Term)
		c.isolate(name, RoleLeader, at, lasts)
		at += lasts - between(c.random, 0, 2*moment)
	}
}

// rivals leaves two minorities behind that have accepted different values in the same slots, in two ballots, and lets a
// third leader decide.
func (c *chase) rivals() {
	pair := func(name string, after, lasts time.Duration) {
		c.add(name, after, lasts,
			Fault{Kind: Partition, Shape: Split, Groups: [][]string{{RoleLeader, RoleFollower}, {RoleRest}}})
	}
	second := c.elected()
	third := second + between(c.random, 2*moment, c.options.Term)
	pair("one", 0, third)
	pair("two", second, third-second)
	c.isolate("three", RoleLeader, third-2*moment, c.elected())
}

// whispers leaves values behind that many have accepted and nobody knows to be chosen, and a node that asks for them.
func (c *chase) whispers() {
	first := c.elected()
	c.isolate("away", RoleFollower, 0, first)
	deaf := c.options.Term + between(c.random, 0, c.options.Term)
	c.add("deaf", first-between(c.random, 0, 5*moment), deaf,
		Fault{Kind: Partition, Shape: OneWay, Groups: [][]string{{RoleRest}, {RoleLeader}}})
	c.isolate("cut", RoleLeader, first+between(c.random, moment, c.options.Term), c.elected())
}

// stagger lets nodes learn at different times of what the leader sent before it died: one of them later than the
// others, or all but one. By then the leader has sent it several times.
func (c *chase) stagger() {
	stopped := max(between(c.random, c.options.Term/3, 3*c.options.Term/2), minFault)
	c.add("some", 0, stopped, Fault{Kind: Pause, Groups: [][]string{{RoleFollowers}}})
	longer := stopped + between(c.random, moment, 2*c.options.Term)
	late := 1
	if c.random.IntN(2) == 0 {
		late = max(1, len(c.options.Nodes)-2)
	}
	c.add("more", moment/2, longer, Fault{Kind: Pause, Groups: [][]string{slices.Repeat([]string{RoleFollower}, late)}})
	c.kill("kill", RoleLeader, stopped-between(c.random, 0, 2*moment), between(c.random, minFault, c.elected()))
}

// checkpoint takes one and the same node, which may lead, and restarts it while it takes in a snapshot or a long tail.
func (c *chase) checkpoint() {
	node := c.options.Nodes[c.random.IntN(len(c.options.Nodes))]
	away := c.options.Term + between(c.random, 0, c.options.Term)
	c.isolate("away", node, 0, away)
	at := away + between(c.random, 0, 12*moment) // the cut takes a while to end, and the nodes to connect
	c.kill("one", node, at, restarted)
	c.kill("two", node, at+3*restarted+between(c.random, 0, 5*moment), restarted)
}

// courier has a leader that was stopped go on with a snapshot or a tail of the log which the other node has long had
// from somebody else, or leaves that node with what it had accepted besides.
func (c *chase) courier() {
	away := c.options.Term + between(c.random, 0, c.options.Term)
	c.isolate("away", RoleFollower, 0, away)
	at := away + between(c.random, 0, 12*moment) // the cut takes a while to end, and the nodes to connect
	if c.random.IntN(2) == 0 {
		c.kill("kill", RoleLeader, at, c.elected())
		return
	}
	c.add("pause", at, c.elected(), Fault{Kind: Pause, Groups: [][]string{{RoleLeader}}})
}

// stun has a leader wake up with answers of others from before its successor in its buffers, and with requests that
// clients have sent since.
func (c *chase) stun() {
	c.add("pause", 0, c.elected()+between(c.random, 0, stunned), Fault{Kind: Pause, Groups: [][]string{{RoleLeader}}})
}

// stunned is how much longer a leader sleeps at most than others need to elect another: about as long as clients wait
// for an answer, who then ask the leader again.
const stunned = 600 * time.Millisecond

// revenant restarts a node while answers to what it forwarded are still to come, so that the next life of the node gets
// them.
func (c *chase) revenant() {
	node := c.options.Nodes[c.random.IntN(len(c.options.Nodes))]
	c.kill("one", node, 0, restarted)
	at := 2*restarted + between(c.random, 0, 3*moment)
	c.add("pause", at, between(c.random, c.options.Term/3, c.options.Term),
		Fault{Kind: Pause, Groups: [][]string{{RoleMinority}}})
	c.kill("two", node, at+between(c.random, 0, 3*moment), restarted)
	c.kill("three", node, at+3*restarted+between(c.random, 0, 3*moment), restarted)
}

func (c *chase) halves() {
	first := c.elected()
	c.add("one", 0, first, Fault{Kind: Partition, Shape: Halves})
	c.add("two", first-between(c.random, 0, 2*moment), c.elected(), Fault{Kind: Partition, Shape: Halves})
}

// storm is what no other hunt is: without a plan.
func (c *chase) storm() {
	whole := 2*c.options.Term + c.over()
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	for _, name := range names[:4+c.random.IntN(5)] {
		who := []string{RoleLeader, RoleFollower, RoleAny, RoleMinority}[c.random.IntN(4)]
		at, lasts := between(c.random, 0, whole), between(c.random, minFault, c.options.Term+c.over())
		switch c.random.IntN(5) {
		case 0:
			c.kill(name, who, at, min(lasts, 2*restarted))
		case 1, 2:
			c.add(name, at, min(lasts, c.options.Term), Fault{Kind: Pause, Groups: [][]string{{who}}})
		case 3:
			c.isolate(name, who, at, lasts)
		default:
			ends := [][]string{{who}, {RoleRest}}
			if c.random.IntN(2) == 0 {
				ends[0], ends[1] = ends[1], ends[0]
			}
			c.add(name, at, lasts, Fault{Kind: Partition, Shape: OneWay, Groups: ends})
		}
	}
}
