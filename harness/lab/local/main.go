//go:build linux

package local

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Names under which the program starts itself again. They also appear in process listings.
const (
	supervisorName = "elenchus-lab"
	hostProcName   = "elenchus-host"
	sshdName       = "elenchus-sshd"
)

// controlFD is the descriptor on which a child of any of these names finds its parent, or its listener.
const controlFD = 3

// Main runs a supervisor, a host or an SSH server, and then exits, if the program was started as one. Otherwise it
// returns at once. Call it first thing in main, before flags are parsed or anything is started.
func Main() {
	var job func() error
	switch os.Args[0] {
	case supervisorName:
		job = supervise
	case hostProcName:
		job = beHost
	case sshdName:
		job = serveSSH
	default:
		return
	}
	unix.CloseOnExec(controlFD)
	unix.CloseOnExec(aliveFD)
	if err := job(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
		os.Exit(1)
	}
	os.Exit(0)
}
