package control

import (
	"errors"
	"fmt"
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
	killTimeout    = 3 * time.Second // for killing what ran out of time: the host may be frozen
)

// Options say how to talk to hosts. The zero value works for hosts whose key is pinned.
type Options struct {
	// DialTimeout bounds connecting and logging in, 15 s when zero. It applies to every redial too.
	DialTimeout time.Duration

	// CommandTimeout bounds a Run, BulkTimeout an Exec and the transfer of a file; one minute and ten minutes when
	// zero. A context with an earlier deadline wins.
	CommandTimeout time.Duration
	BulkTimeout    time.Duration

	// KeepAlive is how often the host is asked for a sign of life, 3 s when zero. A connection on which the answer
	// takes longer than KeepAliveTimeout, 10 s when zero, is given up, and with it everything that waits on it.
	KeepAlive        time.Duration
	KeepAliveTimeout time.Duration

	// KnownHosts is a file in OpenSSH's format, for hosts without a pinned key. There is no way to accept any key.
	KnownHosts string

	// ShellsMax is how many kept shells a host may have, and so how many Runs work at the same time; 6 when zero. With
	// the sessions of Exec they must stay below the server's limit, which is 10 for OpenSSH as it comes.
	ShellsMax int

	// OutputBytesMax limits what Run collects from standard output and from standard error, each; 16 MiB when zero. A
	// command that writes more is killed and fails.
	OutputBytesMax int

	// Trace, when not nil, is told of every finished Run and Exec: the host's name, the script, how long it took from
	// the call to the answer, and the error it returned. It must be safe for concurrent use.
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
