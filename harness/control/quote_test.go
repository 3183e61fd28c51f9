package control_test

import (
	"os/exec"
	"strings"
	"testing"

	"elenchus/harness/control"
)

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", "it's", "'", "''", `\'`, "a\nb", "$(id)`id`$x", "\xff\xfe", "-e", "!", "\r\n\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, 0) {
			defer func() {
				if recover() == nil {
					t.Errorf("quoted %q, which no word of a shell can hold", s)
				}
			}()
			control.Quote(s)
			return
		}
		// Once directly, and once inside another quoting, as scripts are sent.
		script := "printf '%s|' " + control.QuoteAll([]string{s, s})
		out, err := exec.Command("/bin/sh", "-c", script+"; eval "+control.Quote(script)).Output()
		if want := strings.Repeat(s+"|", 4); err != nil || string(out) != want {
			t.Errorf("got %q, %v, want %q", out, err, want)
		}
	})
}
