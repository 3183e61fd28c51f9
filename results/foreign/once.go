package foreign

import (
	"cmp"
	"slices"

	"elenchus/results/history"
)

// Once returns the events of a history in which every request is one operation, and how many requests were sent several
// times. Other tools know of no attempts: two appends of one element would be a mistake of the client's to them. Such a
// request becomes the operation of a process of its own, because its attempts overlap with what their processes did
// meanwhile. Whether its answers were alike is not among what is left. See [history.Once].
func Once(events []history.Event) (once []history.Event, merged int) {
	ops, requests := history.Once(history.Operations(events))
	if requests == nil {
		return events, 0
	}
	process := 0
	for i := range events {
		process = max(process, events[i].Process)
	}
	for _, op := range ops {
		if len(requests[op.Op.Request]) > 1 {
			process++
			merged++
			op.Process = process
		}
		e := history.Event{Seq: op.CallSeq, Time: op.Call, Type: history.Invoke, Process: op.Process, Node: op.Node,
			Phase: op.Phase, Op: op.Op}
		once = append(once, e)
		if op.Completed() {
			e.Seq, e.Time, e.Type = op.ReturnSeq, op.Return, op.Outcome
			e.Result, e.Reason, e.By = op.Result, op.Reason, op.By
			once = append(once, e)
		}
	}
	slices.SortFunc(once, func(a, b history.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return once, merged
}
