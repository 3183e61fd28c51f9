package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/node/mutants"
)

func mutantsCommand() *cli.Command {
	return &cli.Command{
		Name: "mutants", ArgsUsage: "COMMAND",
		Usage: "seed bugs into the node, and measure how fast each is found",
		Description: "A mutant is a mistake that a real system shipped, as a small patch against the sources of this\n" +
			"program. The sources are needed, and are looked for from the working directory upwards. Patches are\n" +
			"applied while a program is built, and never touch the sources.",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list mutants, or show what is known about the named ones", ArgsUsage: "[NAME…]",
				Flags: withEnv([]cli.Flag{mutantDirFlag(), jsonFlag()}), Action: listMutants},
			{Name: "run", Usage: "hunt all mutants, or the named ones", ArgsUsage: "[NAME…]",
				Flags: withEnv(mutantRunFlags()), Action: runMutants},
		},
	}
}

func mutantDirFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "dir", Category: catSystem,
		Usage: "take mutants from `DIR` instead of the sources' catalogue (repeatable)"}
}

func mutantRunFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "lab", Category: catLab, Value: simLab,
			Usage: "hunt in a `KIND` of lab: sim (the simulator) or local (network namespaces on this machine)"},
		mutantDirFlag(),
		&cli.IntFlag{Name: "sample", Category: catSystem, DefaultText: "all",
			Usage: "hunt only `N` of them, others every day"},
		&cli.StringFlag{Name: "day", Category: catSystem, DefaultText: "today",
			Usage: "with --sample: take those of the day `YYYY-MM-DD`"},
		&cli.BoolFlag{Name: "clean", Category: catSystem, Usage: "hunt in the unchanged sources: nothing must be found"},
		&cli.BoolFlag{Name: "compile", Category: catSystem, Usage: "only apply every patch and check that it compiles"},
		&cli.DurationFlag{Name: "budget", Category: catChecking, Value: time.Minute,
			Usage: "spend `TIME` per seed: processor time in the simulator, elapsed time in a local lab"},
		&cli.IntFlag{Name: "seeds", Category: catChecking, Value: 20, DefaultText: "20, in a lab 1",
			Usage: "start from `N` seeds"},
		&cli.IntFlag{Name: "give-up", Category: catChecking, Value: 3,
			Usage: "give up on a mutant that the first `N` seeds did not find; 0 never gives up"},
		&cli.IntFlag{Name: "client-seeds", Category: catChecking, Value: 3,
			Usage: "hunt what was found again, using only what clients can see, from `N` seeds that share one budget; " +
				"0 skips this"},
		&cli.IntFlag{Name: "workers", Category: catOutput, Value: 1,
			Usage: "use `N` processors, or hunt as many mutants at once in labs"},
		&cli.IntFlag{Name: "labs", Category: catLab, Value: 1,
			Usage: "hunt each mutant in `N` local labs at once, which are idle for most of the time"},
		&cli.DurationFlag{Name: "wall", Category: catLab, DefaultText: "no limit",
			Usage: "in local labs: end after `TIME`; --resume goes on with what is left"},
		&cli.StringFlag{Name: "keep", Category: catOutput,
			Usage: "keep those runs of a lab in `DIR` that found something or failed"},
		&cli.DurationFlag{Name: "shrink", Category: catChecking, Value: 10 * time.Second,
			Usage: "shrink the first run that fails for at most `TIME`; 0 skips this"},
		&cli.StringFlag{Name: "lab-results", Category: catOutput, TakesFile: true,
			Usage: "add the results that --lab local --resume saved in `FILE` to the table"},
		&cli.StringFlag{Name: "resume", Category: catOutput, TakesFile: true,
			Usage: "save measurements in `FILE`, and skip those it already has"},
		&cli.StringFlag{Name: "table", Category: catOutput, TakesFile: true,
			Usage: "write the results to `FILE` as a Markdown table"},
		jsonFlag(),
	}
}

// labLocal is the other lab in which mutants are hunted, besides simLab.
const labLocal = "local"

// sourceTree is where the sources are.
func sourceTree() (string, error) {
	tree, err := mutants.FindTree(".")
	if err != nil {
		return "", usageError("%v: mutants are built from the sources", err)
	}
	return tree, nil
}

// loadMutants loads the mutants that the options and arguments choose.
func loadMutants(c *cli.Context, tree string) ([]*mutants.Mutant, error) {
	dirs := c.StringSlice("dir")
	if len(dirs) == 0 {
		dirs = []string{mutants.Catalogue(tree)}
	}
	list, err := mutants.Load(dirs...)
	if err != nil {
		return nil, usageError("%v", err)
	}
	if len(list) == 0 {
		return nil, usageError("there is no mutant in %s", strings.Join(dirs, ", "))
	}
	if list, err = mutants.Select(list, c.Args().Slice()); err != nil {
		return nil, usageError("%v (elenchus mutants list names them all)", err)
	}
	return list, nil
}

func listMutants(c *cli.Context) error {
	tree, err := sourceTree()
	if err != nil {
		return err
	}
	list, err := loadMutants(c, tree)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c, list)
	}
	if c.NArg() > 0 {
		for _, m := range list {
			page, err := os.ReadFile(filepath.Join(m.Dir, mutants.PageName))
			if err != nil {
				return fmt.Errorf("read page of mutant %s: %w", m.Name, err)
			}
			fmt.Fprintf(c.App.Writer, "%s\n", page)
		}
		return nil
	}
	t := newTable(c.App.Writer, "mutant", "place", "mistake")
	for _, m := range list {
		t.row(m.Name, m.Facts.Place, m.Facts.Summary)
	}
	return t.Flush()
}
