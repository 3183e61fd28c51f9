package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"elenchus/nemesis"
	"elenchus/results"
)

// helpCommand is "elenchus help COMMAND", for "elenchus COMMAND --help".
func helpCommand() *cli.Command {
	return &cli.Command{
		Name: "help", Usage: "show help for a command", ArgsUsage: "[COMMAND] [SUBCOMMAND]",
		Action: func(c *cli.Context) error {
			commands, name := c.App.Commands, c.App.Name
			for _, word := range c.Args().Slice() {
				command := find(commands, word)
				if command == nil {
					return unknownCommand(name, word, commands)
				}
				commands, name = command.Subcommands, name+" "+word
			}
			args := append(append([]string{c.App.Name}, c.Args().Slice()...), "--help")
			return newApp(c.App.Writer, c.App.ErrWriter).RunContext(c.Context, args)
		},
	}
}

func find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// unknownCommand says that there is no such command, and suggests one with a similar name.
func unknownCommand(parent, name string, commands []*cli.Command) error {
	var known []string
	for _, c := range commands {
		if !c.Hidden {
			known = append(known, c.Name)
		}
	}
	switch near := nemesis.Nearest(name, known); {
	case near != "":
		return usageError("unknown command %q: did you mean %s %s?", name, parent, near)
	case len(known) == 0:
		return usageError("unknown command %q: %s has none (see %s --help)", name, parent, parent)
	}
	return usageError("unknown command %q: %s has %s (see %s --help)", name, parent, strings.Join(known, ", "), parent)
}

// Beginnings of the flag package's messages, in which options have one dash, unlike those that users type here.
var (
	notDefined = regexp.MustCompile(`^flag provided but not defined: -+(.+)$`)
	badValue   = regexp.MustCompile(`(?s)^invalid (?:boolean )?value (".*") for (?:flag )?-+(\S+): `)
	badEnv     = regexp.MustCompile(`(?s)^could not parse (".*") as .* value from environment variable "(\S+)" ` +
		`for flag (\S+?): `)
	noValue = regexp.MustCompile(`^flag needs an argument: -+(.+)$`)
)

// explained rewrites an error of the flag package: options have two dashes, and a similar name is suggested.
func explained(err error, flags []cli.Flag, help string) error {
	text := err.Error()
	if found := notDefined.FindStringSubmatch(text); found != nil {
		return unknownOption(found[1], flags, help)
	}
	if found := badValue.FindStringSubmatch(text); found != nil {
		return usageError("--%s: %s is not %s (see %s --help)", found[2], found[1], wanted(flags, found[2]), help)
	}
	if found := badEnv.FindStringSubmatch(text); found != nil {
		return usageError("%s: %s is not %s, which --%s takes (see %s --help)", found[2], found[1],
			wanted(flags, found[3]), found[3], help)
	}
	if found := noValue.FindStringSubmatch(text); found != nil {
		return usageError("--%s needs %s (see %s --help)", found[1], wanted(flags, found[1]), help)
	}
	return usageError("%v (see %s --help)", err, help)
}

// wanted describes the values that an option takes.
func wanted(flags []cli.Flag, name string) string {
	for _, f := range flags {
		if !slices.Contains(f.Names(), name) {
			continue
		}
		switch f.(type) {
		case *cli.IntFlag, *cli.Float64Flag:
			return "a number"
		case *cli.Uint64Flag:
			return "a whole number from 0 to 18446744073709551615"
		case *cli.DurationFlag:
			return "a length of time such as 500ms, 30s or 1m30s"
		case *cli.BoolFlag:
			return "true or false"
		}
	}
	return "a value"
}

func unknownOption(name string, flags []cli.Flag, help string) error {
	var known []string
	for _, f := range flags {
		known = append(known, f.Names()...)
	}
	if near := nemesis.Nearest(name, known); near != "" {
		return usageError("unknown option --%s: did you mean --%s? (see %s --help)", name, near, help)
	}
	return usageError("unknown option --%s (see %s --help)", name, help)
}

// nearRuns is how many runs are named when one was asked for that is not there.
const nearRuns = 3

// noRun explains why a run could not be opened: if it does not exist, it lists runs that do.
func noRun(root, ref string, err error) error {
	if info, statErr := os.Stat(ref); statErr == nil && filepath.Base(ref) != ref {
		if !info.IsDir() {
			return usageError("%s is a file: name the directory of a run", ref)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return usageError("%s is not the directory of a run: there is no %s in it", ref, results.ManifestFile)
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return usageError("%v", err)
	}
	entries, listErr := results.List(root)
	if (listErr != nil || len(entries) == 0) && !isPath(ref) {
		return usageError("there is no run in %s yet: elenchus test makes one, --results says where runs are kept", root)
	}
	var names, similar []string
	base := filepath.Base(ref)
	for _, e := range entries { // the newest first
		names = append(names, e.Run.Name())
		if ref != "" && strings.Contains(e.Run.Name(), base) {
			similar = append(similar, e.Run.Name())
		}
	}
	if near := nemesis.Nearest(base, names); near != "" && len(similar) == 0 {
		similar = []string{near}
	}
	switch {
	case ref == "" || ref == results.Latest:
		return usageError("%s has no %s run; the newest is %s", root, results.Latest, names[0])
	case len(similar) > 0:
		return usageError("there is no run %q in %s: did you mean %s?", ref, root, firstOf(similar, " or "))
	case isPath(ref):
		return usageError("there is no file and no directory %q", ref)
	}
	return usageError("there is no run %q in %s, but %s", ref, root, firstOf(names, ", "))
}

// isPath reports whether a reference to a run looks like a file or directory: the name of a run has neither a slash
// nor the extension of a history file.
func isPath(ref string) bool {
	return filepath.Base(ref) != ref && ref != "" || slices.Contains([]string{".edn", ".jsonl", ".txt"}, filepath.Ext(ref))
}

// firstOf lists the first few of the names of runs.
func firstOf(names []string, and string) string {
	if more := len(names) - nearRuns; more > 0 {
		names = append(names[:nearRuns:nearRuns], fmt.Sprintf("%d more (elenchus list runs)", more))
	}
	return strings.Join(names, and)
}
