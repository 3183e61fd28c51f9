// Package fleet runs several clusters of the project's own node in one lab at the same time, each with its own
// directories and ports. Clusters to be compared run under the same conditions, and repeated experiments need not
// start a lab each time.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"elenchus/harness/control"
	"elenchus/harness/lab"
	"elenchus/harness/run"
	"elenchus/harness/system"
	"elenchus/nemesis"
)

// Options configures a fleet. Run is required.
type Options struct {
	Run       string // name of the run, shown to others who find the lab in use
	Results   string // where runs are kept, and with them the ledger of a lab that outlives its tests
	BreakLock bool   // take the lab from whoever is using it

	// ClockBinary is the clock helper. With it the nodes' clocks can be moved; if empty, they are left alone.
	ClockBinary string

	// Log receives every command run on a host, as JSON; it may be nil.
	Log io.Writer
}

// Fleet is a lab that we hold, with its clusters. Its methods may be called concurrently.
type Fleet struct {
	inventory lab.Inventory
	clients   []*control.Client
	lock      *lab.Lock
	ledger    *nemesis.Ledger
	clocks    *system.Clocks // nil if clocks are not to be moved

	mu       sync.Mutex // guards clusters
	clusters []*Cluster
}

// Cluster is one of the clusters of a fleet.
type Cluster struct {
	*system.Paxos
	Name string
	// Hosts is the cluster as seen by the nemesis.
	Hosts nemesis.Cluster
}

// closeTimeout limits the cleanup at the end.
const closeTimeout = time.Minute

// Open connects to all hosts, acquires the lab, and heals what an earlier harness has left in it. If there is no
// error, Close must be called.
func Open(ctx context.Context, inv lab.Inventory, o Options) (*Fleet, error) {
	clients, err := run.DialAll(ctx, inv.Hosts, trace(o.Log))
	if err != nil {
		return nil, err
	}
	f := &Fleet{inventory: inv, clients: clients}
	if f.lock, err = lab.Acquire(ctx, inv, clients, lab.LockOptions{Run: o.Run, Break: o.BreakLock}); err != nil {
		return nil, errors.Join(err, f.Close(ctx))
	}
	if err := f.prepare(ctx, o); err != nil {
		return nil, errors.Join(err, f.Close(ctx))
	}
	return f, nil
}

// prepare makes the hosts' clocks movable, if requested, and heals the hosts.
func (f *Fleet) prepare(ctx context.Context, o Options) error {
	path, err := run.LedgerPath(f.inventory, o.Results)
	if err != nil {
		return err
	}
	if f.ledger, err = nemesis.OpenLedger(path); err != nil {
		return err
	}
	if o.ClockBinary != "" {
		f.clocks, err = system.NewClocks(system.ClockOptions{Binary: o.ClockBinary, Move: true}, f.clients)
		if err == nil {
			err = f.clocks.Deploy(ctx)
		}
		if err != nil {
			return fmt.Errorf("make clocks movable: %w", err)
		}
	}
	return f.heal(ctx)
}

func (f *Fleet) heal(ctx context.Context) error {
	_, err := nemesis.Heal(ctx, run.Bare(f.clients, f.clocks), nemesis.HealOptions{Ledger: f.ledger})
	return err
}

// trace returns a hook that logs the commands run on hosts.
func trace(log io.Writer) func(host, command string, elapsed time.Duration, err error) {
	if log == nil {
		return nil
	}
	logger := hclog.New(&hclog.LoggerOptions{Name: "harness", Level: hclog.Trace, Output: log, JSONFormat: true})
	return func(host, command string, elapsed time.Duration, err error) {
		logger.Trace("command", "host", host, "command", command, "elapsed", elapsed, "error", err)
	}
}

// Ledger returns the ledger of the faults in effect.
func (f *Fleet) Ledger() *nemesis.Ledger { return f.ledger }

// While returns a context that ends with ctx, or as soon as the lab is lost: then its cause says so, and the lab's
// new owner must not be disturbed. Call stop when the lab is no longer needed.
func (f *Fleet) While(ctx context.Context) (held context.Context, stop func()) {
	return run.WhileHeld(ctx, f.lock.Lost(), f.lock.Err)
}

// Add deploys and starts a cluster on some hosts, or on all if none are named, and waits until it is ready. Its
// name must be new; it becomes part of the cluster's directories and of its own name. Ports that are zero are
// chosen automatically.
func (f *Fleet) Add(ctx context.Context, name string, hosts []string, o system.Options) (*Cluster, error) {
	var clients []*control.Client
	for _, c := range f.clients {
		if len(hosts) == 0 || slices.Contains(hosts, c.Host().Name) {
			clients = append(clients, c)
		}
	}
	f.mu.Lock()
	number := len(f.clusters)
	o.Cluster += "-" + name
	o.Clocks = f.clocks
	if o.PeerPort == 0 {
		o.PeerPort, o.HTTPPort = firstPort+2*number, firstPort+2*number+1
	}
	o.DataDir, o.RunDir, o.LogDir = "/var/lib/elenchus-"+name, "/run/elenchus-"+name, "/var/log/elenchus-"+name
	paxos, err := system.New(o, clients)
	if err != nil {
		f.mu.Unlock()
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	c := &Cluster{Paxos: paxos, Name: name, Hosts: run.Hosts(clients, paxos)}
	f.clusters = append(f.clusters, c)
	f.mu.Unlock()

	for _, step := range []func(context.Context) error{paxos.Deploy, paxos.StartAll, paxos.Ready} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("cluster %s: %w", name, err)
		}
	}
	return c, nil
}

// firstPort is the first cluster's port, different from the ports of a test run.
const firstPort = 7100

// Collect stops all clusters and copies what they wrote into dir/CLUSTER/HOST.
func (f *Fleet) Collect(ctx context.Context, dir string) error {
	err := f.stop(ctx)
	return errors.Join(err, f.each(func(c *Cluster) error { return c.Collect(ctx, filepath.Join(dir, c.Name)) }))
}

func (f *Fleet) stop(ctx context.Context) error {
	return f.each(func(c *Cluster) error { return c.StopAll(ctx) })
}

// each calls do for all clusters concurrently.
func (f *Fleet) each(do func(*Cluster) error) error {
	f.mu.Lock()
	clusters := slices.Clone(f.clusters)
	f.mu.Unlock()
	errs := make([]error, len(clusters))
	var wg sync.WaitGroup
	for i, c := range clusters {
		wg.Go(func() {
			if err := do(c); err != nil {
				errs[i] = fmt.Errorf("cluster %s: %w", c.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// taken reports whether somebody else has taken the lab. Healing it would then end their faults; stopping the
// clusters is always safe, because their names are ours.
func (f *Fleet) taken() bool { return f.lock != nil && f.lock.Err() != nil }

// Close heals and stops everything, even if ctx has ended, and releases the lab. A lab that was lost is not healed. For
// a nil fleet there is nothing to do.
func (f *Fleet) Close(ctx context.Context) error {
	if f == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	var errs []error
	if f.ledger != nil && !f.taken() {
		errs = append(errs, f.heal(ctx))
	}
	errs = append(errs, f.stop(ctx))
	if f.ledger != nil {
		errs = append(errs, f.ledger.Close())
	}
	if f.lock != nil {
		errs = append(errs, f.lock.Release(ctx))
	}
	for _, c := range f.clients {
		_ = c.Close() // the connection is no longer needed
	}
	return errors.Join(errs...)
}
