//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
)

// whose selects the clocks: those of a control file, or of the kernel with a boot id.
type whose struct{ file, boot string }

func (w *whose) flags(f *flag.FlagSet) {
	f.StringVar(&w.file, "f", "", "control `file`")
	f.StringVar(&w.boot, "kernel", "", "`id` of the boot whose kernel's clocks are meant")
}

func (w *whose) check() error {
	if (w.file == "") == (w.boot == "") {
		return fmt.Errorf("whose clocks? -f FILE or -kernel BOOT (%w)", errUsage)
	}
	return nil
}

func (w *whose) open() (*hostclock.Clock, error) {
	self, err := hostclock.Self()
	if err != nil {
		return nil, err
	}
	if w.boot != "" {
		return hostclock.OpenKernel(w.boot, self)
	}
	return hostclock.OpenShim(w.file, self)
}

// moveFlags defines the flags of a move.
func moveFlags(f *flag.FlagSet, m *hostclock.Move) {
	f.Func("rate", "`rate` of both clocks", func(s string) (err error) {
		m.Rate, err = clockshim.ParseRate(s)
		return err
	})
	f.DurationVar(&m.Step, "step", 0, "step of the wall clock")
	f.DurationVar(&m.Strobe, "by", 0, "strobe the wall clock so far")
	f.DurationVar(&m.Every, "every", 0, "and change sides so often")
}

// faultName is the syntax of fault names, which are stored in the book.
var faultName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// deed is the operation of apply, revert, reset or look.
type deed func(c *hostclock.Clock, fault string, m hostclock.Move, pid int) (hostclock.Report, error)

// command returns a command that performs a deed and prints its report.
func command(name string, do deed) func(args []string, stdout io.Writer) error {
	return func(args []string, stdout io.Writer) error {
		var w whose
		var m hostclock.Move
		var fault string
		var pid int
		flags := flag.NewFlagSet(name, flag.ContinueOnError)
		w.flags(flags)
		flags.IntVar(&pid, "pid", 0, "see whether the clocks of this `process` are the ones that are meant")
		if name == "apply" || name == "revert" {
			flags.StringVar(&fault, "fault", "", "`name` of the fault")
		}
		if name == "apply" {
			moveFlags(flags, &m)
		}
		if err := noWords(parse(flags, args, nil)); err != nil {
			return err
		}
		if err := w.check(); err != nil {
			return err
		}
		if flags.Lookup("fault") != nil && !faultName.MatchString(fault) {
			return fmt.Errorf("%s: %q is no name for a fault (%w)", name, fault, errUsage)
		}
		if w.file != "" && name == "reset" {
			if _, err := os.Stat(w.file); errors.Is(err, fs.ErrNotExist) {
				return json.NewEncoder(stdout).Encode(hostclock.Report{Way: hostclock.Shim}) // there are no clocks to reset
			}
		}
		clock, err := w.open()
		if err != nil {
			return err
		}
		defer clock.Close()
		report, err := do(clock, fault, m, pid)
		if err != nil {
			return err
		}
		return json.NewEncoder(stdout).Encode(report)
	}
}

// strobe runs until it is signalled.
func strobe(args []string, _ io.Writer) error {
	var w whose
	var m hostclock.Move
	flags := flag.NewFlagSet("strobe", flag.ContinueOnError)
	w.flags(flags)
	moveFlags(flags, &m)
	if err := noWords(parse(flags, args, nil)); err != nil {
		return err
	}
	if err := errors.Join(w.check(), m.Validate()); err != nil {
		return fmt.Errorf("%w (%w)", err, errUsage)
	}
	if m.Strobe == 0 {
		return fmt.Errorf("strobe: by what? -by D -every E (%w)", errUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if w.boot != "" {
		return hostclock.StrobeKernel(ctx, w.boot, m)
	}
	return hostclock.StrobeShim(ctx, w.file, m)
}

// attached fails unless a process has mapped the control file, or does so within a given time: a process that is being
// started under the file has not mapped it for a few moments.
func attached(args []string, _ io.Writer) error {
	var file string
	var pid int
	var wait time.Duration
	flags := flag.NewFlagSet("attached", flag.ContinueOnError)
	flags.IntVar(&pid, "pid", 0, "the `process`")
	flags.DurationVar(&wait, "wait", 0, "how long to wait for the process to map the file")
	if err := noWords(parse(flags, args, &file)); err != nil {
		return err
	}
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		yes, err := clockshim.Attached(pid, file)
		if err != nil || yes {
			return err
		}
		if time.Since(start) >= wait {
			return fmt.Errorf("process %d has not mapped %s: its clocks are the machine's", pid, file)
		}
	}
}
