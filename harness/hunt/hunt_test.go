package hunt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program is a script in the place of the prey.
func program(t *testing.T, script string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

const finds = `case "$*" in
*"--seeds 1000001-2000000 "*) echo '{"runs": 9, "hidden": {"agreement": 2}}' ;;
*) printf '%s\n' '{"runs": 7, "failures": [{"seed": 5, "kind": "safe-value", "message": "safe-value: so\nand so"}]}'; exit 1 ;;
esac
`

func TestHunt(t *testing.T) {
	h, err := Run(context.Background(), Options{Program: program(t, finds), Starts: 3, Budget: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Starts) != 3 || h.Found() != 2 || h.Starts[1].Found() || h.Starts[1].From != 1_000_001 {
		t.Fatalf("hunted %+v", h)
	}
	if s := h.Starts[0]; s.Check != "safe-value" || s.Seed != 5 || s.Runs != 7 || s.Message != "safe-value: so" {
		t.Errorf("found %+v", s)
	}
	if runs, hidden := h.Runs(); runs != 23 || hidden != 2 {
		t.Errorf("%d runs, %d hidden", runs, hidden)
	}
	if times := h.Times(); times[0].Censored || !times[1].Censored {
		t.Errorf("times are %v", times)
	}
}

func TestHuntPassesItsOptionsOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "args")
	script := fmt.Sprintf("echo \"$*\" >> %s\necho '{\"runs\": 1}'\n", file)
	_, err := Run(context.Background(), Options{
		Program: program(t, script), Starts: 2, Budget: 2 * time.Second, Workers: 2, ClientsOnly: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := "--seeds 1-1000000 --clients=true --workers 2 --cpu-limit 2s\n" +
		"--seeds 1000001-2000000 --clients=true --workers 2 --cpu-limit 2s\n"
	if string(text) != want {
		t.Errorf("called with\n%s", text)
	}
}

func TestHuntGivesUp(t *testing.T) {
	h, err := Run(context.Background(), Options{Program: program(t, `echo '{"runs": 1}'`), GiveUp: 4, Budget: time.Second})
	if err != nil || len(h.Starts) != 4 {
		t.Errorf("%d starts, %v", len(h.Starts), err)
	}
	h, err = Run(context.Background(), Options{Program: program(t, finds), UntilFound: true, Budget: time.Second})
	if err != nil || len(h.Starts) != 1 {
		t.Errorf("%d starts, %v", len(h.Starts), err)
	}
}

// A program that dies or loops has been found out, and one that cannot be run has not.
func TestHuntOfProgramsThatDie(t *testing.T) {
	for _, test := range []struct{ name, script, check, problem string }{
		{"panic", "echo 'panic: oh' >&2; echo >&2; echo 'goroutine 1 [running]:' >&2; exit 2", CheckCrash, ""},
		{"loop", "echo 'SIGXCPU: cpu limit exceeded' >&2; exit 2", CheckHang, ""},
		{"usage", "echo 'no such option' >&2; exit 64", "", "no such option"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, err := Run(context.Background(), Options{Program: program(t, test.script), Starts: 1, Budget: time.Second})
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Fatalf("the hunt says %v", err)
				}
				return
			}
			if err != nil || h.Starts[0].Check != test.check {
				t.Errorf("found %+v, %v", h.Starts, err)
			}
		})
	}
	if _, err := Run(context.Background(), Options{Program: "/does/not/exist"}); err == nil {
		t.Error("a program that is not there was run")
	}
}

func TestOptionsAreValidated(t *testing.T) {
	err := Options{Starts: -1, Budget: time.Millisecond, Workers: -1, GiveUp: -1}.Validate()
	for _, want := range []string{"program", "seeds: -1", "budget: 1ms", "workers: -1", "give up: -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %q in %v", want, err)
		}
	}
	if err := (Options{Program: "x"}).Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}
