// Package local turns one Linux machine into a lab: hosts that are namespaces, with real SSH, real packet filters
// and real processes, up in less than a second and gone without a trace. See package lab for how it is built and
// for its limits.
//
// A program that uses this package calls [Main] before anything else in its main function (a test binary: in
// TestMain), because supervisor, hosts and SSH servers are the same program, started under other names:
//
//	program                        elenchus
//	└─ supervisor                  elenchus-lab        process 1 of the enclosure, makes and owns everything
//	   ├─ host n1                  elenchus-host       process 1 of n1: mounts, drops capabilities, reaps
//	   │  └─ SSH server            sshd, elenchus-sshd
//	   ├─ host n2 …
//	   └─ command                  what Run or Exec was asked to run, with the caller's terminal
//
// [Run] makes an ephemeral lab for one command. [Up], [Exec], [Status] and [Down] keep a named one between commands.
package local
