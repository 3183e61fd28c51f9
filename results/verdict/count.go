package verdict

import (
	"fmt"
	"strings"
)

// Together lists names as part of a sentence, as in "n1", "n1 and n2" or "n1, n2 and n3".
func Together(names []string) string {
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return strings.Join(names, "")
}

// Count says how many of something there are, as in "1 fault", "0 faults" or "3 crashes".
func Count[N int | int64 | uint64](n N, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "ch"), strings.HasSuffix(noun, "sh"):
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
