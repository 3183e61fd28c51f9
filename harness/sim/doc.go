// Package sim simulates whole clusters: the same machines that the nodes run, the same workloads, faults and
// checkers, but in one goroutine, in virtual time, and with every choice derived from a seed. So a run can be
// repeated event for event, as often as needed, and thousands of runs take a minute.
//
//	plan, err := sim.Draw(seed, sim.DrawOptions{})   // a run as data
//	world := sim.New(sim.Options{})                  // reusable memory
//	result, err := world.Run(plan)                   // what came of it
//	summary, err := sim.Campaign{From: 1, To: 10_000, Workers: 2}.Run(ctx)
//
// # Determinism
//
// A run is a function of its [Plan] and of the program. There is one heap of events, ordered by time and then by the
// order in which they were added; no goroutine, no clock, no map whose order can be seen; clock rates and
// probabilities are integers. Draws are keyed by what they decide (see rng), so taking something out of a plan leaves
// the draws about all the rest as they were. [Result].Hash is over every event, message, answer and state: two runs
// with the same hash are the same run.
//
// # What is simulated
//
//   - Links, each direction by itself (network.go): delays, streams that lose a suffix when their connection breaks,
//     or datagrams that are lost, repeated and overtaken; damage that checksums must catch; bandwidth; cuts of every
//     shape; messages that are held for long and come all at once.
//   - Disks (disk.go, bytes.go): syncs that take time, get stuck or fail; crashes in the middle of a group, a new log
//     or a snapshot; full, damaged and lost disks. In a share of the runs the real write-ahead log writes to
//     simulated sectors.
//   - Clocks (clock.go): an offset and a rate for each node, steps of the wall clock, and monotonic clocks that stand
//     still while a machine is suspended. Nodes never see true time.
//   - Processes (node.go): they die between two effects of a step, restart, stand still, and notice late and in any
//     order what happened meanwhile.
//   - Clients (client.go): they stay with their node, lose patience, ask again with the same place in the session.
//
// # What is checked
//
// Observers that see true time and every disk hold the nodes to the rules that make the protocol correct (ghost.go,
// ghost_paxos.go, ghost_lease.go, model.go); [Violation] names them. The first that is broken ends the run. Then
// comes what a lab would see: once everything is healed, every node must answer within a bound that follows from the
// configuration ([Plan.RecoveryBound]), and the history of the clients must be that of registers. A machine that
// panics is a finding, too.
//
// Plans stay inside the envelope that the protocol promises to survive unless told otherwise ([Plan.Outside]). Inside,
// every failure is a bug.
package sim
