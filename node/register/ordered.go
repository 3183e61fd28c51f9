package register

import (
	"cmp"
	"slices"
)

// ordered lists the items of a map by key, for snapshots. Items are never removed. Those that the previous list has are
// in order already, so that only the new ones are sorted: sorting everything took most of the time of a snapshot, for
// which the node stands still. The zero value is empty.
type ordered[K cmp.Ordered, V any] struct {
	sorted []item[K, V]
	added  []item[K, V] // since then, in any order
}

type item[K cmp.Ordered, V any] struct {
	key   K
	value V
}

// add adds an item whose key is not there yet.
func (o *ordered[K, V]) add(key K, value V) { o.added = append(o.added, item[K, V]{key, value}) }

// all returns all items by key. They are valid until the next call.
func (o *ordered[K, V]) all() []item[K, V] {
	slices.SortFunc(o.added, func(a, b item[K, V]) int { return cmp.Compare(a.key, b.key) })
	// Merged from the back, every item moves once and no other memory is needed.
	old, fresh := len(o.sorted), len(o.added)
	o.sorted = append(o.sorted, o.added...)
	for at := len(o.sorted) - 1; fresh > 0 && old > 0; at-- {
		if o.sorted[old-1].key > o.added[fresh-1].key {
			old--
			o.sorted[at] = o.sorted[old]
		} else {
			fresh--
			o.sorted[at] = o.added[fresh]
		}
	}
	copy(o.sorted, o.added[:fresh])
	clear(o.added)
	o.added = o.added[:0]
	return o.sorted
}
