package checker

import (
	"cmp"
	"slices"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// table has the operations of an explanation as rows.
func table(e *Explanation, byID map[int]history.Operation, p plainly) []verdict.Row {
	if len(e.Core) > detailsMax {
		return nil
	}
	var rows []verdict.Row
	for _, id := range e.Core {
		op := byID[id]
		r := row(op)
		i := slices.IndexFunc(p.parts, func(q part) bool { return q.op.ID == id })
		switch {
		case i >= 0:
			r.Role = p.parts[i].role
		case id == p.last.ID:
			r.Role = "cannot be explained"
		case p.superseded && id == p.before.ID && p.before.Op.Func.Mutates():
			r.Role = "was over before that began"
		case p.superseded && id == p.before.ID:
			r.Role = "saw the newer value"
		case p.old != nil && op.Op.Func.Mutates() && op.Op.Value == *p.old:
			r.Role = "wrote what was seen"
		case p.newer != nil && op.Op.Func.Mutates() && op.Op.Value == *p.newer:
			r.Role = "wrote the newer value"
		}
		rows = append(rows, r)
	}
	return rows
}

// rows are the operations that have a part in a violation, in order of invocation.
func (p plainly) rows() []verdict.Row {
	var rows []verdict.Row
	for _, q := range p.parts {
		r := row(q.op)
		r.Role = q.role
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b verdict.Row) int { return cmp.Compare(a.Operation, b.Operation) })
	return rows
}

func row(op history.Operation) verdict.Row {
	return verdict.Row{Operation: op.ID, Process: op.Process, Node: op.Node, Call: op.Call, Return: returnOf(op),
		What: outcome(op), Slot: op.By.Slot, Ballot: op.By.Ballot, By: op.By.Leader}
}

// returnOf is when an operation was answered, nil if it never was.
func returnOf(op history.Operation) *time.Duration {
	if !op.Completed() {
		return nil
	}
	return &op.Return
}
