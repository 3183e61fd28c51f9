package control

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Defaults and limits of a client.
const (
	dialTimeoutDefault      = 15 * time.Second // a machine emulated in software needs 2 s for the handshake
	commandTimeoutDefault   = time.Minute
	bulkTimeoutDefault      = 10 * time.Minute
	keepAliveDefault        = 3 * time.Second
	keepAliveTimeoutDefault = 10 * time.Second
	shellsMaxDefault        = 6
	outputBytesMaxDefault   = 16 << 20

	scriptBytesMax = 1 << 20         // of Run: a script travels through the shell's standard input
	execBytesMax   = 120 << 10       // of Exec: Linux limits one argument of a command to 128 KiB
	stderrTailMax  = 4 << 10         // what an Error keeps of a command's standard error
	killTimeout    = 3 * time.Second // to kill what timed out: the host may be frozen
)

// Options configures connections to hosts. The zero value works for hosts with a pinned key.
type Options struct {
	// DialTimeout limits connecting and logging in, 15 s when zero. It applies to every redial too.
	DialTimeout time.Duration

	// CommandTimeout limits a Run, BulkTimeout an Exec and the transfer of a file; one minute and ten minutes when
	// zero. An earlier deadline of the context takes precedence.
	CommandTimeout time.Duration
	BulkTimeout    time.Duration

	// KeepAlive is the interval between keepalives, 3 s when zero. A connection on which the response takes longer
	// than KeepAliveTimeout, 10 s when zero, is given up, and everything waiting on it fails.
	KeepAlive        time.Duration
	KeepAliveTimeout time.Duration

	// KnownHosts is a file in OpenSSH's format, for hosts without a pinned key. Unverified keys are never accepted.
	KnownHosts string

	// ShellsMax is the number of persistent shells per host, and so of concurrent Runs; 6 when zero. Together with
	// the sessions of Exec they must stay below the server's limit, by default 10 for OpenSSH.
	ShellsMax int

	// OutputBytesMax limits what Run collects from standard output and from standard error, each; 16 MiB when zero. A
	// command that writes more is killed and fails.
	OutputBytesMax int

	// Stderr, if not nil, gets the standard error of every Exec while the script runs. Errors keep the end of it anyway.
	Stderr io.Writer
	// Trace, if not nil, is called after every Run and Exec with the host's name, the script, the time from the
	// call to the answer, and the error returned. It must be safe for concurrent use.
	Trace func(host, command string, elapsed time.Duration, err error)
}

// withDefaults returns the options with zeros replaced, or everything that is wrong with them.
func (o Options) withDefaults() (Options, error) {
	var errs []error
	duration := func(name string, d *time.Duration, fallback time.Duration) {
		if *d < 0 {
			errs = append(errs, fmt.Errorf("%s %v is negative", name, *d))
		}
		if *d == 0 {
			*d = fallback
		}
	}
	duration("dial timeout", &o.DialTimeout, dialTimeoutDefault)
	duration("command timeout", &o.CommandTimeout, commandTimeoutDefault)
	duration("bulk timeout", &o.BulkTimeout, bulkTimeoutDefault)
	duration("keepalive", &o.KeepAlive, keepAliveDefault)
	duration("keepalive timeout", &o.KeepAliveTimeout, keepAliveTimeoutDefault)
	count := func(name string, n *int, fallback int) {
		if *n < 0 {
			errs = append(errs, fmt.Errorf("%s %d is negative", name, *n))
		}
		if *n == 0 {
			*n = fallback
		}
	}
	count("number of shells", &o.ShellsMax, shellsMaxDefault)
	count("output limit", &o.OutputBytesMax, outputBytesMaxDefault)
	return o, errors.Join(errs...)
}
