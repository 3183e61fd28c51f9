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

// User is a test that has a lab to itself.
type User struct {
	Host    string    `json:"host"` // where the harness runs
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

// me describes the calling process as the user of a lab.
func me(run string) User {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	u := User{Host: host, Process: os.Getpid(), Run: run, Since: time.Now().Truncate(time.Second)}
	// Inside a local lab's enclosure the process id means nothing to anybody outside: the caller's does.
	if caller, err := strconv.Atoi(os.Getenv("ELENCHUS_LAB_CALLER")); err == nil {
		u.Process = caller
	}
	return u
}

// InUseError says that somebody else is testing on the lab.
type InUseError struct {
	Lab    string
	Node   string // the host on which this was found; empty for a local lab
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

// LockOptions say for whom a lab is locked, and how. The zero value works.
type LockOptions struct {
	// Run is the name of the run, for whoever finds the lab in use.
	Run string

	// Lease is for how long hosts stay locked when the harness has died or cannot reach them, by their own monotonic
	// clocks; 30 s when zero. It is renewed six times in that time. Local labs need none.
	Lease time.Duration

	// Break takes the lab from whoever has it. That test is told so at its next renewal; until then Acquire waits.
	Break bool
}

const leaseDefault = 30 * time.Second

// renewalsPerLease leaves room for a host that is slow to answer while faults are done to it.
const renewalsPerLease = 6

// Lock means that the lab is ours.
type Lock struct {
	release func(context.Context) error
	once    sync.Once
	lost    chan struct{}
	mu      sync.Mutex
	why     error
}

// Acquire takes the lab for one test, or says who has it ([*InUseError]). A local lab is locked by a file that the
// kernel unlocks when the holder dies. Any other is locked on its hosts, which may be shared by harnesses that know
// nothing of one another: through the clients, which must stay open until Release, with a lease. Either all hosts are
// locked or none is.
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

// Lost is closed when the lab is ours no longer: somebody broke the lock, or a host could not be reached for a lease.
func (l *Lock) Lost() <-chan struct{} { return l.lost }

// Err says why the lab was lost, and is nil while it is not.
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

// Release gives the lab back. Only the first call does something.
func (l *Lock) Release(ctx context.Context) (err error) {
	l.once.Do(func() { err = l.release(ctx) })
	return err
}
