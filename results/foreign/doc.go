// Package foreign reads and writes histories in the formats of other checkers, so that Elenchus can judge
// recordings of other tools, and vice versa.
//
//	imported, format, err := foreign.Read(file, "history.edn", "", foreign.Options{})
//	err = foreign.WriteJepsen(w, events, faults)
//
// # Jepsen and Knossos
//
// A history is a sequence of EDN maps, either bare or in a vector:
//
//	{:index 0, :time 3291485317, :type :invoke, :process 0, :f :cas, :value [3 [1 2]]}
//
// Supported are the functions :read, :write and :cas on one register, or on many if values are the pairs [key
// value] of jepsen.independent; and transactions of one append, or one append and one read of the same key, or one
// read, which is how appends are written for Elle. Outcomes are those of Jepsen: :ok, :fail (it did not happen; a
// cas did not match) and :info (indeterminate). Operations of :nemesis become faults. Integers are kept; any other
// value is assigned a number, see [History.Names].
//
// Writing loses three things. A mismatched cas of ours, which returns what it found, becomes a :fail, which does not;
// which node served an operation is not recorded; nor is the phase of the run. See [Loses] and [Once].
//
// # Porcupine
//
// Porcupine has no format of its own; its tests use two, and both are supported. Those of a key-value store:
//
//	{:process 0, :type :invoke, :f :get, :key "3", :value nil}
//
// which also have :put and :append of strings; and the lines that Jepsen once logged for an etcd register:
//
//	INFO  jepsen.util - 4 :invoke :cas [1 2]
//
// When writing, a history with cas takes the latter form, one key per file, and any other the former.
package foreign
