package run

import (
	"testing"
	"time"
)

// Nothing that comes from a file or another program does anything to a terminal.
func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain, ä → …\n\tand more": "plain, ä → …\n\tand more",
		"\x1b[31mred\x07":          `\x1b[31mred\a`,
		"\u202eright\x00\x7f":      `\u202eright\x00\x7f`,
		"\xff":                     "\uFFFD",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// A rate is shown when a second has been measured, and not before. It may be zero then.
func TestMeter(t *testing.T) {
	m := meter{last: 10 * time.Second}
	for _, step := range []struct {
		now   time.Duration
		count int
		want  string
	}{
		{10_200 * time.Millisecond, 30, ""}, {10_900 * time.Millisecond, 90, ""}, {11 * time.Second, 100, " (100/s)"},
		{11_500 * time.Millisecond, 400, " (100/s)"}, {13 * time.Second, 500, " (200/s)"}, {14 * time.Second, 500, " (0/s)"},
	} {
		if m.observe(step.now, step.count); m.String() != step.want {
			t.Errorf("after %v and %d it shows %q, want %q", step.now, step.count, m.String(), step.want)
		}
	}
}
