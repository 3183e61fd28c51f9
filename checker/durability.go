package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// durable is what is to say of one register's durability: whether what was acknowledged is still there at the end. The
// final reads, one at every node after everything was healed, must show its last acknowledged update or something that
// may be later.
//
// It is a part of linearizability, decided without any search: a final read shows u; an update was acknowledged before
// that read began, and began after somebody had proven u to be in the register already; values never recur; so the
// update came after u, and is gone. It counts as lost when all final reads agree that it is. If only some do, the
// others have it, and it is their answers that are stale, which linearizability tells of. So of a register that is
// linearizable nothing is lost. Lists are left to [lists].
type durable struct {
	looked         bool // it is a register, and was read in the end
	reads, updates int
	lost           []verdict.Finding // one at most
}

func durableOf(k KeyHistory, j *diagnosis) durable {
	final := finalReads(k)
	if len(final) == 0 || isList(k) || !uniqueValues(k) {
		return durable{}
	}
	d := durable{looked: true, reads: len(final), updates: len(acknowledged(k))}
	if f, p, lost := lostAtTheEnd(k, final); lost {
		if j != nil {
			j.tell(&f, p)
		}
		d.lost = append(d.lost, f)
	}
	return d
}

// durabilityCheck adds up registers.
func durabilityCheck(keys []keyVerdict, elapsed time.Duration) (verdict.Check, []verdict.Finding) {
	c := verdict.Check{Checker: CheckDurability, Status: verdict.None, Elapsed: elapsed}
	var findings []verdict.Finding
	looked, reads, updates := 0, 0, 0
	for i := range keys {
		d := &keys[i].durable
		if !d.looked {
			continue
		}
		looked++
		reads += d.reads
		updates += d.updates
		findings = append(findings, d.lost...)
	}
	switch {
	case len(findings) > 0:
		c.Status = verdict.Violated
	case looked > 0:
		c.Status = verdict.Valid
	}
	c.Detail = fmt.Sprintf("%s, %s of them, %s", verdict.Count(looked, "register"), verdict.Count(reads, "final read"),
		verdict.Count(updates, "acknowledged update"))
	return c, findings
}

// finalReads are the reads of the last phase that were answered.
func finalReads(k KeyHistory) []history.Operation {
	var out []history.Operation
	for _, op := range k.Ops {
		if op.Phase == history.PhaseFinal && op.Op.Func == history.Read && op.Outcome == history.OK {
			out = append(out, op)
		}
	}
	return out
}

// acknowledged are the updates that were answered ok and changed the register.
func acknowledged(k KeyHistory) []history.Operation {
	var out []history.Operation
	for _, op := range k.Ops {
		if op.Outcome == history.OK && op.Op.Func.Mutates() && !onlyLooks(op) {
			out = append(out, op)
		}
	}
	return out
}

// uniqueValues reports whether no value is written to the key twice.
func uniqueValues(k KeyHistory) bool {
	seen := make(map[int64]bool)
	for i := range k.Ops {
		op := &k.Ops[i]
		if op.Op.Func.Mutates() {
			if seen[op.Op.Value] {
				return false
			}
			seen[op.Op.Value] = true
		}
	}
	return true
}

// lostAtTheEnd finds the latest update that all final reads agree to be gone.
func lostAtTheEnd(k KeyHistory, final []history.Operation) (verdict.Finding, plainly, bool) {
	acked := acknowledged(k)
	var gone []history.Operation // at all of the reads so far
	for i, r := range final {
		since := int64(-1) // the register began absent, before everything
		if v := sees(r); len(v) == 1 {
			since = culprit{k: k, last: r}.provenSince(v[0])
		}
		missing := slices.DeleteFunc(slices.Clone(acked), func(w history.Operation) bool {
			return w.CallSeq <= since || w.ReturnSeq >= r.CallSeq
		})
		if i > 0 {
			missing = slices.DeleteFunc(missing, func(w history.Operation) bool {
				return !slices.ContainsFunc(gone, func(g history.Operation) bool { return g.ID == w.ID })
			})
		}
		if gone = missing; len(gone) == 0 {
			return verdict.Finding{}, plainly{}, false
		}
	}
	last := slices.MaxFunc(gone, func(a, b history.Operation) int { return int(a.ReturnSeq - b.ReturnSeq) })
	p := atTheEnd(k, final, last)
	f := verdict.Finding{Checker: CheckDurability, Key: k.Key, Name: p.name, At: final[0].Return, Summary: p.summary,
		Operations: p.operations(), Table: p.rows()}
	if n := len(gone) - 1; n > 0 {
		f.Details = append(f.Details, fmt.Sprintf("So are %s to %s before it.",
			verdict.Count(n, "further acknowledged update"), k.Key))
	}
	return f, p, true
}

// finalsTold is how many final reads are told of one by one.
const finalsTold = 3

// atTheEnd accounts for an update that final reads do not show any more.
func atTheEnd(k KeyHistory, final []history.Operation, lost history.Operation) plainly {
	first := final[0]
	p := plainly{name: nameLost, last: first, before: lost, superseded: true, newer: &lost.Op.Value,
		summary: fmt.Sprintf("The %s of %d to %s by %s was acknowledged at %s, but in the end, with everything healed, "+
			"%s from before it.", lost.Op.Func, lost.Op.Value, k.Key, who(lost), seconds(lost.Return), shownAtTheEnd(final))}
	if v := sees(first); len(v) == 1 {
		p.old = &v[0]
		if w, ok := (culprit{k: k}).writer(v[0]); ok {
			p.takes(w, "wrote what is seen in the end")
		}
	}
	p.takes(lost, "was acknowledged, and is gone")
	for _, r := range final[:min(len(final), finalsTold)] {
		p.takes(r, "shows what was before that")
	}
	return p
}

// shownAtTheEnd says what final reads show: "every node that was read (n1, n2) shows 5".
func shownAtTheEnd(final []history.Operation) string {
	var nodes, values []string
	for _, r := range final {
		if !slices.Contains(nodes, r.Node) {
			nodes = append(nodes, r.Node)
		}
		if v := r.Result.String(); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	shows := "every node that was read (" + strings.Join(nodes, ", ") + ") shows"
	if len(nodes) == 1 {
		shows = nodes[0] + " shows"
	}
	return fmt.Sprintf("%s %s", shows, strings.Join(values, " or "))
}
