package register

import (
	"sort"
)

// maxRing is a queue of pairs whose first numbers rise from entry to entry and whose last numbers can be raised, and
// which answers what the greatest last number in a stretch of the queue is. Entries are addressed by how many came
// before them, ever. All operations take time logarithmic in the length; memory is proportional to the greatest length.
type maxRing struct {
	head, tail int
	first      []int64 // of entry n at n mod len(first), a power of two
	tree       []int64 // leaves of last behind the maxima of pairs of them, of pairs of pairs, …; tree[1] is of all
}

const ringMin = 16

func (r *maxRing) reset() { r.head, r.tail = 0, 0 }

func (r *maxRing) slot(n int) int { return n & (len(r.first) - 1) }

func (r *maxRing) empty() bool { return r.head == r.tail }

func (r *maxRing) firstOf(n int) int64 { return r.first[r.slot(n)] }

func (r *maxRing) lastOf(n int) int64 { return r.tree[len(r.first)+r.slot(n)] }

// push appends an entry and returns its address.
func (r *maxRing) push(first, last int64) int {
	if r.tail-r.head == len(r.first) {
		r.grow()
	}
	n := r.tail
	r.tail++
	r.first[r.slot(n)] = first
	i := len(r.first) + r.slot(n)
	r.tree[i] = last
	for i >>= 1; i > 0; i >>= 1 { // what was there before may have been greater
		r.tree[i] = max(r.tree[2*i], r.tree[2*i+1])
	}
	return n
}

// raise makes last the last number of entry n, which was less.
func (r *maxRing) raise(n int, last int64) {
	for i := len(r.first) + r.slot(n); i > 0 && r.tree[i] < last; i >>= 1 {
		r.tree[i] = last
	}
}

func (r *maxRing) grow() {
	old := *r
	size := max(ringMin, 2*len(old.first))
	r.first, r.tree = make([]int64, size), make([]int64, 2*size)
	r.tail = r.head
	for n := old.head; n < old.tail; n++ {
		r.push(old.firstOf(n), old.lastOf(n))
	}
}

// before is the number of entries, ever, whose first number is less than that; those that left the queue count.
func (r *maxRing) before(first int64) int {
	return r.head + sort.Search(r.tail-r.head, func(i int) bool { return r.firstOf(r.head+i) >= first })
}

// greatest is the greatest last number of entries lo ≤ n < hi, all of them in the queue, or ever if there are none.
func (r *maxRing) greatest(lo, hi int) int64 {
	if lo >= hi {
		return ever
	}
	size := len(r.first)
	from, to := r.slot(lo), r.slot(lo)+hi-lo
	if to <= size {
		return r.span(from, to)
	}
	return max(r.span(from, size), r.span(0, to-size))
}

// span is greatest over slots, without going round.
func (r *maxRing) span(from, to int) int64 {
	found := int64(ever)
	for i, j := from+len(r.first), to+len(r.first); i < j; i, j = i>>1, j>>1 {
		if i&1 == 1 {
			found = max(found, r.tree[i])
			i++
		}
		if j&1 == 1 {
			j--
			found = max(found, r.tree[j])
		}
	}
	return found
}
