package system

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestEndedByItself(t *testing.T) {
	const started = `{"@level":"info","@message":"node started","@module":"n1","boot":1}` + "\n"
	for _, test := range []struct {
		name, log string
		want      []string
	}{
		{"killed", started + started, nil},
		{"told to stop", started + `{"@level":"info","@message":"stopping"}` + "\n" +
			`{"@level":"info","@message":"node stopped"}` + "\n", nil},
		{"panic", started + "panic: slot 7 is missing\n\ngoroutine 1 [running]:\nmain.main()\n", []string{"panic: slot 7 is missing"}},
		{"run-time system", started + "fatal error: all goroutines are asleep - deadlock!\n",
			[]string{"fatal error: all goroutines are asleep - deadlock!"}},
		{"contradiction", started + `{"@level":"error","@message":"node stopped","error":"two values in slot 9"}` + "\n",
			[]string{"two values in slot 9"}},
		{"twice", started + "elenchus-node: open log: record 3 is damaged\n" + started + "panic: oh",
			[]string{"it did not start: open log: record 3 is damaged", "panic: oh"}},
		{"full disk", `{"@level":"error","@message":"node stopped: the disk is full","error":"write: no space left on device"}`, nil},
		{"port", "elenchus-node: listen tcp :8000: bind: address already in use\n", nil},
		{"a line that is cut", started + `{"@level":"error","@message":"node stop`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), CollectedLog)
			if err := os.WriteFile(file, []byte(test.log), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := EndedByItself(file); !slices.Equal(got, test.want) {
				t.Errorf("%q; want %q", got, test.want)
			}
		})
	}
	if got := EndedByItself(filepath.Join(t.TempDir(), "none")); got != nil {
		t.Errorf("a log that is not there says %q", got)
	}
}
