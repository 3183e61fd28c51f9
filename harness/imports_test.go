package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
}

// TestImportsPointOneWay holds the rooms of the house apart: node knows nobody, libraries know only the leaves that
// everybody shares, and what is pure cannot reach the world.
func TestImportsPointOneWay(t *testing.T) {
	const (
		mod     = "elenchus/"
		history = mod + "results/history"
		verdict = mod + "results/verdict"
	)
	rules := []struct {
		room    string   // packages at or below this path …
		allowed []string // … import only these from the module, besides their own room
	}{
		{mod + "node", nil},
		{history, []string{}},
		{verdict, []string{}},
		{mod + "results", []string{history, verdict}},
		{mod + "checker", []string{history, verdict, mod + "results/clocks", mod + "results/leases"}},
		{mod + "nemesis", []string{history}},
		{mod + "workloads/paxosclient", []string{mod + "workloads", history, mod + "node/client"}},
		{mod + "workloads", []string{history}},
		{mod + "harness/control", []string{}},
		{mod + "harness/clockprobe", []string{mod + "harness/control", history}},
		{mod + "harness/lab", []string{mod + "harness/control"}},
		{mod + "harness/sim/carry", []string{
			mod + "harness/sim", mod + "harness/system", mod + "nemesis", mod + "results", verdict, mod + "node/protocol",
			mod + "node/multipaxos",
		}},
		{mod + "harness/sim", []string{
			mod + "nemesis", mod + "nemesis/clockshim", mod + "nemesis/hostclock", mod + "workloads", mod + "checker",
			mod + "checker/register", mod + "checker/rules", mod + "results", mod + "results/spacetime", history, verdict, mod + "node/clock",
			mod + "node/protocol", mod + "node/register", mod + "node/multipaxos", mod + "node/wire", mod + "node/wal",
			mod + "node/trace",
		}},
		{mod + "harness/cpulimit", []string{}},
		{mod + "harness/hunt", []string{mod + "harness/sim", mod + "harness/sim/shrink", mod + "harness/cpulimit"}},
		{mod + "harness/system", []string{mod + "harness/control", mod + "node/client"}},
	}
	world := []string{"net", "net/http", "os", "os/exec", "log", "syscall", "math/rand", "crypto/rand", "io/ioutil",
		"golang.org/x/sys/unix", "github.com/hashicorp/go-hclog", "sync", "sync/atomic", "context", "runtime"}
	pure := []string{mod + "node/clock", mod + "node/protocol", mod + "node/register", mod + "node/multipaxos",
		mod + "node/wire", mod + "node/trace", mod + "checker/rules", mod + "checker/register", mod + "checker/register/synthetic"}
	onlyFromHarness := "github.com/urfave/cli/v2"

	for _, p := range listPackages(t) {
		for _, rule := range rules {
			if !within(p.ImportPath, rule.room) {
				continue
			}
			for _, imp := range p.Imports {
				if strings.HasPrefix(imp, mod) && !within(imp, rule.room) && !slices.Contains(rule.allowed, imp) {
					t.Errorf("%s imports %s: %s may only import %v", p.ImportPath, imp, rule.room, rule.allowed)
				}
			}
			break // the first, most specific rule decides
		}
		if slices.Contains(pure, p.ImportPath) {
			for _, imp := range p.Imports {
				if slices.Contains(world, imp) {
					t.Errorf("%s is pure and must not import %s", p.ImportPath, imp)
				}
			}
		}
		if slices.Contains(p.Imports, onlyFromHarness) && p.ImportPath != mod+"harness" {
			t.Errorf("%s imports %s, which belongs to the command line alone", p.ImportPath, onlyFromHarness)
		}
	}
}

// within reports whether path is room or lies below it.
func within(path, room string) bool { return path == room || strings.HasPrefix(path, room+"/") }

func listPackages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "elenchus/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 10 {
		t.Fatalf("go list found only %d packages", len(pkgs))
	}
	return pkgs
}
