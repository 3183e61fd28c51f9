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
		failed    bool
	}{
		{"killed", started + started, nil, false},
		{"told to stop", started + `{"@level":"info","@message":"stopping"}` + "\n" +
			`{"@level":"info","@message":"node stopped"}` + "\n", nil, false},
		{"panic", started + "panic: slot 7 is missing\n\ngoroutine 1 [running]:\nmain.main()\n", []string{"panic: slot 7 is missing"},
			false},
		{"run-time system", started + "fatal error: all goroutines are asleep - deadlock!\n",
			[]string{"fatal error: all goroutines are asleep - deadlock!"}, false},
		{"contradiction", started + `{"@level":"error","@message":"node stopped","error":"two values in slot 9"}` + "\n",
			[]string{"two values in slot 9"}, false},
		{"twice", started + "elenchus-node: open log: record 3 is damaged\n" + started + "panic: oh",
			[]string{"it did not start: open log: record 3 is damaged", "panic: oh"}, false},
		{"full disk", `{"@level":"error","@message":"node stopped: the disk is full","error":"write: no space left on device"}`,
			nil, true},
		{"port", "elenchus-node: listen tcp :8000: bind: address already in use\n", nil, true},
		{"both", "elenchus-node: out of memory\npanic: oh\n", []string{"panic: oh"}, true},
		{"a line that is cut", started + `{"@level":"error","@message":"node stop`, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), CollectedLog)
			if err := os.WriteFile(file, []byte(test.log), 0o644); err != nil {
				t.Fatal(err)
			}
			if got, failed := EndedByItself(file); !slices.Equal(got, test.want) || failed != test.failed {
				t.Errorf("%q, %v; want %q, %v", got, failed, test.want, test.failed)
			}
		})
	}
	if got, failed := EndedByItself(filepath.Join(t.TempDir(), "none")); got != nil || failed {
		t.Errorf("a log that is not there says %q, %v", got, failed)
	}
}
