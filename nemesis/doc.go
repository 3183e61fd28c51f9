// Package nemesis does to a cluster what the world does: it cuts connections, kills and pauses processes, and moves
// clocks. It plans faults, reads and writes them as data, plays them against real hosts with proof that each took
// effect, and undoes them whatever happens.
//
//	schedule, err := nemesis.Plan(nemesis.PlanOptions{Seed: 7, Nodes: nodes}) // or nemesis.Parse
//	ledger, err := nemesis.OpenLedger(path)
//	player, err := nemesis.NewPlayer(nemesis.PlayerOptions{Schedule: schedule, Cluster: cluster, Ledger: ledger})
//	err = player.Play(ctx)
//	err = player.HealAll(ctx)
//
// # The schedule file
//
// A schedule is a text file, one thing a line. A number sign begins a comment; empty lines mean nothing; white space
// separates words, and none is needed around the signs , | : and ->. The first line is the version of the format.
//
//	elenchus-schedule 1
//	seed 7                       # of random choices; 0 if missing
//	nodes n1 n2 n3 n4 n5         # all nodes of the cluster
//	length 30s                   # of the run
//
//	# at       for        fault
//	at 5.12s   for 3.4s   partition isolate leader
//	at 9s      for 2s     kill minority
//	at 12.5s   for 1.25s  pause n3,n4
//	at 15s     for 4s     partition split n1,n2 | n3,n4,n5
//	at 20s     for 3s     partition one-way n1 -> n2,n3
//	at 24s     for 3s     partition ring
//	at 27s     for 2s     partition bridge n3
//	at 27s     for 1s     clock rate leader 0.9
//	at 29s                kill n1
//
// A fault fires at a time since the run began and is reverted when it has lasted for as long as said; without "for" it
// lasts until everything is healed at the end. Durations are written as in Go: 5.12s, 250ms, 1m30s. Faults may stand
// in any order and may overlap. Each has a name: f1, f2 and so on in the order of time, or the one written in front of
// it, which keeps it (and the nodes drawn for it) the same when other faults are taken out of the file:
//
//	usurp: at 5s for 2s partition isolate leader
//
// # Targets
//
// Targets are nodes and roles, with commas between them. Roles are resolved when the fault fires:
//
//	leader     who leads at that moment
//	follower   one node that does not lead
//	followers  all nodes that do not lead
//	any        one node
//	minority   ⌊(n-1)/2⌋ nodes
//	majority   ⌊n/2⌋+1 nodes
//	all        all nodes
//	rest       all nodes that the fault does not name otherwise
//
// "leader,follower" is the leader with one companion. No node is taken twice by one fault. Draws depend on the seed
// and the fault's name only. What was drawn is recorded, and [Played] writes it down as a schedule.
//
// # Faults
//
//	partition split A | B [| C ...]       the groups do not hear each other; others hear everybody
//	partition halves                      ⌊n/2⌋ nodes against the rest, drawn
//	partition halves leader               the same, the leader in the smaller half with as many companions as fit
//	partition isolate A                   each of A hears nobody and is heard by nobody
//	partition ring                        every node hears a majority, no two the same one; the order is drawn
//	partition ring n3,n1,n2               the same in this order
//	partition bridge A                    all others fall in two halves, drawn, that only A connects
//	partition bridge A between B | C      the same with these halves
//	partition one-way A -> B              packets from A to B are dropped, from B to A they pass
//	kill A                                SIGKILL; started again when reverted
//	pause A                               SIGSTOP; SIGCONT when reverted
//	clock rate A 0.9                      CLOCK_MONOTONIC and CLOCK_REALTIME run at nine tenths of the raw clock's rate;
//	clock rate A -10%                     the same; or +500ppm
//	clock step A +2s                      CLOCK_REALTIME jumps ahead, and back when reverted
//	clock strobe A 200ms every 50ms       CLOCK_REALTIME jumps to and fro, for 50 ms each
//
// Partitions cut nodes from each other, never from clients or from the harness. A one-way cut is one of packets: over
// TCP the deaf side still sends, but never learns that it was heard, until its window is full.
//
// # Later versions
//
// A fault's line is a moment, a duration, a kind, and whatever the kind wants. New kinds (disk, packet) add
// kinds, other moments ("on" an event, instead of "at" a time) add a first word. Both are errors to a program that does
// not know them, with a line number, so files of version 1 keep their meaning and the number only changes if one
// would not.
//
// # Proof
//
// A fault counts when its effect has been seen. Every step of every fault, apply and revert, is reported as a
// [history.FaultEvent] with what was seen on each node:
//
//   - partition: rules in a chain of the fault's own, reached from the head of INPUT through the chain ELENCHUS. Every
//     cut is proven by probes from its source that its destination counts as dropped; in a one-way cut, the other
//     direction by probes that get through the chain. The revert is proven by the chain being gone and, for every pair
//     that no other fault cuts, by a connection that is answered.
//   - kill: the process with the recorded PID and start time is gone. The revert is proven by a process with another
//     start time.
//   - pause: all threads of the process are in state T. The revert is proven by none being so.
//   - clock: the clocks as the node is told them, read before and after against CLOCK_MONOTONIC_RAW, which nothing
//     moves, run at the rate wanted, have jumped by the step, or were seen to flip; and the node's process has them.
//     The revert is proven by the rate that is left, and by a wall clock that is where it would have been.
//
// An installed fault is looked at once more when its time is over, before it is reverted, by the same signs; what is
// seen is in the evidence of the revert, after "before:". Had somebody else ended it meanwhile, the revert has failed,
// with "did not last", even though nothing is left of the fault.
//
// No signal is ever sent to a process whose start time differs from the recorded one, and no rule that is not ours is
// ever touched.
//
// # Overlapping faults
//
// Partitions add up: what any of them cuts is cut. For processes these rules hold, node by node:
//
//   - Killing what is dead already, or pausing what is dead, is skipped. A fault is skipped if all its nodes are.
//   - Killing what is paused works; the pause is then over. The process that the kill's revert starts runs, even
//     if the pause would have lasted longer: a pause stops a process, not a node.
//   - A node that two pauses hold runs again when the last of them is reverted.
//   - A kill's revert starts what the kill killed, and nothing else. What another kill has killed since stays dead
//     until that one is reverted.
//
// Clocks belong to hosts. They go on as they were set while the node is dead or paused, and a node that is started
// again has them. Of several rates on one host the one applied last counts, and when it is reverted the one before;
// steps add up; a second strobe is skipped. When the last of them is reverted, the rate is nominal and the wall clock
// right; what the monotonic clock has gained or lost it keeps, as clocks do.
//
// # How clocks are moved
//
// The same words are meant in every kind of lab, and the evidence says how it was done. A host that shares its kernel
// has its node started under a clock shim, see package clockshim for what that moves and what stays real. A host with a
// kernel of its own has that kernel's clocks moved, by adjtimex; its time daemons are stopped meanwhile, and found out
// if they were not. What only one way can do is refused by the other before the run, by the name of the host:
// [Schedule.CheckClocks]. Package hostclock has the limits, and does it.
//
// # Leases
//
// What rests on clocks is right as long as they keep a promise. Planned clock faults keep inside of it, see
// [ClockBounds], unless they are asked to go further. Where reads rest on leases, part of the time goes to [Hunts]:
// recipes of several faults that are timed to meet in the moment in which a lease has ended for one side only. Others
// are aimed at changes of the leader, with leases or without, see [PlanOptions].Elections.
package nemesis
