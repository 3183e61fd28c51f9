// Package nemesis injects faults into a cluster: it cuts connections, kills and pauses processes, moves clocks, and has
// leaders hand over. It plans faults, reads and writes them as data, plays them against real hosts with proof that each
// took effect, and reverts them whatever happens.
//
//	schedule, err := nemesis.Plan(nemesis.PlanOptions{Seed: 7, Nodes: nodes}) // or nemesis.Parse
//	ledger, err := nemesis.OpenLedger(path)
//	player, err := nemesis.NewPlayer(nemesis.PlayerOptions{Schedule: schedule, Cluster: cluster, Ledger: ledger})
//	err = player.Play(ctx)
//	err = player.HealAll(ctx)
//
// # The schedule file
//
// A schedule is a text file with one item per line. A number sign begins a comment, and empty lines are ignored. White
// space separates words; it is optional around , | : and ->. The first line is the version of the format.
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
//	at 28s                transfer leader
//	at 29s                kill n1
//
// A fault fires at a time since the run began and is reverted after the duration given; without "for" it lasts until
// everything is healed at the end. Durations are written as in Go: 5.12s, 250ms, 1m30s. Faults may be in any order and
// may overlap. Each has a name: f1, f2 and so on in order of time, or the one written in front of it. A written name
// keeps the fault, and the nodes drawn for it, the same when other faults are removed from the file:
//
//	usurp: at 5s for 2s partition isolate leader
//
// # Targets
//
// Targets are nodes and roles, separated by commas. Roles are resolved when the fault fires:
//
//	leader     the node that leads at that moment
//	follower   one node that does not lead
//	followers  all nodes that do not lead
//	any        one node
//	minority   ⌊(n-1)/2⌋ nodes
//	majority   ⌊n/2⌋+1 nodes
//	all        all nodes
//	rest       all nodes that the fault does not name otherwise
//
// "leader,follower" is the leader and one other node. No node is chosen twice by one fault. Random choices depend only
// on the seed and the fault's name. What was chosen is recorded, and [Played] writes it down as a schedule.
//
// # Faults
//
//	partition split A | B [| C ...]       the groups do not hear each other; other nodes hear everybody
//	partition halves                      ⌊n/2⌋ random nodes against the rest
//	partition halves leader               the same, with the leader in the smaller half
//	partition isolate A                   each node of A hears nobody and is heard by nobody
//	partition ring                        every node hears a majority, no two the same one; the order is random
//	partition ring n3,n1,n2               the same in this order
//	partition bridge A                    all other nodes form two random halves that only A connects
//	partition bridge A between B | C      the same with these halves
//	partition one-way A -> B              packets from A to B are dropped, those from B to A pass
//	kill A                                SIGKILL; restarted when reverted
//	pause A                               SIGSTOP; SIGCONT when reverted
//	clock rate A 0.9                      CLOCK_MONOTONIC and CLOCK_REALTIME run at nine tenths of the raw clock's rate;
//	clock rate A -10%                     the same; or +500ppm
//	clock step A +2s                      CLOCK_REALTIME jumps ahead, and back when reverted
//	clock strobe A 200ms every 50ms       CLOCK_REALTIME jumps back and forth, every 50 ms
//	transfer A                            A is asked to give up leading; others elect, nothing is reverted
//
// Partitions cut nodes off from each other, never from clients or from the harness. A one-way cut drops packets: over
// TCP the deaf side can still send, but gets no acknowledgements, until its window is full.
//
// A transfer is done in a moment: a leader among A gives up its leadership and its lease, and the others elect without
// waiting for the lease to end. Its duration is the time in which whatever happens is put down to it. Without "for" it
// is over as soon as it is done, and no operation counts as one under a fault because of it.
//
// # Later versions
//
// A fault's line has a moment, a duration, a kind, and what the kind requires. Later versions may add kinds (disk,
// packet) and moments ("on" an event, instead of "at" a time). A program that does not know them reports an error with
// a line number, so files of version 1 keep their meaning. The version number changes only if one would not.
//
// # Proof
//
// A fault counts only if its effect has been observed. Every step of every fault, apply and revert, is reported as a
// [history.FaultEvent] with what was observed on each node:
//
//   - partition: rules in a chain of the fault's own, reached from the head of INPUT through the chain ELENCHUS. Every
//     cut is proven by probes from its source that its destination counts as dropped; the other direction of a one-way
//     cut by probes that get through the chain. The revert is proven by the absence of the chain and, for every pair
//     that no other fault cuts, by an answered connection.
//   - kill: the process with the recorded PID and start time is gone. The revert is proven by a process with another
//     start time.
//   - pause: all threads of the process are in state T. The revert is proven by none being in it.
//   - clock: the clocks as the node reads them, compared before and after with CLOCK_MONOTONIC_RAW, which nothing
//     moves, run at the rate wanted, have jumped by the step, or were seen to flip; and the node's process reads them.
//     The revert is proven by the remaining rate, and by a wall clock that is where it would have been.
//   - transfer: the node answers that it has given up leading, and names the ballot in which it led. The revert needs
//     no proof: nothing is left on the hosts.
//
// An installed fault is verified once more just before it is reverted, in the same way; the evidence of the revert has
// this after "before:". If something else ended the fault meanwhile, the revert fails with "did not last", even though
// nothing is left of the fault.
//
// No signal is ever sent to a process whose start time differs from the recorded one, and no foreign rule is ever
// touched.
//
// # Overlapping faults
//
// Partitions add up: what any of them cuts is cut. For processes these rules hold, node by node:
//
//   - Killing or pausing a dead process is skipped. A fault is skipped if it is skipped on all its nodes.
//   - Killing a paused process works, and ends the pause. The process that the kill's revert starts runs, even if the
//     pause would have lasted longer: a pause stops a process, not a node.
//   - A node held by two pauses runs again when the last of them is reverted.
//   - A kill's revert starts what that kill killed, and nothing else. What another kill has killed since stays dead
//     until that one is reverted.
//
// Asking a node that does not lead, or a dead one, to hand over is skipped. A paused one answers when it goes on.
//
// Clocks belong to hosts. Their settings persist while the node is dead or paused, and apply to a restarted node. Of
// several rates on one host the one applied last counts, and after its revert the one before. Steps add up; a second
// strobe is skipped. When the last of them is reverted, the rate is nominal and the wall clock right; the monotonic
// clock keeps what it has gained or lost.
//
// # How clocks are moved
//
// Schedules are the same for every kind of lab, and the evidence says how the clock was moved. On a host that shares
// its kernel, the node is started under a clock shim; package clockshim says what it moves and what stays real. On a
// host with a kernel of its own, that kernel's clocks are moved by adjtimex; its time daemons are stopped meanwhile,
// and detected if they were not. What a host's way cannot do is refused before the run, by the name of the host
// ([Schedule.CheckClocks]). Package hostclock does the work, and has the limits.
//
// # Leases
//
// Leases are safe as long as clocks stay within a bound. Planned clock faults stay within it too, see [ClockBounds],
// unless they are asked to go further. Where reads rely on leases, part of the time goes to [Hunts]: recipes of several
// faults that are timed to meet at the moment when a lease has ended for one side only. Others are aimed at changes of
// the leader, with leases or without, see [PlanOptions].Elections.
//
// The faults of a hunt have names that begin alike: h3-cut and h3-kill. How long they take depends on the machine, and
// those of the next hunt must not come in between, so a player can be told to play hunts in turn. Then times in the
// plan are the earliest ones, and the schedule as it was played has the real ones.
package nemesis
