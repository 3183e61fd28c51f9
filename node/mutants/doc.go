// Package mutants seeds bugs. It manages a catalogue of mistakes that real systems have shipped, each as a patch of a
// few lines against this tree, and builds programs with one of them applied.
//
//	list, err := mutants.Load(mutants.Catalogue(tree))
//	tree := mutants.Tree{Dir: "."}
//	err = list[0].Build(ctx, tree, mutants.Build{Package: "./node", Output: "/tmp/elenchus-node"})
//
// # A mutant
//
// A mutant is a folder, named like the mutant, with two files:
//
//   - mutant.md, one page of facts (facts.go): what the mistake is, where in the protocol it is, who shipped it, what
//     clients may see of it, which faults and which workload expose it, which rule it breaks, and what masks it;
//   - mutant.patch, a unified diff with paths from the root of the tree (patch.go).
//
// The patch never touches the tree. The compiler gets modified copies of the files through its -overlay option, so the
// shipped code has no trace of any mutant, and several can be built at the same time.
//
// # Strictness
//
// A hunk applies where its old lines occur in the file, and they must occur exactly once. A patch that no longer fits
// anywhere, or fits in two places, is an error that names file and line. The line numbers in hunk headers are
// informative only, since lines move with every edit above them.
//
// # Held back
//
// Improving a search by looking at the mutants it misses overfits the search to them. A third of the mutants, chosen by
// a hash of their names ([Mutant.HeldBack]), are therefore held back: they are looked at only at the end, and the
// number found among them is reported separately.
package mutants
