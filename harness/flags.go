package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/results"
)

// Categories group options in help texts.
const (
	catLab      = "Lab"
	catWorkload = "Workload"
	catNemesis  = "Nemesis"
	catSystem   = "System"
	catChecking = "Checking"
	catOutput   = "Output"
)

// env is the environment variable of an option: --time-limit is ELENCHUS_TIME_LIMIT.
func env(name string) []string {
	return []string{"ELENCHUS_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}
}

// withEnv gives every option its environment variable.
func withEnv(flags []cli.Flag) []cli.Flag {
	for _, f := range flags {
		switch f := f.(type) {
		case *cli.StringFlag:
			f.EnvVars = env(f.Name)
		case *cli.StringSliceFlag:
			f.EnvVars = env(f.Name)
		case *cli.IntFlag:
			f.EnvVars = env(f.Name)
		case *cli.Uint64Flag:
			f.EnvVars = env(f.Name)
		case *cli.Float64Flag:
			f.EnvVars = env(f.Name)
		case *cli.DurationFlag:
			f.EnvVars = env(f.Name)
		case *cli.BoolFlag:
			f.EnvVars, f.DisableDefaultText = env(f.Name), true // the default of a switch is always false
		default:
			panic(fmt.Sprintf("option of type %T has no environment variable", f))
		}
	}
	return flags
}

// resultsFlag is the directory in which run directories are kept.
func resultsFlag() *cli.StringFlag {
	return &cli.StringFlag{Name: "results", Category: catOutput, Value: "results/runs", Usage: "store runs in `DIR`"}
}

// breakLockFlag lets a command take a lab that somebody else is using.
func breakLockFlag() *cli.BoolFlag {
	return &cli.BoolFlag{Name: "break-lock", Category: catLab,
		Usage: "take the lab even if another test is using it, which ends that test"}
}

// seedFlag is the seed of all random choices.
func seedFlag() *cli.Uint64Flag {
	return &cli.Uint64Flag{Name: "seed", Category: catWorkload,
		Usage: "derive all random choices from `SEED`", DefaultText: "random, and printed"}
}

// nodeBinaryFlag is the node program to deploy.
func nodeBinaryFlag() *cli.StringFlag {
	return &cli.StringFlag{Name: "node-binary", Category: catSystem, TakesFile: true,
		Usage: "deploy `FILE` as the node", DefaultText: "elenchus-node beside this program"}
}

// nodeFlagFlag passes options through to the nodes.
func nodeFlagFlag() *cli.StringSliceFlag {
	return &cli.StringSliceFlag{Name: "node-flag", Category: catSystem,
		Usage: "pass another `OPTION` to the nodes, such as --node-flag=--window=8 (repeatable)"}
}

// checkFlags limit the linearizability check.
func checkFlags(time time.Duration) []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "check-time", Category: catChecking, Value: time,
			Usage: "limit the linearizability check to `TIME`"},
		&cli.IntFlag{Name: "check-memory", Category: catChecking, Value: 2048,
			Usage: "limit the linearizability check to `MIB` of memory"},
	}
}

// jsonFlag asks for output that scripts can read.
func jsonFlag() *cli.BoolFlag {
	return &cli.BoolFlag{Name: "json", Category: catOutput, Usage: "print JSON to standard output"}
}

// nodeBinary returns the path of the node program: the option's, or else that of the one beside this program.
func nodeBinary(option string) (string, error) {
	path := option
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find this program: %w", err)
		}
		path = filepath.Join(filepath.Dir(self), "elenchus-node")
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", usageError("no node program: %v (make build makes it; --node-binary says where it is)", err)
	}
	if info.IsDir() {
		return "", usageError("the node program %s is a directory", path)
	}
	return path, nil
}

// clockBinary returns the path of the helper for clocks, which make build puts beside this program; empty if it is
// not there.
func clockBinary() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	path := filepath.Join(filepath.Dir(self), "elenchus-clock")
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return ""
	}
	return path
}

// checkClockBinary refuses to move clocks without the helper, or with one from another commit: the two programs speak a
// language of their own.
func checkClockBinary(path string) error {
	if path == "" {
		return usageError("faults of clocks need the helper program elenchus-clock beside this one: make build makes it")
	}
	if mine, its := results.ThisTool(), results.ToolOf(path); mine.OtherCommit(its) {
		return usageError("the helper for clocks, %s, is %v, and this program is %v: make build makes both", path, its, mine)
	}
	return nil
}
