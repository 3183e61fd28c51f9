package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"elenchus/harness/control"
)

// hostLocks is a lock on every host: /run/elenchus/lock, with a token, the time of the last renewal, and the owner.
// The time is from the host's /proc/uptime, which no clock fault affects, and the file disappears when the host
// restarts.
type hostLocks struct {
	lab     string
	clients []*control.Client
	lease   time.Duration
	token   string // identifies the holder of the lock
	owner   string // a User, as JSON
}

// lockScript excludes other scripts and reads the lock into $held (token), $renewed and $owner. It is followed by
// the action, in which put writes the lock.
const lockScript = `set -eu; umask 077; dir=/run/elenchus; mkdir -p $dir
command -v flock >/dev/null || { echo 'flock is missing: apt-get install -y util-linux' >&2; exit 1; }
exec 9>$dir/mutex; flock -w 10 9
read -r now rest </proc/uptime; now=${now%%.*}; held= renewed=0 owner=
if [ -f $dir/lock ]; then { read -r held; read -r renewed; read -r owner; } <$dir/lock || :; fi
put() { printf '%%s\n%%s\n%%s\n' "$mine" "$now" "$me" >$dir/lock.new; mv $dir/lock.new $dir/lock; }
mine=%s me=%s lease=%d
`

// Outputs of the scripts. A lock that has vanished is taken again: the host was restarted, which is a fault like
// others.
const (
	acquireScript = `said=ours
if [ "$held" ] && [ "$held" != "$mine" ] && [ $((now - renewed)) -le $lease ]; then
  [ %s = yes ] || { echo held $((lease - now + renewed)) "$owner"; exit 0; }
  said=broken
fi
put; echo $said`
	renewScript = `if [ "$held" ] && [ "$held" != "$mine" ]; then echo held 0 "$owner"; exit 0; fi
put; echo ours`
	releaseScript = `[ "$held" != "$mine" ] || rm -f $dir/lock $dir/lock.new; echo ours`
)

// run runs one of the scripts on one host. It reports whether that has broken somebody else's lock.
func (h hostLocks) run(ctx context.Context, c *control.Client, script string) (broken bool, err error) {
	head := fmt.Sprintf(lockScript, control.Quote(h.token), control.Quote(h.owner), int(h.lease/time.Second))
	out, err := c.Run(ctx, head+script)
	if err != nil {
		return false, fmt.Errorf("lock host: %w", err)
	}
	word, rest, _ := strings.Cut(out.Text(), " ")
	switch word {
	case "ours", "broken":
		return word == "broken", nil
	case "held":
		left, owner, _ := strings.Cut(rest, " ")
		e := &InUseError{Lab: h.lab, Node: c.Host().Name}
		_ = json.Unmarshal([]byte(owner), &e.Holder) // if it cannot be decoded, the error says "somebody"
		if seconds, err := strconv.Atoi(left); err == nil && seconds > 0 {
			const advice = "if that one is dead, the host is free in %d s; --break-lock takes it in %.0f s"
			e.Advice = fmt.Sprintf(advice, seconds, h.notice().Seconds())
		}
		return false, e
	}
	return false, fmt.Errorf("lock host: it answered %q", out.Text())
}

// notice is the time that a holder may need to learn that its lock was broken, and to stop using the hosts: until
// its next renewal, and as long again.
func (h hostLocks) notice() time.Duration { return 2 * h.lease / renewalsPerLease }

// acquire locks the hosts one by one in the order of the inventory, so that of two harnesses one gets them all. The
// holder of a lock that it breaks is given notice: until then its faults may hit our nodes, and its clients may
// take our nodes' answers for those of its own.
func (h hostLocks) acquire(ctx context.Context, force bool) error {
	breaking := "no"
	if force {
		breaking = "yes"
	}
	anyBroken := false
	for i, c := range h.clients {
		broken, err := h.run(ctx, c, fmt.Sprintf(acquireScript, breaking))
		anyBroken = anyBroken || broken
		if err != nil {
			taken := h
			taken.clients = h.clients[:i+1] // including this one: even without an answer it may be locked
			return errors.Join(err, taken.release(context.WithoutCancel(ctx)))
		}
	}
	if !anyBroken {
		return nil
	}
	select {
	case <-time.After(h.notice()):
		return nil
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), h.release(context.WithoutCancel(ctx)))
	}
}

func (h hostLocks) release(ctx context.Context) error {
	return control.Each(ctx, h.clients, func(ctx context.Context, c *control.Client) error {
		_, err := h.run(ctx, c, releaseScript)
		return err
	})
}

// hold renews the leases until the lock is released.
func (h hostLocks) hold() *Lock {
	l := &Lock{lost: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	var renewals sync.WaitGroup
	for _, c := range h.clients {
		renewals.Go(func() { h.renew(ctx, c, l) })
	}
	l.release = func(ctx context.Context) error {
		cancel()
		renewals.Wait()
		return h.release(ctx)
	}
	return l
}

// renew renews the lease of one host.
func (h hostLocks) renew(ctx context.Context, c *control.Client, l *Lock) {
	last := time.Now()
	ticker := time.NewTicker(h.lease / renewalsPerLease)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		began := time.Now()
		_, err := h.run(ctx, c, renewScript)
		var taken *InUseError
		switch {
		case err == nil:
			last = began
		case errors.As(err, &taken):
			l.lose(fmt.Errorf("lost the lock: %w", err))
			return
		case ctx.Err() == nil && time.Since(last) > h.lease:
			l.lose(fmt.Errorf("lost the lock of %s, not renewed for %v: %w", c.Host().Name, h.lease, err))
			return
		}
	}
}
