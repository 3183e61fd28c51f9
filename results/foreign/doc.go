// Package foreign reads and writes histories in the formats of other checkers, so that Elenchus can judge what other
// tools have recorded, and other tools can judge it.
//
//	imported, format, err := foreign.Read(file, "history.edn", "", foreign.Options{})
//	err = foreign.WriteJepsen(w, events, faults)
//
// # Jepsen and Knossos
//
// A history is a sequence of EDN maps, one after the other or in a vector:
//
//	{:index 0, :time 3291485317, :type :invoke, :process 0, :f :cas, :value [3 [1 2]]}
//
// What is understood: the functions :read, :write and :cas on one register, or on many when values are the pairs
// [key value] of jepsen.independent; and transactions of one append, or one append and one read of the same key, or one
// read, which is how appends are written for Elle. Outcomes are those of Jepsen: :ok, :fail (it did not happen; for a
// cas, it did not match) and :info (nobody knows). Operations of :nemesis become faults. Numbers are kept; any other
// value is given a number of its own, see [History.Names].
//
// Two things are lost on the way out. A mismatched cas of ours, which tells what it saw, becomes a :fail there, which
// does not; and nobody is told which node was asked.
//
// # Porcupine
//
// Porcupine has no format of its own; its tests have two, and both are read. Those of a key-value store:
//
//	{:process 0, :type :invoke, :f :get, :key "3", :value nil}
//
// with :put and :append of strings besides; and the lines that Jepsen once logged of an etcd register:
//
//	INFO  jepsen.util - 4 :invoke :cas [1 2]
//
// On the way out a history with cas is written as the latter, one key in a file, and any other as the former.
package foreign
