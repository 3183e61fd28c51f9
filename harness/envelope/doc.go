// Package envelope finds by experiment where leases break. It attacks the leases of clusters whose leader's clock
// is off by more and more, and has package [elenchus/results/envelope] compare the observations with the
// arithmetic.
//
// Where the attacks take place is behind an interface, [Backend]; a lab with real nodes and clocks is one
// implementation. A sweep is a run like any other: everything that happens is on disk when it happens, in a history
// that the linearizability checker judges, and [Check] repeatably derives the verdict from the files alone.
package envelope
