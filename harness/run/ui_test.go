package run

import (
	"strings"
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

// lines is a writer that gives every line that is written to it.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- strings.TrimSuffix(string(p), "\n")
	return len(p), nil
}

// A status that comes right after another is shown all the same, when its time has come; unless it is no longer true.
func TestStatusIsShownInTime(t *testing.T) {
	out := make(lines, 10)
	u := NewUI(out)
	soon := func() { u.last = time.Now().Add(50*time.Millisecond - repeatEvery) }
	u.Status("first")
	soon()
	u.Status("second")
	u.Status("third")
	for _, want := range []string{"first", "third"} {
		if got := <-out; !strings.HasSuffix(got, "s  "+want) {
			t.Errorf("%q, want %s", got, want)
		}
	}
	soon()
	u.Status("fourth")
	u.Say("done")
	if got := <-out; got != "done" {
		t.Errorf("%q", got)
	}
	time.Sleep(200 * time.Millisecond)
	u.overdue()
	if len(out) > 0 {
		t.Errorf("%q after it was done", <-out)
	}
}
