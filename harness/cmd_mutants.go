package main

import (
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/node/mutants"
)

func mutantsCommand() *cli.Command {
	return &cli.Command{
		Name: "mutants", ArgsUsage: "COMMAND",
		Usage: "seed bugs into the node, and see how fast each is found",
		Description: "A mutant is a mistake that some real system shipped, as a patch of a few lines against the sources\n" +
			"of this program, which are needed: they are looked for from the working directory upwards.\n" +
			"Patches are applied while a program is built, and never touch the sources.",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "the mistakes, and what is known about them", ArgsUsage: "[NAME…]",
				Flags: withEnv([]cli.Flag{mutantDirFlag(), jsonFlag()}), Action: listMutants},
			{Name: "run", Usage: "hunt mutants, all or the named ones", ArgsUsage: "[NAME…]",
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
		&cli.BoolFlag{Name: "clean", Category: catSystem, Usage: "hunt in the sources as they are: nothing must be found"},
		&cli.BoolFlag{Name: "compile", Category: catSystem, Usage: "only apply and compile every patch"},
		&cli.DurationFlag{Name: "budget", Category: catChecking, Value: time.Minute,
			Usage: "spend `TIME` for each seed: processor time in the simulator, of the clock in a local lab"},
		&cli.IntFlag{Name: "seeds", Category: catChecking, Value: 20, Usage: "start from `N` seeds"},
		&cli.IntFlag{Name: "give-up", Category: catChecking, Value: 3,
			Usage: "leave a mutant that the first `N` seeds have not found; 0 never does"},
		&cli.IntFlag{Name: "client-seeds", Category: catChecking, Value: 3,
			Usage: "hunt what was found once more, from `N` seeds, by what clients can see alone; 0 does not"},
		&cli.IntFlag{Name: "workers", Category: catOutput, Value: 1, Usage: "play on `N` processors"},
		&cli.StringFlag{Name: "resume", Category: catOutput, TakesFile: true,
			Usage: "keep what was measured in `FILE`, and measure only what is not in there"},
		&cli.StringFlag{Name: "table", Category: catOutput, TakesFile: true,
			Usage: "write all that is known as a table into `FILE`, in Markdown"},
		jsonFlag(),
	}
}

// labLocal is the other lab in which mutants are hunted, beside simLab.
const labLocal = "local"

// sourceTree is where the sources are.
func sourceTree() (string, error) {
	tree, err := mutants.FindTree(".")
	if err != nil {
		return "", usageError("%v: mutants are built from the sources", err)
	}
	return tree, nil
}

// loadMutants loads those that the options and arguments choose.
func loadMutants(c *cli.Context, tree string) ([]*mutants.Mutant, error) {
	dirs := c.StringSlice("dir")
	if len(dirs) == 0 {
		dirs = []string{mutants.Catalogue(tree)}
	}
	list, err := mutants.Load(dirs...)
	if err != nil {
		return nil, usageError("%v", err)
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
	tw := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, m := range list {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", m.Name, m.Facts.Place, m.Facts.Summary)
	}
	return tw.Flush()
}
