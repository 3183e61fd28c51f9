// Package sshd is a small SSH server for hosts on which OpenSSH's cannot run.
//
// A lab made by an ordinary user lives in a user namespace with one mapped user id, where OpenSSH's sshd refuses to
// start a session (setgroups is not permitted). [Server] speaks the same protocol to the same client, so that a lab
// without root differs from one of virtual machines only in who answers on port 22.
//
// # What it does
//
// Public key authentication with one authorized key; sessions with exec and shell requests, each a /bin/sh in a
// session and process group of its own; standard input, output and error; exit-status and exit-signal. Commands run as
// the user the server runs as. Everything else is refused: passwords, terminals, environment requests, subsystems (so
// no SFTP) and forwarding of any kind.
//
// # What happens to processes
//
// As with OpenSSH and no terminal, a command outlives its session: when the client closes the channel or the connection
// breaks, the command's standard input ends and its outputs are closed, and it is sent no signal. Whoever wants a
// command gone kills it by process id.
//
// In one respect the server is kinder than OpenSSH. There a session lasts until nobody holds the command's standard
// output any more, so "sleep 60 &" hangs it for a minute. Here a session ends when the command has exited and whatever
// it had written has been sent, at most [Server.Linger] later; a background child that writes afterwards gets SIGPIPE.
//
// The server waits for the commands it starts and for nobody else. A background child becomes the child of process 1 of
// its pid namespace, which must not be this server if dead children are to be reaped.
package sshd
