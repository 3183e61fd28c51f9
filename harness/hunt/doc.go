// Package hunt measures how fast a search finds a bug that was seeded into the nodes: it runs the simulator, built
// with the mutant, from several seeds, each for a budget of processor time, and reports how often, by which check and
// after how much time the bug was found.
//
// Every start is a process of its own, so that the kernel measures its processor time, and so that a mutated program
// that crashes or never ends is detected and counted. A start that finds nothing within the budget is a censored
// observation: it enters the median as "more than the budget" ([Median]).
package hunt
