package run

import "testing"

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
