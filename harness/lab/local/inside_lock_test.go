//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"elenchus/harness/lab"
)

// insideLock checks the lock on hosts, which labs that are not local use: local hosts are hosts like any other.
func insideLock(ctx context.Context, in *insider) error {
	in.inv.Kind = lab.Listed
	steps := []func(context.Context, *insider) error{lockAndBreak, lockSurvivesRestart, lockOfTheDead, lockAllOrNone}
	for i, step := range steps {
		if err := step(ctx, in); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		if err := in.expect(ctx, "ls /run/elenchus", "mutex"); err != nil {
			return fmt.Errorf("after step %d: %w", i+1, err)
		}
	}
	return nil
}

const testLease = 2 * time.Second

func (in *insider) acquire(ctx context.Context, run string, force bool) (*lab.Lock, error) {
	return lab.Acquire(ctx, in.inv, in.clients, lab.LockOptions{Run: run, Lease: testLease, Break: force})
}

// refused returns nil if the lab is in use by the run, and otherwise what is wrong instead.
func (in *insider) refused(ctx context.Context, node, by string) error {
	_, err := in.acquire(ctx, "nobody", false)
	var used *lab.InUseError
	if !errors.As(err, &used) || used.Holder.Run != by || used.Node != node ||
		!strings.Contains(err.Error(), "--break-lock") {
		return fmt.Errorf("acquire while %s has it: %w", by, err)
	}
	return nil
}

// lockAndBreak: a lock is renewed for longer than its lease, can be broken, and then is not its first holder's to
// release.
func lockAndBreak(ctx context.Context, in *insider) error {
	first, err := in.acquire(ctx, "first", false)
	if err != nil {
		return err
	}
	if err := in.refused(ctx, "n1", "first"); err != nil {
		return err
	}
	time.Sleep(testLease + 2*time.Second) // no shorter wait shows that the lease was renewed
	if err := in.refused(ctx, "n1", "first"); err != nil {
		return fmt.Errorf("after a lease: %w", err)
	}
	second, err := in.acquire(ctx, "second", true)
	if err != nil {
		return err
	}
	select {
	case <-first.Lost():
	case <-ctx.Done():
		return errors.New("the first holder was not told that its lock was broken")
	}
	if err := first.Err(); err == nil || !strings.Contains(err.Error(), "run second") {
		return fmt.Errorf("the first holder was told %w", err)
	}
	if err := first.Release(ctx); err == nil {
		if err := in.refused(ctx, "n1", "second"); err != nil {
			return err
		}
	}
	if second.Err() != nil {
		return second.Err()
	}
	return second.Release(ctx)
}

// lockSurvivesRestart: a host that has restarted and forgotten the lock is locked again.
func lockSurvivesRestart(ctx context.Context, in *insider) error {
	lock, err := in.acquire(ctx, "third", false)
	if err != nil {
		return err
	}
	if _, err := in.on(ctx, 1, "rm -r /run/elenchus"); err != nil {
		return err
	}
	if err := in.await(ctx, 1, "test -s /run/elenchus/lock"); err != nil {
		return err
	}
	return errors.Join(lock.Err(), lock.Release(ctx))
}

// forge locks host i as somebody would have done the given time ago.
func (in *insider) forge(ctx context.Context, i, secondsAgo int) error {
	script := fmt.Sprintf(`mkdir -p /run/elenchus; read -r now rest </proc/uptime
printf '%%s\n%%s\n%%s\n' token $((${now%%%%.*} - %d)) '{"process":7,"run":"forged"}' >/run/elenchus/lock`, secondsAgo)
	_, err := in.on(ctx, i, script)
	return err
}

// lockOfTheDead: a lock that nobody has renewed for a lease is free. A broken one is somebody's until then.
func lockOfTheDead(ctx context.Context, in *insider) error {
	if err := in.forge(ctx, 0, 10); err != nil {
		return err
	}
	lock, err := in.acquire(ctx, "fourth", false)
	if err != nil {
		return err
	}
	return lock.Release(ctx)
}

// lockAllOrNone: when one host is taken, none stays locked.
func lockAllOrNone(ctx context.Context, in *insider) error {
	if err := in.forge(ctx, 2, -3600); err != nil { // in the future, so that it does not expire while we look
		return err
	}
	if err := in.refused(ctx, "n3", "forged"); err != nil {
		return err
	}
	for i := range in.clients {
		out, err := in.on(ctx, i, "ls /run/elenchus")
		if err != nil {
			return err
		}
		if locked := strings.Contains(out, "lock"); locked != (i == 2) {
			return fmt.Errorf("host %d has %q", i+1, out)
		}
	}
	_, err := in.on(ctx, 2, "rm /run/elenchus/lock")
	return err
}
