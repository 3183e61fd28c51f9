package multipaxos

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// A paged log must behave like a map of slots, wherever its gaps are and whatever was dropped from it.
func TestLogIsAMapOfSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, err := newLog(protocol.Recovered{})
		if err != nil {
			t.Fatal(err)
		}
		model := map[protocol.Slot]protocol.Entry{}
		first := protocol.Slot(1)
		slots := rapid.OneOf(rapid.Uint64Range(1, 3*pageSlots), rapid.Uint64Range(1<<40, 1<<40+pageSlots))
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			slot := protocol.Slot(slots.Draw(t, "slot"))
			switch {
			case rapid.IntRange(0, 9).Draw(t, "what") == 0:
				first = max(first, slot)
				l.forget(slot)
				maps.DeleteFunc(model, func(s protocol.Slot, _ protocol.Entry) bool { return s < slot })
			case slot >= first:
				e := protocol.Entry{
					Slot: slot, Ballot: protocol.Ballot{Round: rapid.Uint64().Draw(t, "round"), Node: 1},
					Batch: []register.Command{{Op: register.OpRead, Key: "x"}},
				}
				l.put(e)
				model[slot] = e
			}
			checkLog(t, &l, model, protocol.Slot(slots.Draw(t, "look")))
		}
		if l.first != first {
			t.Fatalf("the log begins with slot %d, want %d", l.first, first)
		}
	})
}

func checkLog(t *rapid.T, l *slotLog, model map[protocol.Slot]protocol.Entry, look protocol.Slot) {
	want, ok := model[look]
	if e := l.get(look); (e != nil) != ok || ok && e.Ballot != want.Ballot {
		t.Fatalf("slot %d holds %v, want %v", look, e, want)
	}
	var seen []protocol.Slot
	for e := range l.all {
		if e.Ballot != model[e.Slot].Ballot {
			t.Fatalf("slot %d holds ballot %v, want %v", e.Slot, e.Ballot, model[e.Slot].Ballot)
		}
		seen = append(seen, e.Slot)
	}
	if slots := slices.Sorted(maps.Keys(model)); !slices.Equal(seen, slots) {
		t.Fatalf("the log holds slots %v, want %v", seen, slots)
	}
}

// Memory handed out by a slab belongs to its receiver: neither a later list nor an append may overwrite it.
func TestSlabGivesEveryListItsOwnMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s slab[int]
		var lists [][]int
		for i := range rapid.IntRange(1, 30).Draw(t, "lists") {
			list := s.open()
			for range rapid.IntRange(0, 2*slabItems).Draw(t, "items") {
				list = append(list, i)
			}
			lists = append(lists, s.close(list))
		}
		for _, list := range lists {
			_ = append(list, -1)
		}
		for i, list := range lists {
			if slices.ContainsFunc(list, func(item int) bool { return item != i }) {
				t.Fatalf("list %d is %v", i, list)
			}
		}
	})
}
