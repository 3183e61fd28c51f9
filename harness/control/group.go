package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// group is a process group on the host, identified by one member: its id is valid only as long as that member
// lives.
type group struct {
	pid   int
	pgid  int
	start uint64 // of pid, in clock ticks since boot
}

// parseGroup parses a line of /proc/PID/stat (proc(5)). The second field is the program's name in parentheses,
// which may itself contain spaces and parentheses.
func parseGroup(stat []byte) (group, error) {
	text := strings.TrimSpace(string(stat))
	i, j := strings.IndexByte(text, ' '), strings.LastIndexByte(text, ')')
	if i < 0 || j < i {
		return group{}, fmt.Errorf("parse process state %q: no name in it", shorten(text))
	}
	const pgrp, starttime = 5, 22 // fields counted from 1; the third is the first after the name
	rest := strings.Fields(text[j+1:])
	if len(rest) <= starttime-3 {
		return group{}, fmt.Errorf("parse process state %q: too few fields", shorten(text))
	}
	pid, err1 := strconv.Atoi(text[:i])
	pgid, err2 := strconv.Atoi(rest[pgrp-3])
	start, err3 := strconv.ParseUint(rest[starttime-3], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return group{}, fmt.Errorf("parse process state: %w", err)
	}
	return group{pid: pid, pgid: pgid, start: start}, nil
}

// killScript prints what the group and its children are doing, one process a line with its state and, where it may be
// known, where in the kernel it waits (proc(5)), and kills the group. A child in a session of its own is not killed.
const killScript = `
proc_read "/proc/$pid/stat" && [ "$began" = "$start" ] || exit 0
members=" "
for dir in /proc/[0-9]* /proc/[0-9]*; do # twice, because a child may come before its parent
	stat=
	{ read -r stat <"$dir/stat"; } 2>/dev/null
	name=${stat%)*}
	set -- ${stat##*)}
	[ $# -ge 3 ] || continue
	case $3:$members in
	*" ${dir#/proc/} "*) continue ;;
	"$pgid":* | *" $2 "*) ;;
	*) continue ;;
	esac
	members="$members${dir#/proc/} " where=
	{ read -r where <"$dir/wchan"; } 2>/dev/null
	echo "${name#*(} $1${where:+ in $where}"
done
kill -s KILL -- -"$pgid"
`

// kill kills the group from another session on the same connection, and returns what was running in it, for people.
// SSH's own signals do not work: OpenSSH ignores them for sessions without a terminal. If the known member is gone,
// nothing happens.
func (c *Client) kill(cn *connection, g group) (doing string, err error) {
	if g.pid <= 1 || g.pgid <= 1 {
		return "", errors.New("its process group is not known")
	}
	ctx, cancel := context.WithTimeout(context.Background(), killTimeout)
	defer cancel()
	script := fmt.Sprintf("%spid=%d start=%d pgid=%d\n%s", ShellLibrary, g.pid, g.start, g.pgid, killScript)
	var session *ssh.Session
	var stdout, stderr bytes.Buffer
	err = cn.session(ctx, &c.work, func(s *ssh.Session) error {
		session, s.Stdout, s.Stderr = s, &stdout, &stderr
		return s.Start(c.shellCommand() + " -c " + Quote(script))
	})
	if err != nil {
		return "", fmt.Errorf("kill process group %d: %w", g.pgid, err)
	}
	defer func() { _ = session.Close() }()
	done := make(chan error, 1)
	c.work.Go(func() { done <- session.Wait() })
	select {
	case err = <-done:
		if err != nil {
			return "", fmt.Errorf("kill process group %d: %w: %s", g.pgid, err, tailOf(stderr.Bytes()))
		}
		return strings.Join(strings.Split(strings.TrimSpace(tailOf(stdout.Bytes())), "\n"), ", "), nil
	case <-time.After(killTimeout):
		return "", fmt.Errorf("kill process group %d: no answer within %v", g.pgid, killTimeout)
	}
}

// killed kills the group and adds to the error because of which it does so what was running, or that it may still be.
func (c *Client) killed(cn *connection, g group, err error) error {
	doing, killErr := c.kill(cn, g)
	switch {
	case killErr != nil:
		return fmt.Errorf("%w (and it may still be running: %w)", err, killErr)
	case doing != "":
		return fmt.Errorf("%w (what was running: %s)", err, doing)
	}
	return err
}
