//go:build linux

// Command elenchus-clock is the harness's helper on every host for moving and reading clocks.
//
//	elenchus-clock create -f FILE
//	elenchus-clock exec -f FILE -- COMMAND [ARGUMENT...]
//	elenchus-clock set -f FILE [-reset] [-mono-rate R] [-wall-rate R] [-rate R] [-mono-step D] [-wall-step D] [-force]
//	elenchus-clock get -f FILE [-json]
//	elenchus-clock now
//	elenchus-clock probe [-bars] [-f FILE]
//
//	elenchus-clock apply  -f FILE|-kernel BOOT -fault NAME [-pid N] -rate R | -step D | -by D -every D
//	elenchus-clock revert -f FILE|-kernel BOOT -fault NAME [-pid N]
//	elenchus-clock reset  -f FILE|-kernel BOOT
//	elenchus-clock look   -f FILE|-kernel BOOT [-pid N]
//	elenchus-clock strobe -f FILE|-kernel BOOT -by D -every D
//	elenchus-clock attached -f FILE -pid N [-wait D]
//
// Exec creates the file if there is none, and turns into the command: the same process, under the clocks of the
// file. A rate R is a factor, 0.9, or parts per billion, 900000000ppb; a step D is a duration, 2s or -150ms. Set
// and get print the clocks as the file defines them; now prints those of this program itself. See package
// clockshim.
//
// Probe answers every line of its input, a word without spaces, at once with one line: the word, followed by
// CLOCK_MONOTONIC, CLOCK_REALTIME and CLOCK_MONOTONIC_RAW in nanoseconds, as processes under the control file see
// them, or without a file as the host has them; with -bars also the error of the last relative to the others. It
// exits at the end of its input.
//
// Apply, revert, reset and look are the primitives of clock faults, on a control file or on the kernel with the
// given boot id. They print what was observed as a line of JSON: see package hostclock. A kernel's clocks are moved
// only if the id is that of this boot, and not from within a container. Strobe runs until SIGTERM, and leaves the
// wall clock where it was. Attached fails unless the process has mapped the file, or does so within the duration D.
//
// The exit status is 0, 64 if the command line is wrong, and 125 if something failed. Once exec has succeeded it is
// the command's.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
)

const (
	exitOK    = 0
	exitUsage = 64 // EX_USAGE of sysexits.h

	usage = "usage: elenchus-clock create|exec|set|get|now|probe|apply|revert|reset|look|strobe|attached [argument ...]"
)

// errUsage marks command line errors.
var errUsage = errors.New(usage)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	commands := map[string]func([]string, io.Writer) error{
		"create": create, "exec": execute, "set": set, "get": get, "now": now, "probe": probe,
		"strobe": strobe, "attached": attached,
		"apply": command("apply", func(c *hostclock.Clock, f string, m hostclock.Move, pid int) (hostclock.Report, error) {
			return c.Apply(f, m, pid)
		}),
		"revert": command("revert", func(c *hostclock.Clock, f string, _ hostclock.Move, pid int) (hostclock.Report, error) {
			return c.Revert(f, pid)
		}),
		"reset": command("reset", func(c *hostclock.Clock, _ string, _ hostclock.Move, _ int) (hostclock.Report, error) {
			return c.Reset()
		}),
		"look": command("look", func(c *hostclock.Clock, _ string, _ hostclock.Move, pid int) (hostclock.Report, error) {
			return c.Look(pid)
		}),
	}
	err := errUsage
	if len(args) > 0 && commands[args[0]] != nil {
		err = commands[args[0]](args[1:], stdout)
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		fmt.Fprintln(stderr, "elenchus-clock:", err)
		return exitUsage
	}
	fmt.Fprintln(stderr, "elenchus-clock:", err)
	return clockshim.ExitFailed
}

// parse parses the flags of a command; with file set, -f is required. It returns the remaining arguments.
func parse(flags *flag.FlagSet, args []string, file *string) ([]string, error) {
	if file != nil {
		flags.StringVar(file, "f", "", "control `file`")
	}
	help := flags.Output()
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(help)
		flags.Usage()
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%s: %w (%w)", flags.Name(), err, errUsage)
	case file != nil && *file == "":
		return nil, fmt.Errorf("%s: no control file: -f FILE (%w)", flags.Name(), errUsage)
	}
	return flags.Args(), nil
}

// noWords refuses arguments after the flags.
func noWords(words []string, err error) error {
	if err == nil && len(words) > 0 {
		return fmt.Errorf("unexpected %q (%w)", words[0], errUsage)
	}
	return err
}

func create(args []string, _ io.Writer) error {
	var file string
	if err := noWords(parse(flag.NewFlagSet("create", flag.ContinueOnError), args, &file)); err != nil {
		return err
	}
	return clockshim.Create(file)
}

func execute(args []string, _ io.Writer) error {
	var file string
	words, err := parse(flag.NewFlagSet("exec", flag.ContinueOnError), args, &file)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return fmt.Errorf("exec: no command (%w)", errUsage)
	}
	if err := clockshim.Create(file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return clockshim.Exec(file, words, os.Environ())
}

func set(args []string, stdout io.Writer) error {
	var file string
	var c clockshim.Change
	flags := flag.NewFlagSet("set", flag.ContinueOnError)
	rate := func(to ...*clockshim.Rate) func(string) error {
		return func(s string) error {
			r, err := clockshim.ParseRate(s)
			for _, t := range to {
				*t = r
			}
			return err
		}
	}
	flags.Func("mono-rate", "`rate` of the monotonic clock", rate(&c.MonoRate))
	flags.Func("wall-rate", "`rate` of the wall clock", rate(&c.WallRate))
	flags.Func("rate", "`rate` of both", rate(&c.MonoRate, &c.WallRate))
	flags.DurationVar(&c.MonoStep, "mono-step", 0, "step of the monotonic clock")
	flags.DurationVar(&c.WallStep, "wall-step", 0, "step of the wall clock")
	flags.BoolVar(&c.Reset, "reset", false, "nominal rates, the real wall clock; before anything else")
	flags.BoolVar(&c.Force, "force", false, "let the monotonic clock go backward")
	if err := noWords(parse(flags, args, &file)); err != nil {
		return err
	}
	state, err := clockshim.Set(file, c)
	if err != nil {
		return err
	}
	printState(stdout, state)
	return nil
}

func get(args []string, stdout io.Writer) error {
	var file string
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON; offsets in nanoseconds, rates in parts per billion")
	if err := noWords(parse(flags, args, &file)); err != nil {
		return err
	}
	state, err := clockshim.Get(file)
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(stdout).Encode(state)
	}
	printState(stdout, state)
	return nil
}

func printState(w io.Writer, s clockshim.State) {
	fmt.Fprintf(w, "changes %d\n", s.Changes)
	for _, c := range []struct {
		name string
		clockshim.Skew
	}{{"mono", s.Mono}, {"wall", s.Wall}} {
		if c.Real {
			fmt.Fprintf(w, "%s real\n", c.name)
		} else {
			fmt.Fprintf(w, "%s rate %v offset %v\n", c.name, c.Rate, c.Offset)
		}
	}
}

func now(args []string, stdout io.Writer) error {
	if err := noWords(parse(flag.NewFlagSet("now", flag.ContinueOnError), args, nil)); err != nil {
		return err
	}
	readings, err := clockshim.Readings()
	if err != nil {
		return err
	}
	for _, r := range readings {
		fmt.Fprintf(stdout, "%-23s seen %20d real %20d off %v ± %v\n",
			r.Name, r.Seen, r.Real, time.Duration(r.Seen-r.Real), time.Duration(r.Error))
	}
	return nil
}
