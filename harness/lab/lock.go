package lab

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"elenchus/harness/control"
)

// User is a test that has exclusive use of a lab.
type User struct {
	Host    string    `json:"host"` // of the harness
	Process int       `json:"process"`
	Run     string    `json:"run"`
	Since   time.Time `json:"since"`
}

func (u User) String() string {
	if u.Process == 0 {
		return "somebody"
	}
	return fmt.Sprintf("run %s, process %d on %s, since %s", u.Run, u.Process, u.Host, u.Since.Format(time.DateTime))
}

// me returns the calling process as the user of a lab.
func me(run string) User {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	u := User{Host: host, Process: os.Getpid(), Run: run, Since: time.Now().Truncate(time.Second)}
	// Inside a local lab's enclosure the process id means nothing to the outside; the caller's does.
	if caller, err := strconv.Atoi(os.Getenv("ELENCHUS_LAB_CALLER")); err == nil {
		u.Process = caller
	}
	return u
}

// InUseError reports that somebody else is using the lab.
type InUseError struct {
	Lab    string
	Node   string // the host that is locked; empty for a local lab
	Holder User
	Advice string
}

func (e *InUseError) Error() string {
	where := "lab " + e.Lab
	if e.Node != "" {
		where += ", host " + e.Node + ","
	}
	if e.Advice != "" {
		return fmt.Sprintf("%s is in use by %s: %s", where, e.Holder, e.Advice)
	}
	return fmt.Sprintf("%s is in use by %s", where, e.Holder)
}

// LockOptions configures how a lab is locked. The zero value is ready to use.
type LockOptions struct {
	// Run is the name of the run, shown to others who find the lab in use.
	Run string

	// Lease is how long hosts stay locked after the harness has died or lost contact, by their own monotonic
	// clocks; 30 s when zero. It is renewed six times in that time. Local labs need none.
	Lease time.Duration

	// Break takes the lab from its holder. The holder is told so at its next renewal; until then Acquire waits.
	Break bool
}

const leaseDefault = 30 * time.Second

// renewalsPerLease leaves room for hosts that are slow to answer because of faults.
const renewalsPerLease = 6

// Lock is the exclusive use of a lab.
type Lock struct {
	release func(context.Context) error
	once    sync.Once
	lost    chan struct{}
	mu      sync.Mutex
	why     error
}

// Acquire locks the lab for one test. If it is in use, the error is an [*InUseError]. A local lab is locked by a
// file that the kernel unlocks when the holder dies. Any other lab is locked on its hosts with a lease, because
// harnesses that know nothing of one another may share them; this uses the clients, which must stay open until
// Release. Either all hosts are locked or none is.
func Acquire(ctx context.Context, inv Inventory, clients []*control.Client, o LockOptions) (*Lock, error) {
	if o.Lease == 0 {
		o.Lease = leaseDefault
	}
	if o.Lease < time.Second {
		return nil, fmt.Errorf("lock lab: lease %v is shorter than a second", o.Lease)
	}
	user := me(o.Run)
	if inv.Kind == Local && inv.Path == "" {
		return nil, errors.New("lock lab: a local lab's inventory must come from its file")
	}
	if inv.Kind == Local {
		release, err := acquireLocal(inv.Path, user)
		var used *InUseError
		if errors.As(err, &used) {
			used.Lab = inv.Name
		}
		if err != nil {
			return nil, err
		}
		return &Lock{release: func(context.Context) error { return release() }, lost: make(chan struct{})}, nil
	}
	data, err := json.Marshal(user)
	if err != nil {
		return nil, fmt.Errorf("encode user of lab: %w", err)
	}
	h := hostLocks{lab: inv.Name, clients: clients, lease: o.Lease, token: rand.Text(), owner: string(data)}
	if err := h.acquire(ctx, o.Break); err != nil {
		return nil, err
	}
	return h.hold(), nil
}

// Lost returns a channel that is closed when the lab is lost: somebody broke the lock, or a host was unreachable
// for a lease.
func (l *Lock) Lost() <-chan struct{} { return l.lost }

// Err returns why the lab was lost, or nil if it was not.
func (l *Lock) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

func (l *Lock) lose(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil {
		l.why = why
		close(l.lost)
	}
}

// Release releases the lab. Further calls do nothing.
func (l *Lock) Release(ctx context.Context) (err error) {
	l.once.Do(func() { err = l.release(ctx) })
	return err
}
