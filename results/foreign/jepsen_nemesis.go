package foreign

import (
	"fmt"
	"strings"

	"elenchus/results/history"
)

// nemesisLog converts operations of a nemesis to faults. Jepsen writes two lines for each of its operations, both
// :info, one when it begins and one when it is done. Which operation undoes which follows from the names: :start-x
// and :stop-x, :start and :stop, :kill and :start or :restart, :pause and :resume.
type nemesisLog struct {
	begun map[keyword]operation
	open  map[string]string // kind to the ID of the fault in effect
	count int
}

// add adds an operation of the nemesis to the faults.
func (n *nemesisLog) add(faults []history.FaultEvent, op operation) []history.FaultEvent {
	if n.begun == nil {
		n.begun, n.open = map[keyword]operation{}, map[string]string{}
	}
	begin, isEnd := n.begun[op.f]
	if !isEnd {
		n.begun[op.f] = op
		return faults
	}
	delete(n.begun, op.f)
	e := history.FaultEvent{
		Planned: begin.time, Begin: begin.time, End: max(begin.time, op.time), Evidence: []string{show(op.value)},
	}
	kind, applies := n.classify(string(op.f))
	e.Kind, e.Detail, e.Played = kind, string(op.f), strings.TrimSpace(string(op.f)+" "+show(begin.value))
	id, open := n.open[kind]
	switch {
	case applies && !open:
		n.count++
		id = fmt.Sprintf("f%d", n.count)
		n.open[kind] = id
		e.Step, e.Status = history.FaultApply, history.FaultInstalled
	case !applies && open:
		delete(n.open, kind)
		e.Step, e.Status = history.FaultRevert, history.FaultReverted
	default:
		return faults // reverts what was not applied, or applies what is in effect
	}
	e.ID = id
	return append(faults, e)
}

// classify returns the kind of fault that a nemesis function is about, and whether it applies or reverts it.
func (n *nemesisLog) classify(f string) (kind string, applies bool) {
	for _, undo := range []string{"stop-", "heal-", "reset-"} {
		if kind, ok := strings.CutPrefix(f, undo); ok {
			return kind, false
		}
	}
	if kind, ok := strings.CutPrefix(f, "start-"); ok {
		return kind, true
	}
	switch f {
	case "stop", "heal":
		return "nemesis", false
	case "resume", "cont":
		return "pause", false
	case "restart":
		return "kill", false
	case "start":
		if _, killed := n.open["kill"]; killed {
			return "kill", false
		}
		return "nemesis", true
	}
	return f, true
}
