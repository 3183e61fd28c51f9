// Package envelope finds by experiment where leases break: it attacks the leases of clusters whose leader's clock is
// off by more and more, and has package [elenchus/results/envelope] compare what was seen with the arithmetic.
//
// Where the attacks are made is behind an interface, [Backend]: a lab with real nodes and clocks is one. A sweep is a
// run like any other: everything that happens is on disk when it happens, in a history that the linearizability
// checker judges, and [Check] comes to the same verdict from the files alone, as often as it is asked.
package envelope
