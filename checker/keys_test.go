package checker

import "elenchus/results/history"

// SplitByKey is all that [ByKey] has, for histories that are short.
func SplitByKey(ops []history.Operation) []KeyHistory {
	var out []KeyHistory
	keys := ByKey(ops)
	for i := range keys.Len() {
		out = append(out, keys.At(i))
	}
	return out
}
