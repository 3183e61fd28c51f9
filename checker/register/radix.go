package register

import (
	"cmp"
	"slices"
)

// keyed is something with a place in an order.
type keyed struct {
	key int64
	id  int32
}

// radixMin is the length from which on counting digits is faster than comparing.
const radixMin = 512

// sortByKey sorts a by key, keeping the order of equal ones, and returns it in one of the two slices it was given; the
// other, which must be as long, is scratch. Digits are bytes, least significant first; a digit that is the same
// everywhere, as most are, costs nothing.
func sortByKey(a, scratch []keyed) (sorted, other []keyed) {
	if len(a) < radixMin {
		slices.SortStableFunc(a, func(x, y keyed) int { return cmp.Compare(x.key, y.key) })
		return a, scratch
	}
	least := a[0].key
	for i := range a {
		least = min(least, a[i].key)
	}
	var counts [8][256]int32
	for i := range a {
		k := uint64(a[i].key - least)
		for d := range counts {
			counts[d][byte(k>>(8*d))]++
		}
	}
	for d := range counts {
		shift := 8 * d
		if counts[d][byte(uint64(a[0].key-least)>>shift)] == int32(len(a)) {
			continue
		}
		at := int32(0)
		for digit, n := range counts[d] {
			counts[d][digit] = at
			at += n
		}
		for i := range a {
			place := &counts[d][byte(uint64(a[i].key-least)>>shift)]
			scratch[*place] = a[i]
			*place++
		}
		a, scratch = scratch, a
	}
	return a, scratch
}
