package register

import "math/bits"

// table maps values to small numbers: a hash table with open addressing and linear probing, at most half full. It is
// emptied in constant time and never gives memory back.
type table struct {
	slots []slot
	shift uint8
	epoch uint32 // slots of other epochs are free
	used  int
}

type slot struct {
	value int64
	id    int32
	epoch uint32
}

// nowhere is what a table has for values that are not in it.
const nowhere = -1

// tableSlotsMin is the size of the smallest table, a power of two.
const tableSlotsMin = 64

// reset empties the table and makes room for n values.
func (t *table) reset(n int) {
	t.used = 0
	if t.epoch++; t.epoch == 0 || len(t.slots) < 2*n || t.slots == nil {
		t.make(max(2*n, tableSlotsMin, len(t.slots)))
	}
}

// make starts afresh with at least n slots.
func (t *table) make(n int) {
	width := bits.Len(uint(n - 1))
	t.slots, t.shift, t.epoch = make([]slot, 1<<width), uint8(64-width), 1
}

// home is where a value would like to be: Fibonacci hashing, which spreads runs of numbers evenly.
func (t *table) home(value int64) int {
	return int(uint64(value) * 0x9e3779b97f4a7c15 >> t.shift)
}

// find is the number of value, or nowhere.
func (t *table) find(value int64) int32 {
	mask := len(t.slots) - 1
	for i := t.home(value); ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.epoch != t.epoch {
			return nowhere
		}
		if s.value == value {
			return s.id
		}
	}
}

// insert gives value the number id, unless it has one already, which is then returned instead of nowhere. The table
// grows when it must.
func (t *table) insert(value int64, id int32) int32 {
	if 2*(t.used+1) > len(t.slots) {
		t.grow()
	}
	mask := len(t.slots) - 1
	for i := t.home(value); ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.epoch != t.epoch {
			*s = slot{value: value, id: id, epoch: t.epoch}
			t.used++
			return nowhere
		}
		if s.value == value {
			return s.id
		}
	}
}

func (t *table) grow() {
	old, epoch := t.slots, t.epoch
	t.used = 0
	t.make(max(2*len(old), tableSlotsMin))
	for i := range old {
		if old[i].epoch == epoch {
			t.insert(old[i].value, old[i].id)
		}
	}
}

// remove forgets value, which must be there. What follows it in its run moves up, so that no search stops too early
// (Knuth, The Art of Computer Programming, vol. 3, 6.4, algorithm R).
func (t *table) remove(value int64) {
	mask := len(t.slots) - 1
	hole := t.home(value)
	for t.slots[hole].value != value {
		hole = (hole + 1) & mask
	}
	for i := (hole + 1) & mask; t.slots[i].epoch == t.epoch; i = (i + 1) & mask {
		// The entry at i may fill the hole unless its home lies behind the hole, cyclically.
		if (i-t.home(t.slots[i].value))&mask >= (i-hole)&mask {
			t.slots[hole] = t.slots[i]
			hole = i
		}
	}
	t.slots[hole].epoch = t.epoch - 1
	t.used--
}
