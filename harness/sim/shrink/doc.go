// Package shrink makes failing runs of the simulator small.
//
//	result, err := shrink.Run(ctx, plan, shrink.Options{Workers: 2, Budget: 30 * time.Second})
//	result.Plan // fails in the same way, and has little in it that need not be there
//
// A plan is data, and draws are keyed by what they decide, so a choice can be taken out of a plan and all the others
// stay what they were. First the plan is frozen ([sim.World.Frozen]): roles become nodes, generators become scripts.
// Then one reduction after the other is tried (delta debugging, Zeller and Hildebrandt 2002): each candidate is
// played, and kept if it fails in the same way, by the same invariant or the same check, and is smaller. Faults go
// first, then accidents (probabilities of loss, damage, crashes), clients, keys, operations, nodes, what is left of
// the faults (durations, targets, kinds), and at last every setting that is not the default and every pause in which
// nothing happens. When nothing helps any more, candidates are tried with other seeds, too.
//
// A plan inside the safe envelope stays inside.
//
// What is kept depends on the plan, the options and the program only, unless a time limit or the end of the context
// cut the search short: candidates are played in parallel, and judged in their order.
package shrink
