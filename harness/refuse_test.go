package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"elenchus/results"
	"elenchus/results/verdict"
)

func TestSetupThatFailsSaysWhyAndNothingElse(t *testing.T) {
	foreign := otherMachine()
	for _, tc := range []struct {
		name string
		args func(*rig) []string
		want []string
		log  string // in the log of n1's node
	}{
		{"node for another machine", func(r *rig) []string {
			path := filepath.Join(r.dir, "foreign-node")
			if err := buildNode(path, "GOARCH="+foreign); err != nil {
				r.t.Fatal(err)
			}
			return []string{"--node-binary", path}
		}, []string{"node binary is for " + foreign, "host n1 is ", "host n3 is "}, ""},
		{"node that is no program", func(r *rig) []string {
			return []string{"--node-binary", r.file("text", "just text\n")}
		}, []string{"text is not a Linux program", "GOOS=linux"}, ""},
		{"node that exits at once", func(*rig) []string {
			return []string{"--node-flag=--bogus"}
		}, []string{"start node n1", "exit status 64", "flag provided but not defined: -bogus"}, "-bogus"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOARCH == foreign {
				t.Fatal("that is this machine")
			}
			r := newRig(t)
			p := r.exits(verdict.ExitHarness,
				append([]string{"test", "--nodes", "3", "--time-limit", "2s"}, tc.args(r)...)...)
			p.says(append(tc.want, "HARNESS FAILED")...)
			t.Logf("%s%s", p.stderr(), p.stdout())
			dir, m, v := r.outcome()
			if len(m.HarnessErrors) != 1 {
				t.Errorf("one thing went wrong, and these are told: %q", m.HarnessErrors)
			}
			if m.Reached(results.StateRunning) || v.Safety.Status != verdict.None {
				t.Errorf("it claims to have begun: %v, %v", m.State, v.Safety.Status)
			}
			log, err := os.ReadFile(filepath.Join(dir.NodeDir("n1"), "node.log"))
			if tc.log != "" && (err != nil || !strings.Contains(string(log), tc.log)) {
				t.Errorf("the node's log was not brought home: %v, %q", err, log)
			}
			r.checkAgrees(v)
		})
	}
}

func TestResultsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	file := r.file("plain-file", "")
	p := r.exits(verdict.ExitHarness, "test", "--nodes", "1", "--nemesis", "none", "--time-limit", "1s", "--results", file)
	p.says("elenchus: create run: ", file)
	p = r.exits(verdict.ExitHarness, "test", "--nodes", "1", "--nemesis", "none", "--time-limit", "1s", "--results", "/proc/elenchus")
	p.says("elenchus: create run: ", "/proc/elenchus")
}
