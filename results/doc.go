// Package results is the directory that a run leaves behind: what is in it, where, and how it is written so that
// whatever ends the harness, what was there stays readable.
//
//	results/runs/20261121T032217.512Z-register-seed42/
//	    manifest.json          what was run: versions, hosts, configuration, seed, state        [Manifest]
//	    schedule.planned       the faults as they were planned, before the run
//	    schedule.played        the same with targets and instants as they came to be: replays exactly
//	    history.jsonl          every invocation and completion, one checksummed line each       [history.ReadFile]
//	    faults.jsonl           every step of every fault, with its evidence                     [history.ReadFaults]
//	    clocks.jsonl           the hosts' clocks, measured all the time                         [history.ReadClocks]
//	    harness.log            what the harness did
//	    mutant/<name>/…        the mistake that was built into the nodes, if one was
//	    nodes/<host>/…         logs, write-ahead logs and observations of each node
//	    verdict.json           what the checkers decided                                        [verdict.Verdict]
//	    linearizability/…      a picture for each register that no order explains
//	    index.html             the report
//	results/runs/latest        → the newest run
//
// A sweep ([KindEnvelope]) has plan.json and probes.jsonl for a schedule, and envelope.json for a report: see package
// envelope. A benchmark ([KindBench]) has its figures alone.
//
// Everything down to nodes/ is evidence: it is on disk before anything is judged and never changed afterwards. The rest
// is made from it and can be made again ("elenchus check").
package results
