package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"elenchus/node/mutants"
	"elenchus/results"
)

// envMutant passes the path of the mutated node to the same command inside of a local lab. It also tells a program
// that was built with a mutant that it need not build another.
const envMutant = "ELENCHUS_MUTANT_NODE"

// noMutant is the value of --mutant for playing a run without the mutant that it was made with.
const noMutant = "none"

// mutantFlag seeds a bug into the nodes of a run.
func mutantFlag() cli.Flag {
	return &cli.StringFlag{Name: "mutant", Category: catSystem,
		Usage: "seed a bug into the nodes: `NAME` from elenchus mutants list, or the path of a mutant"}
}

// mutantAgainFlag is mutantFlag for commands that play a run again, which may have been made with a mutant.
func mutantAgainFlag() cli.Flag {
	return &cli.StringFlag{Name: "mutant", Category: catSystem,
		Usage:       "seed a bug into the nodes: `NAME` from elenchus mutants list, the path of a mutant, or none",
		DefaultText: "that of the run"}
}

// chosenMutant returns the mutant that the option names; nil if the option is not given.
func chosenMutant(c *cli.Context) (*mutants.Mutant, error) {
	name := c.String("mutant")
	if name == "" {
		return nil, nil
	}
	if c.IsSet("node-binary") {
		return nil, usageError("--mutant builds the node: leave --node-binary out")
	}
	tree, err := sourceTree()
	if err != nil {
		return nil, err
	}
	return findMutant(tree, name)
}

// buildMutatedNode builds the node with the mutant, for a lab with hosts. It returns the path of the program, empty
// without a mutant, and a function that removes it.
func buildMutatedNode(c *cli.Context, m *mutants.Mutant) (program string, remove func(), err error) {
	switch {
	case m == nil || c.Bool("dry-run"):
		return "", func() {}, nil
	case os.Getenv(envMutant) != "" && inside():
		return os.Getenv(envMutant), func() {}, nil
	}
	return buildMutated(c, m, "./node", "elenchus-node")
}

// asMutated runs this command line again with a program that was built, simulator included, with the mutant. It
// reports false if that is not necessary: without a mutant, or in the program that was built with it.
func asMutated(c *cli.Context, m *mutants.Mutant) (done bool, err error) {
	switch {
	case m == nil || c.Bool("dry-run") || os.Getenv(envMutant) != "":
		return false, nil
	case !m.In(simLab):
		return true, usageError("--mutant: %s is in a part that the simulator does not have", m.Name)
	}
	program, remove, err := buildMutated(c, m, "./harness", "elenchus")
	if err != nil {
		return true, err
	}
	defer remove()
	for name, value := range map[string]string{envMutant: program, envProgram: os.Args[0]} {
		if err := os.Setenv(name, value); err != nil {
			return true, fmt.Errorf("run mutated program: %w", err)
		}
	}
	return true, execHere(c.Context, append([]string{program}, os.Args[1:]...))
}

func buildMutated(c *cli.Context, m *mutants.Mutant, what, name string) (program string, remove func(), err error) {
	tree, err := sourceTree()
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "elenchus-mutant-")
	if err != nil {
		return "", nil, fmt.Errorf("build mutant: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) }
	program = filepath.Join(dir, name)
	if err := m.Build(c.Context, tree, mutants.Build{Package: what, Output: program}); err != nil {
		remove()
		return "", nil, err
	}
	return program, remove, nil
}

// findMutant returns the mutant of that name in the catalogue, or the one in that directory.
func findMutant(tree, name string) (*mutants.Mutant, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		dir, err := filepath.Abs(name)
		if err != nil {
			return nil, fmt.Errorf("find mutant: %w", err)
		}
		m, err := mutants.Read(dir)
		if err != nil {
			return nil, usageError("--mutant: %v", err)
		}
		return m, nil
	}
	m, err := mutants.Read(filepath.Join(mutants.Catalogue(tree), name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usageError("--mutant: there is no mutant %q (elenchus mutants list names them all)", name)
	}
	if err != nil {
		return nil, usageError("--mutant: %v", err)
	}
	return m, nil
}

// recordMutant records in a run directory with which mutant the run was made, and copies the mutant into it, so that
// the run can be played again even when the catalogue has changed.
func recordMutant(dir results.Run, m *mutants.Mutant) error {
	if m == nil {
		return nil
	}
	manifest, err := dir.LoadManifest()
	if err != nil {
		return err
	}
	manifest.Node.Mutant = m.Name
	if err := m.Save(dir.Path(results.MutantDir)); err != nil {
		return err
	}
	return dir.SaveManifest(manifest)
}

// recordedMutant returns the mutant that a run was made with; nil if it had none.
func recordedMutant(dir results.Run, manifest *results.Manifest) (*mutants.Mutant, error) {
	name := manifest.Node.Mutant
	if name == "" {
		return nil, nil
	}
	m, err := mutants.Read(dir.Path(results.MutantDir, name))
	if err != nil {
		return nil, usageError("%s was made with the mutant %s, which its directory does not have: %v", dir.Name(), name, err)
	}
	return m, nil
}
