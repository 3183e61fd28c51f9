// Package results defines the directory of a run: which files it has, and how they are written so that everything up to
// that point stays readable, whatever kills the harness.
//
//	results/runs/20261121T032217.512Z-register-seed42/
//	    manifest.json          what was run: versions, hosts, configuration, seed, state        [Manifest]
//	    schedule.planned       the faults as they were planned, before the run
//	    schedule.played        the same with resolved targets and actual times: replays exactly
//	    history.jsonl          every invocation and completion, one checksummed line each       [history.ReadFile]
//	    faults.jsonl           every step of every fault, with its evidence                     [history.ReadFaults]
//	    clocks.jsonl           the hosts' clocks, measured all the time                         [history.ReadClocks]
//	    harness.log            what the harness did
//	    mutant/<name>/…        the bug that was built into the nodes, if any
//	    nodes/<host>/…         logs, write-ahead logs and observations of each node
//	    verdict.json           what the checkers decided                                        [verdict.Verdict]
//	    linearizability/…      a picture for each register whose history is not linearizable
//	    index.html             the report
//	results/runs/latest        → the newest run, of those that were not imported
//
// A sweep ([KindEnvelope]) has plan.json and probes.jsonl instead of a schedule, and envelope.json instead of a
// report: see package envelope. A benchmark ([KindBench]) has only its figures.
//
// Everything down to nodes/ is evidence: it is on disk before anything is judged and never changed afterwards. The
// rest is derived from it and can be regenerated ("elenchus check").
package results
