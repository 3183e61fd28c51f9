package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"elenchus/harness/sim"
	"elenchus/nemesis"
	"elenchus/results"
	"elenchus/workloads"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Name: "list", ArgsUsage: "WHAT",
		Usage: "list workloads, nemeses, hunts, labs, recipes or runs",
		Subcommands: []*cli.Command{
			{Name: "workloads", Usage: "what clients can do",
				Flags: withEnv([]cli.Flag{jsonFlag()}), Action: listWorkloads},
			{Name: "nemeses", Usage: "the kinds of faults, and how to write them in a schedule",
				Flags: withEnv([]cli.Flag{jsonFlag()}), Action: listNemeses},
			{Name: "hunts", Usage: "the recipes of several faults that plans for labs consist of",
				Flags: withEnv([]cli.Flag{jsonFlag()}), Action: listHunts},
			{Name: "labs", Usage: "where tests run, and which commands support which lab",
				Flags: withEnv([]cli.Flag{jsonFlag()}), Action: listLabs},
			{Name: "recipes", Usage: "how the simulator plans runs, and the hazards it sets up",
				Flags: withEnv([]cli.Flag{jsonFlag()}), Action: listRecipes},
			{Name: "runs", Usage: "stored runs, newest first",
				Flags: withEnv([]cli.Flag{resultsFlag(), jsonFlag()}), Action: listRuns},
		},
	}
}

func listWorkloads(c *cli.Context) error {
	type row struct {
		Name       string   `json:"name"`
		Summary    string   `json:"summary"`
		Operations []string `json:"operations"`
	}
	var rows []row
	for _, w := range workloads.All() {
		r := row{Name: w.Name, Summary: w.Summary}
		for _, f := range w.Funcs {
			r.Operations = append(r.Operations, string(f))
		}
		rows = append(rows, r)
	}
	if c.Bool("json") {
		return printJSON(c, rows)
	}
	t := newTable(c.App.Writer, "workload", "operations", "what clients do")
	for _, r := range rows {
		t.row(r.Name, strings.Join(r.Operations, " "), r.Summary)
	}
	return t.Flush()
}

func listNemeses(c *cli.Context) error {
	kinds := nemesis.Kinds()
	if c.Bool("json") {
		type row struct {
			Name    string   `json:"name"`
			Summary string   `json:"summary"`
			Forms   []string `json:"forms"`
			Needs   []string `json:"needs"`
		}
		rows := make([]row, len(kinds))
		for i, k := range kinds {
			rows[i] = row{Name: k.Name, Summary: k.Summary, Forms: k.Forms, Needs: k.Needs}
		}
		return printJSON(c, rows)
	}
	for i, k := range kinds {
		if i > 0 {
			fmt.Fprintln(c.App.Writer)
		}
		fmt.Fprintf(c.App.Writer, "%s: %s\n", k.Name, k.Summary)
		if len(k.Needs) > 0 {
			fmt.Fprintf(c.App.Writer, "  needs %s\n", strings.Join(k.Needs, ", "))
		}
		for _, form := range k.Forms {
			fmt.Fprintf(c.App.Writer, "  at 5s for 2s %s\n", form)
		}
	}
	_, err := fmt.Fprintf(c.App.Writer, "\nonly in elenchus sim: %s\n", strings.Join(sim.OwnKinds(), ", "))
	return err
}

func listHunts(c *cli.Context) error {
	type row struct {
		Name    string   `json:"name"`
		Kinds   []string `json:"kinds"`
		Leases  bool     `json:"leases"` // it makes sense only where reads rest on leases
		Summary string   `json:"summary"`
	}
	var rows []row
	for _, h := range nemesis.Hunts() {
		rows = append(rows, row{Name: h.Name, Kinds: h.Kinds, Leases: h.NeedsLeases(), Summary: h.Summary})
	}
	if c.Bool("json") {
		return printJSON(c, rows)
	}
	t := newTable(c.App.Writer, "hunt", "faults", "only with", "what it does")
	for _, r := range rows {
		leases := ""
		if r.Leases {
			leases = "leases"
		}
		t.row(r.Name, strings.Join(r.Kinds, " "), leases, r.Summary)
	}
	return t.Flush()
}

func listLabs(c *cli.Context) error {
	type row struct {
		Name     string   `json:"name"`
		Summary  string   `json:"summary"`
		Commands []string `json:"commands"`
	}
	hosts := []string{"test", "bench", "envelope", "lab"}
	rows := []row{
		{"local", "network namespaces on this machine, made for each test", append(slices.Clone(hosts), "replay", "mutants")},
		{"inventory", "any hosts with SSH, from a file", hosts},
		{"vagrant", "the virtual machines of the Vagrantfile", hosts},
		{simLab, "no hosts: the same nodes, clients and faults, simulated in virtual time from a seed",
			[]string{"test", "envelope", "sim", "replay", "shrink", "mutants"}},
	}
	if c.Bool("json") {
		return printJSON(c, rows)
	}
	t := newTable(c.App.Writer, "lab", "commands", "hosts")
	for _, r := range rows {
		t.row(r.Name, strings.Join(r.Commands, " "), r.Summary)
	}
	return t.Flush()
}

func listRecipes(c *cli.Context) error {
	if c.Bool("json") {
		return printJSON(c, struct {
			Styles  []sim.Style  `json:"styles"`
			Recipes []sim.Recipe `json:"recipes"`
		}{sim.Styles(), sim.Recipes()})
	}
	styles := newTable(c.App.Writer, "style", "runs", "what is planned")
	for _, s := range sim.Styles() {
		styles.row(s.Name, fmt.Sprintf("%d %%", s.Share), s.Summary)
	}
	recipes := newTable(c.App.Writer, "recipe", "faults", "what they do")
	for _, r := range sim.Recipes() {
		recipes.row(r.Name, strings.Join(r.Kinds, " "), r.Summary)
	}
	err := styles.Flush()
	fmt.Fprintln(c.App.Writer)
	return errors.Join(err, recipes.Flush())
}

func listRuns(c *cli.Context) error {
	runs, err := results.List(c.String("results"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c, runsJSON(runs))
	}
	if len(runs) == 0 {
		fmt.Fprintf(c.App.Writer, "no runs in %s yet: elenchus test makes one\n", c.String("results"))
		return nil
	}
	t := newTable(c.App.Writer, "run", "workload", "verdict", "ok", "fail", "unknown")
	for _, r := range runs {
		t.row(runRow(r)...)
	}
	return t.Flush()
}
