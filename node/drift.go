package main

import (
	"fmt"
	"strconv"
	"strings"

	"elenchus/node/multipaxos"
)

// parseDrift parses a fraction, such as "0.01" or "1%", as parts per billion. Finer fractions are an error rather than
// being rounded.
func parseDrift(text string) (int64, error) {
	number, percent := strings.CutSuffix(text, "%")
	places := 9
	if percent {
		places = 7
	}
	whole, fraction, point := strings.Cut(number, ".")
	if whole == "" || point && fraction == "" || len(fraction) > places {
		return 0, fmt.Errorf("--drift-bound must be a share like 0.01 or 1%%, no finer than 10^-9: %q", text)
	}
	ppb, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", places-len(fraction)), 10, 64)
	switch {
	case err != nil || strings.ContainsAny(text, "+_"):
		return 0, fmt.Errorf("--drift-bound must be a share like 0.01 or 1%%: %q", text)
	case ppb < 0:
		return 0, fmt.Errorf("--drift-bound must not be negative, or the leader's lease could outlive a grant: %q", text)
	case ppb > multipaxos.DriftUnit:
		return 0, fmt.Errorf("--drift-bound must be at most 100%%, which is more than any clock needs: %q", text)
	case ppb == 0:
		return multipaxos.DriftNone, nil
	}
	return ppb, nil
}
