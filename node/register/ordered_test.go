package register

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is added in whatever order, and however often the list is asked for, it has everything, by key.
func TestOrderedIsAMapByKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o ordered[int, int]
		model := map[int]int{}
		for range rapid.IntRange(0, 6).Draw(t, "lists") {
			for _, key := range rapid.SliceOfDistinct(rapid.IntRange(0, 60), func(k int) int { return k }).Draw(t, "keys") {
				if _, known := model[key]; !known {
					model[key] = -key
					o.add(key, -key)
				}
			}
			all := o.all()
			if len(all) != len(model) {
				t.Fatalf("%d items of %d", len(all), len(model))
			}
			for i, e := range all {
				if value, known := model[e.key]; !known || value != e.value || i > 0 && all[i-1].key >= e.key {
					t.Fatalf("item %d of %v is %v", i, slices.Clone(all), e)
				}
			}
		}
	})
}
