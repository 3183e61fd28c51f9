// Package control commands hosts over SSH: commands, files, and processes that outlive the connection.
//
// [Dial] connects to a [Host], which may be a machine, a virtual one or a set of namespaces; nothing here depends on
// which. A [Client] runs scripts ([Client.Run] for the many short ones, [Client.Exec] for bulk), moves files, and
// survives the loss of its connection. A [Process] is started detached and afterwards known by its pid file.
//
// # Rules
//
// Everything has a deadline: a context's, or the one in [Options] if that is earlier. SSH has none of its own, and
// neither has the library beneath: a host that freezes would block its callers for ever.
//
// Nothing is repeated. A script whose connection broke may have run, so it is for the caller, who knows whether it is
// idempotent, to run it again.
//
// What ran out of time is killed on the host, with its process group: SSH would leave it running.
//
// A host proves who it is, or there is no connection.
//
// Scripts are for a POSIX shell and are tested with dash. Everything that comes from outside goes through [Quote].
package control
