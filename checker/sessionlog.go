package checker

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// executed is what a state machine that executes each request once makes of the log: the elements of every list, in the
// order of the slots in which their requests are for the first time, as far as every slot before is known. Of a session
// it executes only what comes after all that it has executed: a request that was sent on while the session went on may
// be in the log behind its successor, and is then not executed any more.
type executed struct {
	lists map[string][]appended
	ids   map[string]bool   // of all requests that were executed
	last  map[string]uint64 // of each session, the latest
	until uint64            // the last slot of those that are known from the first one on
}

// appended is an element, and the slot that it is from.
type appended struct {
	element int64
	slot    uint64
}

// executionOf is what nodes wrote of the commands that they applied. It is nil if they wrote nothing, or do not agree:
// then there is no such thing as the log.
func executionOf(nodes []NodeObservations, disagree bool) *executed {
	slots := make(map[uint64]*history.Observation)
	for _, n := range nodes {
		for i := range n.Log.Observations {
			o := &n.Log.Observations[i]
			if o.Kind == history.ObservedApplied && len(o.Ops) == len(o.IDs) && slots[o.Slot] == nil {
				slots[o.Slot] = o
			}
		}
	}
	if len(slots) == 0 || disagree {
		return nil
	}
	e := &executed{lists: make(map[string][]appended), ids: make(map[string]bool), last: make(map[string]uint64)}
	for slots[e.until+1] != nil {
		e.until++
		e.slot(slots[e.until])
	}
	return e
}

// slot executes the commands of a slot.
func (e *executed) slot(o *history.Observation) {
	for i, u := range o.Ops {
		client, place, _ := strings.Cut(o.IDs[i], ":")
		if seq, err := strconv.ParseUint(place, 10, 64); err != nil || seq <= e.last[client] {
			continue
		} else {
			e.last[client] = seq
		}
		e.ids[o.IDs[i]] = true
		v, err := strconv.ParseInt(u.Value, 10, 64)
		if u.Op == string(history.Append) && err == nil {
			e.lists[u.Key] = append(e.lists[u.Key], appended{v, o.Slot})
		}
	}
}

// disagrees finds that clients did not see what the log comes to: the longest answer is not its beginning, or a request
// was acknowledged that is in no slot. The list must be all there up to the slot that the longest answer is from.
func (e *executed) disagrees(l *list) (verdict.Finding, bool) {
	if e == nil {
		return verdict.Finding{}, false
	}
	if f, found := e.otherwise(l); found {
		return f, true
	}
	for _, w := range l.acked {
		if r := w.Op.Request; !r.IsZero() && 0 < w.By.Slot && w.By.Slot <= e.until && !e.ids[r.String()] {
			p := plainly{name: nameRequestLost, last: w, before: w}
			p.takes(w, "was acknowledged, and is in no slot")
			return verdict.Finding{Key: l.key, Name: p.name, At: w.Return, Operations: p.operations(), Table: p.rows(),
				Summary: fmt.Sprintf("Request %v, the append of %d to %s, was acknowledged to %s at %s in slot %d, but no node "+
					"applied it there or in any slot before %d.", r, w.Op.Value, l.key, who(w), seconds(w.Return), w.By.Slot,
					e.until+1)}, true
		}
	}
	return verdict.Finding{}, false
}

// otherwise finds the first place at which the longest answer is not what the log comes to.
func (e *executed) otherwise(l *list) (verdict.Finding, bool) {
	a := l.longest
	if a.By.Slot == 0 || a.By.Slot > e.until {
		return verdict.Finding{}, false
	}
	log := e.lists[l.key]
	n, _ := slices.BinarySearchFunc(log, a.By.Slot+1, func(x appended, slot uint64) int {
		return cmp.Compare(x.slot, slot)
	})
	for i, v := range a.Result.Values {
		there := "nothing more"
		switch {
		case i >= n:
		case log[i].element != v:
			there = fmt.Sprintf("%d, in slot %d", log[i].element, log[i].slot)
		default:
			continue
		}
		p := plainly{name: nameOtherLog, last: a}
		p.takes(a, fmt.Sprintf("shows %d as element %d", v, i+1))
		return verdict.Finding{Key: l.key, Name: p.name, At: a.Return, Operations: p.operations(), Table: p.rows(),
			Summary: fmt.Sprintf("Element %d is %d in %s, answered from slot %d; but if each request in the nodes' log up to "+
				"there is executed once, it is %s.", i+1, v, l.seenBy(a), a.By.Slot, there)}, true
	}
	return verdict.Finding{}, false
}
