package nemesis

import "time"

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
