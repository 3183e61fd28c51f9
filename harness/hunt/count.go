package hunt

import (
	"cmp"
	"slices"
	"strings"
)

// Count is how often something came up.
type Count struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// count adds one, and keeps the list in order: the most frequent first, then by name.
func count(list []Count, name string) []Count {
	i := slices.IndexFunc(list, func(c Count) bool { return c.Name == name })
	if i < 0 {
		list, i = append(list, Count{Name: name}), len(list)
	}
	list[i].Count++
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name))
	})
	return list
}
