// Package hunt measures how fast a search finds what is wrong with a program: it lets an elenchus program that was
// built with a mistake in it play the simulator from several seeds, each for a budget of processor time, and says how
// often, by which check and after how much time the mistake was found.
//
// Every start is a process of its own, so that its processor time is what the kernel says, and so that a mutated
// program that loops for ever or takes itself down is ended, and counted. What is not found within the budget is a
// censored observation: it enters the median as "more than the budget", not as nothing ([Median]).
package hunt
