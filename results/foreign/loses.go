package foreign

import (
	"fmt"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Loses says what a history loses when it is written in a format, a sentence each without its full stop, so that nobody
// wonders why another checker counts other numbers of operations.
func Loses(format string, events []history.Event) []string {
	mismatched, failed := 0, 0
	for i := range events {
		switch e := &events[i]; {
		case e.Type == history.Fail:
			failed++
		case e.Type == history.OK && e.Op.Func == history.CAS && !e.Result.Matched:
			mismatched++
		}
	}
	var out []string
	if mismatched > 0 {
		out = append(out, fmt.Sprintf("%s that did not match became :fail, which does not say what was found",
			verdict.Count(mismatched, "cas operation")))
	}
	if failed > 0 && format == FormatPorcupine {
		out = append(out, fmt.Sprintf("%s that failed, and so had no effect, left out: the format has no word for that",
			verdict.Count(failed, "operation")))
	}
	return out
}
