package checker

import (
	"cmp"
	"slices"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// shown shows operations to a watcher in the order in which a Stream does.
func shown[W Watcher](w W, ops []history.Operation) W {
	ordered := slices.Clone(ops)
	slices.SortStableFunc(ordered, func(a, b history.Operation) int {
		if a.Completed() != b.Completed() {
			return cmp.Compare(boolInt(b.Completed()), boolInt(a.Completed()))
		}
		return cmp.Compare(a.Return, b.Return)
	})
	for i := range ordered {
		w.Observe(&ordered[i])
	}
	return w
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkDurability looks at all keys of some operations.
func checkDurability(ops []history.Operation) (verdict.Check, []verdict.Finding) {
	var keys []keyVerdict
	for _, k := range SplitByKey(ops) {
		keys = append(keys, keyVerdict{durable: durableOf(k)})
	}
	return durabilityCheck(keys, 0)
}

// checkLists looks at all keys of some operations.
func checkLists(ops []history.Operation) (verdict.Check, []verdict.Finding) {
	failed := failedByKey(ops)
	var keys []keyVerdict
	for _, k := range SplitByKey(ops) {
		keys = append(keys, keyVerdict{listed: listedOf(k, failed[k.Key])})
	}
	return listsCheck(keys, 0)
}
