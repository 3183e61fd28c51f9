// Package sshd is a small SSH server for hosts on which OpenSSH's cannot run.
//
// A lab created by an ordinary user lives in a user namespace with one mapped user id, where OpenSSH's sshd refuses
// to start a session (setgroups is not permitted). [Server] speaks the same protocol to the same client, so that a
// lab without root differs from one of virtual machines only in what answers on port 22.
//
// # What it does
//
// Public key authentication with one authorized key; sessions with exec and shell requests, each a /bin/sh in its
// own session and process group; standard input, output and error; exit-status and exit-signal. Commands run as the
// server's user. Everything else is refused: passwords, terminals, environment requests, subsystems (so no SFTP)
// and forwarding of any kind.
//
// # What happens to processes
//
// As with OpenSSH and no terminal, a command outlives its session: when the client closes the channel or the
// connection breaks, the command's standard input ends and its outputs are closed, and no signal is sent. To end a
// command, kill it by process id.
//
// In one respect the server differs from OpenSSH. There a session lasts as long as any process holds the command's
// standard output open, so "sleep 60 &" hangs it for a minute. Here a session ends when the command has exited and
// whatever it had written has been sent, at most [Server.Linger] later; a background child that writes afterwards
// gets SIGPIPE.
//
// The server waits only for the commands that it starts. A background child becomes the child of process 1 of its
// pid namespace, which must not be this server if dead children are to be reaped.
package sshd
