package nemesis

import "time"

// transfers are the hunts in which leaders hand over.
func transfers() []Hunt {
	return []Hunt{
		{"resign", "let nothing reach the leader any more, and have it hand over while its lease goes on",
			[]string{Partition, Transfer}, 10, false, false, false, (*chase).resign},
		{"abdicate", "have the leader hand over, and cut it off at the same moment",
			[]string{Partition, Transfer}, 3, false, true, true, (*chase).abdicate},
		{"cascade", "have the leader hand over, and each successor as soon as it leads",
			[]string{Transfer}, 3, false, true, true, (*chase).cascade},
		{"coup", "have the leader hand over, and cut its successor off at once",
			[]string{Partition, Transfer}, 3, false, true, true, (*chase).coup},
		{"turnover", "stop the followers while clients go on, and have the leader hand over as they wake up",
			[]string{Pause, Transfer}, 2, false, true, true, (*chase).turnover},
	}
}

// quit has the leader hand over. For as long as it lasts, others elect.
func (c *chase) quit(name string, after, lasts time.Duration) {
	c.add(name, after, lasts, Fault{Kind: Transfer, Groups: [][]string{{RoleLeader}}})
}

// resign lets a leader hand over that cannot hear of its successor. What it says still arrives: that nobody has to wait
// for the end of its lease. When it says so, it must be deaf already, which takes longer on a busy machine, and most of
// its lease must still be ahead.
func (c *chase) resign() {
	lasts := c.expiry()
	c.add("deaf", 0, lasts, Fault{Kind: Partition, Shape: OneWay, Groups: [][]string{{RoleRest}, {RoleLeader}}})
	at := between(c.random, moment/2, max(3*moment, c.options.LeaseTerm/2))
	c.quit("quit", at, lasts-at)
}

// abdicate leaves open which comes first: whether the others hear that the leader gives up, and whether it hears of its
// successor.
func (c *chase) abdicate() {
	lasts := c.elected()
	at := between(c.random, 0, moment)
	c.isolate("cut", RoleLeader, 0, lasts)
	c.quit("quit", at, lasts-at)
}

// cascade lets nobody lead for long. Every leader must have finished what those before it began.
func (c *chase) cascade() {
	at := time.Duration(0)
	for _, name := range []string{"one", "two", "three", "four", "five"}[:3+c.random.IntN(3)] {
		lasts := between(c.random, minFault, minFault+c.options.Term)
		c.quit(name, at, lasts)
		at += lasts
	}
}

// coup cuts a leader off that was elected while the one before it still lives, and has hardly begun.
func (c *chase) coup() {
	first := between(c.random, moment, 5*moment)
	c.quit("quit", 0, first)
	c.isolate("cut", RoleLeader, first, c.elected())
}

// turnover leaves followers with messages of a leader in their buffers that has given up when they read them.
func (c *chase) turnover() {
	stopped := max(c.options.Term/3, minFault)
	c.add("pause", 0, stopped, Fault{Kind: Pause, Groups: [][]string{{RoleFollowers}}})
	c.quit("quit", stopped-between(c.random, 0, 2*moment), c.elected())
}
