// Package mutants seeds bugs: it holds a catalogue of mistakes that real systems shipped, each as a patch of a few
// lines against this tree, and builds programs with one of them in.
//
//	list, err := mutants.Load(mutants.Catalogue(tree))
//	tree := mutants.Tree{Dir: "."}
//	err = list[0].Build(ctx, tree, mutants.Build{Package: "./node", Output: "/tmp/elenchus-node"})
//
// # A mutant
//
// A mutant is a folder whose name is the mutant's. In it are
//
//   - mutant.md, one page of facts (facts.go): what the mistake is, where in the protocol, who shipped it, what clients
//     may see of it, which faults and which workload it takes, which rule it breaks, and what hides it;
//   - mutant.patch, a unified diff with paths from the root of the tree (patch.go).
//
// The patch never touches the tree. The compiler is handed changed copies of the files by way of its -overlay option,
// so what ships has no trace of any mutant, and builds of several can go on at the same time.
//
// # Strictness
//
// A hunk applies where its old lines stand, and they must stand there exactly once: a patch that has come to fit
// nowhere, or in two places, is an error that names file and line. The numbers in hunk headers are for people, since
// lines move whenever somebody edits above them.
//
// # Held back
//
// Whoever improves a search by looking at what it misses learns the answers by heart. A third of the mutants, chosen by
// a digest of their names ([Mutant.HeldBack]), are kept from that: they are looked at in the end, and how many of them
// were found is reported apart.
package mutants
