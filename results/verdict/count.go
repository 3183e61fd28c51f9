package verdict

import (
	"fmt"
	"strings"
)

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
