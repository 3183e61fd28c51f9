package report

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"elenchus/results/history"
)

// seconds is an instant or a length of time of a run: "12.297 s".
func seconds(d time.Duration) string {
	if d == history.Forever {
		return "the end"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) + " s"
}

// compact is a length of time in the unit that suits it, with three digits at most: "850 µs", "12.3 ms", "2 s".
func compact(d time.Duration) string {
	unit, name := time.Second, "s"
	switch {
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		unit, name = time.Microsecond, "µs"
	case d < time.Second:
		unit, name = time.Millisecond, "ms"
	}
	v := float64(d) / float64(unit)
	digits := 0
	switch {
	case v < 10:
		digits = 2
	case v < 100:
		digits = 1
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if digits > 0 {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s + " " + name
}

// grouped is a number with its thousands apart: "12,345".
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// number is a label of an axis.
func number(v float64) string {
	if v >= 10 || v == float64(int(v)) {
		return grouped(int(v))
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// size is a file's size for people.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// sorted ranges over a map in the order of its keys.
func sorted(m map[string]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// upper makes the first letter a capital, for the beginning of a sentence.
func upper(s string) string {
	if s != "" && 'a' <= s[0] && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}
