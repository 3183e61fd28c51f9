package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
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
			f.EnvVars, f.DisableDefaultText = env(f.Name), true // it is false, always
		default:
			panic(fmt.Sprintf("option of type %T has no environment variable", f))
		}
	}
	return flags
}

// resultsFlag is where runs are kept.
func resultsFlag() *cli.StringFlag {
	return &cli.StringFlag{Name: "results", Category: catOutput, Value: "results/runs", Usage: "keep runs in `DIR`"}
}

// breakLockFlag takes a lab that is in use.
func breakLockFlag() *cli.BoolFlag {
	return &cli.BoolFlag{Name: "break-lock", Category: catLab, Usage: "take the lab from whoever is testing on it"}
}

// jsonFlag asks for output that scripts can read.
func jsonFlag() *cli.BoolFlag {
	return &cli.BoolFlag{Name: "json", Category: catOutput, Usage: "print JSON on standard output"}
}

// nodeBinary is the node program: where the option says, else beside this program.
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

// clockBinary is the program that reads clocks, which make build puts beside this one; empty when it is not there.
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
