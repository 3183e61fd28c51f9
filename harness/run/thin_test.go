package run

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"elenchus/nemesis"
)

func TestWarnOfFaultsThatHaveNoRoom(t *testing.T) {
	t.Parallel()
	said := func(o *Options, faults ...string) string {
		text := "elenchus-schedule 1\nnodes n1 n2 n3\nlength 10s\n" + strings.Join(faults, "\n") + "\n"
		s, err := nemesis.Parse("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		Warn(NewUI(&out), o, s)
		return out.String()
	}
	o := &Options{TimeLimit: 10 * time.Second, Nemesis: []string{nemesis.Kill, nemesis.Pause, nemesis.Clock}}
	if got := said(o, "at 1s for 1s kill n1"); !strings.Contains(got, "no pause and no clock fits into 10s") {
		t.Errorf("two kinds are missing: %q", got)
	}
	if got := said(o, "at 1s for 1s kill n1", "at 3s for 1s pause n1", "at 5s for 1s clock step n1 1s"); got != "" {
		t.Errorf("nothing is missing: %q", got)
	}
	o.Schedule = &nemesis.Schedule{}
	if got := said(o, "at 1s for 1s kill n1"); got != "" {
		t.Errorf("a schedule that was given: %q", got)
	}
}
