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

// kill kills the group from another session on the same connection. SSH's own signals do not work: OpenSSH ignores
// them for sessions without a terminal. If the known member is gone, nothing happens.
func (c *Client) kill(cn *connection, g group) error {
	if g.pid <= 1 || g.pgid <= 1 {
		return errors.New("its process group is not known")
	}
	ctx, cancel := context.WithTimeout(context.Background(), killTimeout)
	defer cancel()
	script := fmt.Sprintf(`%sproc_read /proc/%d/stat && [ "$began" = %d ] || exit 0; kill -s KILL -- -%d`,
		ShellLibrary, g.pid, g.start, g.pgid)
	var session *ssh.Session
	var stderr bytes.Buffer
	err := cn.session(ctx, &c.work, func(s *ssh.Session) error {
		session, s.Stderr = s, &stderr
		return s.Start(c.shellCommand() + " -c " + Quote(script))
	})
	if err != nil {
		return fmt.Errorf("kill process group %d: %w", g.pgid, err)
	}
	defer func() { _ = session.Close() }()
	done := make(chan error, 1)
	c.work.Go(func() { done <- session.Wait() })
	select {
	case err = <-done:
		if err != nil {
			return fmt.Errorf("kill process group %d: %w: %s", g.pgid, err, tailOf(stderr.Bytes()))
		}
		return nil
	case <-time.After(killTimeout):
		return fmt.Errorf("kill process group %d: no answer within %v", g.pgid, killTimeout)
	}
}
