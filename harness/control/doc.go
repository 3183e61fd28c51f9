// Package control commands hosts over SSH: commands, files, and processes that outlive the connection.
//
// [Dial] connects to a [Host], which may be a physical machine, a virtual one or a set of namespaces; nothing here
// depends on which. A [Client] runs scripts ([Client.Run] for many short ones, [Client.Exec] for bulk data),
// transfers files, and survives the loss of its connection. A [Process] is started detached and identified by its
// pid file afterwards.
//
// # Rules
//
// Everything has a deadline: the context's, or the one in [Options] if that is earlier. SSH and its library have
// none: a host that freezes would block its callers forever.
//
// Nothing is retried. A script whose connection broke may have run; only the caller knows whether it is idempotent
// and can be run again.
//
// Whatever times out is killed on the host, with its process group: SSH would leave it running.
//
// Without a verified host key there is no connection.
//
// Scripts are for a POSIX shell and are tested with dash. Everything that comes from outside goes through [Quote].
package control
