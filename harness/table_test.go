package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every list for people begins with what its columns are.
func TestListsHaveHeaders(t *testing.T) {
	t.Parallel()
	runs := filepath.Join(t.TempDir(), "runs")
	if err := os.MkdirAll(filepath.Join(runs, "20261121T045117.138Z-register-seed7"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, list := range []struct{ args, header, row string }{
		{"list workloads", "workload operations what clients do", "append read append"},
		{"list hunts", "hunt faults only with what it does", "pause pause leases"},
		{"list labs", "lab commands hosts", "vagrant test bench"},
		{"list recipes", "style runs what is planned", "calm 5 %"},
		{"list recipes", "recipe faults what they do", "usurper partition"},
		{"list runs --results " + runs, "run workload verdict ok fail unknown", "20261121T045117.138Z-register-seed7 unreadable"},
		{"mutants list", "mutant place mistake", "accept-any-ballot accepts"},
	} {
		code, stdout, stderr := callInTree(t, strings.Fields(list.args)...)
		header, row := -1, -1
		for i, line := range strings.Split(stdout, "\n") {
			words := strings.Join(strings.Fields(line), " ")
			if words == list.header {
				header = i
			}
			if strings.HasPrefix(words, list.row) {
				row = i
			}
		}
		if code != 0 || header < 0 || row <= header {
			t.Errorf("%s: exit code %d, %q is line %d, %q line %d of\n%s%s", list.args, code, list.header, header, list.row, row,
				stdout, stderr)
		}
	}
}
