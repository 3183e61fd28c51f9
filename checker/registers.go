package checker

import (
	"elenchus/checker/register"
	"elenchus/results/history"
)

// registers watches the keys of a history, in order of their first operation.
type registers struct {
	prove  bool
	byName map[string]*registerWatch
	order  []*registerWatch

	repeated *registerWatch // the first one to which a value was written twice
	objects  objects
}

func newRegisters(prove bool) *registers {
	return &registers{prove: prove, byName: make(map[string]*registerWatch)}
}

// registerWatch is one key: what is counted of it, and the proof that it is linearizable so far.
type registerWatch struct {
	all  *registers
	name string

	says    int // operations that say something of it, see [ByKey]
	finals  int // reads in the last phase that were answered
	updates int // acknowledged updates that changed it

	values   valueSet // of all updates, whatever came of them
	repeated bool     // a value was written twice
	decided  bool     // something was seen in it

	proof *register.Proof // nil when it is not, or no longer, to be proven here
}

func (r *registers) of(key string) *registerWatch {
	w := r.byName[key]
	if w == nil {
		w = &registerWatch{all: r, name: key}
		if r.prove {
			w.proof = new(register.Proof)
		}
		r.byName[key] = w
		r.order = append(r.order, w)
	}
	return w
}

func (w *registerWatch) invoke(c *call) {
	op := &c.Op
	w.all.objects.note(op)
	if op.Func.Mutates() && op.Request.IsZero() && !w.values.add(op.Value) && !w.repeated {
		w.repeated = true
		if w.all.repeated == nil {
			w.all.repeated = w
		}
	}
	if w.proof != nil {
		c.With.pending = invoke(w.proof, op, c.CallSeq)
	}
}

// complete takes note of what became of an operation. What never completed is of unknown outcome.
func (w *registerWatch) complete(c *call) {
	op := &c.Operation
	if says(op) {
		w.says++
	}
	if op.Outcome == history.OK {
		if !w.decided && (op.Result.Matched || len(op.Result.Values) > 0) {
			w.decided = true
			w.all.objects.decided++
		}
		switch {
		case !op.Op.Func.Mutates():
			if op.Phase == history.PhaseFinal {
				w.finals++
			}
		case !onlyLooks(*op):
			w.updates++
		}
	}
	if w.proof == nil || !op.Completed() {
		return
	}
	if complete(w.proof, c.With.pending, &op.Op, op.Outcome, &op.Result, op.ReturnSeq) != register.Valid {
		w.proof = nil // it will be decided from its operations, and needs no memory until then
	}
}

// proven reports whether the whole history of the key has been proven to be linearizable.
func (w *registerWatch) proven() bool {
	return w.proof != nil && w.proof.Decision() == register.Valid && w.proof.Finish() == nil
}

// unsettled are the keys of which there is more to say than what was counted, so that their operations are needed: all
// but those that are proven, hold no value twice, and are not to be decided in a second way as well. That is done for
// keys of at most second operations, as long as they are few.
func (r *registers) unsettled(second int) []*registerWatch {
	var out []*registerWatch
	room := secondTotalMax
	for _, w := range r.order {
		again := 0 < w.says && w.says <= second && w.says <= room
		if again {
			room -= w.says
		}
		if again || w.repeated || !w.proven() {
			out = append(out, w)
		}
	}
	return out
}

// secondTotalMax bounds the operations of all keys together that are decided in two ways although one would do.
const secondTotalMax = 100_000
