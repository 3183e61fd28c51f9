package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"elenchus/harness/lab"
	"elenchus/harness/lab/local"
	"elenchus/harness/run"
	"elenchus/nemesis"
)

func leftoversCommand() *cli.Command {
	return &cli.Command{
		Name: "leftovers", Usage: "list what an interrupted test left behind, and change nothing",
		Description: "Lists faults that were not undone: packet filter rules, paused nodes, moved clocks, and processes\n" +
			"on which faults were tried; and nodes that still run. elenchus lab heal undoes the faults; the next test does,\n" +
			"too, and replaces the nodes.",
		Flags: withEnv(append(presentLabFlags(), resultsFlag(), jsonFlag())), Action: labLeftovers,
	}
}

func labLeftovers(c *cli.Context) error {
	return onHosts(c, enterIfUp("nothing was left behind", run.Left{Outstanding: []string{}, Found: []nemesis.Leftover{},
		Unreachable: []string{}}),
		func(inv lab.Inventory) error { return leftovers(c, inv) })
}

func leftovers(c *cli.Context, inv lab.Inventory) error {
	left, err := run.Look(c.Context, inv, c.String("results"))
	if used := (*lab.InUseError)(nil); errors.As(err, &used) {
		return err // what is there was not left behind
	}
	if c.Bool("json") {
		return errors.Join(err, printJSON(c, left))
	}
	if left.Clean() && err == nil {
		fmt.Fprintf(c.App.Writer, "nothing was left behind on %s\n", hostsOf(inv))
		return nil
	}
	printLeft(c.App.Writer, left)
	return err
}

// printLeft says what was left behind, and what to do about it.
func printLeft(w io.Writer, left run.Left) {
	for _, fault := range left.Outstanding {
		fmt.Fprintf(w, "  left behind: fault %s\n", fault)
	}
	for _, what := range left.Found {
		fmt.Fprintf(w, "  left behind: %s\n", what)
	}
	if left.Faults() {
		fmt.Fprintln(w, "  elenchus lab heal undoes the faults, and so does the next test")
	}
	if slices.ContainsFunc(left.Found, func(f nemesis.Leftover) bool { return !f.Fault }) {
		fmt.Fprintln(w, "  the next test stops the nodes that run")
	}
}

// labState is the state of a lab, with what was left behind in it when nobody uses it.
type labState struct {
	local.State
	Left        *run.Left `json:"left,omitempty"`
	LeftProblem string    `json:"left_problem,omitempty"` // why that cannot be told
}

// withLeftovers looks at the hosts of a lab that nobody uses.
func withLeftovers(c *cli.Context, s local.State) labState {
	state := labState{State: s}
	if s.User != "" || s.Problem != "" {
		return state
	}
	left, err := leftIn(c, s.Name)
	if err != nil {
		state.LeftProblem = err.Error()
		return state
	}
	state.Left = &left
	return state
}

// leftIn asks this program inside a local lab, from where its hosts can be reached.
func leftIn(c *cli.Context, name string) (left run.Left, err error) {
	self, err := os.Executable()
	if err != nil {
		return left, fmt.Errorf("find this program: %w", err)
	}
	opts := localOptions(c)
	var files [2]*os.File
	for i := range files {
		if files[i], err = os.CreateTemp("", "elenchus-left-"); err != nil {
			return left, fmt.Errorf("look for leftovers: %w", err)
		}
		defer func() { _ = files[i].Close(); _ = os.Remove(files[i].Name()) }()
	}
	opts.Stdout, opts.Stderr = files[0], files[1]
	argv := []string{self, "lab", "leftovers", "--json", "--lab-name", name}
	code, err := local.Exec(c.Context, name, opts, argv, os.Environ())
	if err != nil {
		return left, err
	}
	var said [2][]byte
	for i, f := range files {
		if said[i], err = os.ReadFile(f.Name()); err != nil {
			return left, fmt.Errorf("look for leftovers: %w", err)
		}
	}
	if code != 0 {
		return left, fmt.Errorf("look for leftovers: %s", strings.TrimSpace(string(said[1])))
	}
	if err := json.Unmarshal(said[0], &left); err != nil {
		return left, fmt.Errorf("look for leftovers: %w", err)
	}
	return left, nil
}
