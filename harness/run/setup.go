package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"elenchus/harness/control"
	"elenchus/harness/lab"
	"elenchus/harness/system"
	"elenchus/nemesis"
	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/verdict"
	"elenchus/workloads"
	"elenchus/workloads/paxosclient"
)

// healTimeout limits everything that must be done even though the run is over. A host that does not answer by then is
// named in the verdict.
const healTimeout = 60 * time.Second

// enterLab connects to the hosts and takes the lock of the lab.
func (t *test) enterLab(ctx context.Context) error {
	return t.inTurn(ctx, step{"connect to the hosts", t.connect})
}

// setup prepares everything up to the first operation.
func (t *test) setup(ctx context.Context) error {
	err := t.inTurn(ctx, []step{
		{"reach the hosts' clocks", t.reachClocks},
		{"heal what an earlier run left", t.healLeftovers},
		{"prove the faults", t.proveFaults},
		{"deploy the node", t.deploy},
		{"start the nodes", t.startNodes},
	}...)
	if err != nil {
		return err
	}
	return t.startRecords()
}

// step is a part of the preparations before the first operation.
type step struct {
	doing string
	do    func(context.Context) error
}

// setupTimeout limits everything before the first operation.
const setupTimeout = 90 * time.Second

// inTurn does one step after the other, within setupTimeout.
func (t *test) inTurn(ctx context.Context, steps ...step) error {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	for _, step := range steps {
		t.ui.Status("%s …", step.doing)
		t.log.Info("setup", "step", step.doing)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.doing, err)
		}
	}
	return nil
}

func (t *test) connect(ctx context.Context) error {
	begin := time.Now()
	if err := refuse(t.wantedKinds(), t.inv.Hosts); err != nil {
		return err
	}
	clients, err := DialAll(ctx, t.inv.Hosts, t.traceCommand)
	t.clients = clients
	if err != nil {
		return err
	}
	if err := t.meetHosts(ctx); err != nil {
		return err
	}
	name := t.dir.Name()
	if t.lock, err = lab.Acquire(ctx, t.inv, clients, lab.LockOptions{Run: name, Break: t.opts.BreakLock}); err != nil {
		return err
	}
	t.ui.Step("connected to %s over SSH in %v", verdict.Count(len(t.clients), "host"), round(time.Since(begin)))
	return nil
}

// reachClocks copies the helper for clocks to the hosts, so that clocks which an earlier harness has left wrong can
// be healed whatever this run is about, and configures the system, whose nodes may have to be started under a clock
// shim.
func (t *test) reachClocks(ctx context.Context) error {
	clocks, err := deployClocks(ctx, t.opts.ClockBinary, t.movesClocks(), t.clients)
	if err != nil {
		return err
	}
	t.system, err = system.New(system.Options{
		Binary: t.opts.NodeBinary, Clocks: clocks, Cluster: "elenchus-" + t.dir.Name(),
		Reads: t.opts.Reads, Seed: t.opts.Seed, Lease: t.opts.Lease, ElectionTimeout: t.opts.ElectionTimeout,
		PromiseGrace: t.opts.PromiseGrace, Window: t.opts.Window, Flags: t.opts.NodeFlags,
	}, t.clients)
	if err != nil {
		return err
	}
	t.cluster = newCluster(t.clients, t.system)
	return nil
}

// refuse ends a run if a host lacks what a wanted fault needs. The error names host and fault.
func refuse(kinds []string, hosts []control.Host) error {
	var errs []error
	for _, h := range hosts {
		errs = append(errs, nemesis.Refuse(kinds, h.Name, h.Has))
	}
	return errors.Join(errs...)
}

// DialAll connects to all hosts at once. The clients are in the order of the hosts; on an error those that were made
// are closed again.
func DialAll(ctx context.Context, hosts []control.Host, trace func(string, string, time.Duration, error)) (
	[]*control.Client, error) {
	clients, unreachable := dialSome(ctx, hosts, trace)
	if len(unreachable) > 0 {
		closeAll(clients)
		errs := make([]error, len(unreachable))
		for i, u := range unreachable {
			errs[i] = u.why
		}
		return nil, errors.Join(errs...)
	}
	return clients, nil
}

// unreachable is a host to which no connection could be made.
type unreachable struct {
	host string
	why  error
}

// dialSome connects to all hosts at once, and returns clients for those with which that was possible. Both results are
// in the order of the hosts.
func dialSome(ctx context.Context, hosts []control.Host, trace func(string, string, time.Duration, error)) (
	clients []*control.Client, failed []unreachable) {
	all, errs := make([]*control.Client, len(hosts)), make([]error, len(hosts))
	var group sync.WaitGroup
	for i, h := range hosts {
		group.Go(func() { all[i], errs[i] = control.Dial(ctx, h, control.Options{Trace: trace}) })
	}
	group.Wait()
	for i, h := range hosts {
		if errs[i] != nil {
			failed = append(failed, unreachable{h.Name, errs[i]})
		} else {
			clients = append(clients, all[i])
		}
	}
	return clients, failed
}

// closeAll closes clients of which nothing more is expected: all answers have arrived.
func closeAll(clients []*control.Client) {
	for _, c := range clients {
		_ = c.Close()
	}
}

func (t *test) traceCommand(host, command string, elapsed time.Duration, err error) {
	t.log.Trace("command", "host", host, "command", command, "elapsed", elapsed, "error", err)
}

// meetHosts runs a first command on every host. It verifies that commands run as root, and records in the manifest
// what the host says about itself.
func (t *test) meetHosts(ctx context.Context) error {
	said := make(map[string]string)
	var mu sync.Mutex
	err := control.Each(ctx, t.clients, func(ctx context.Context, c *control.Client) error {
		out, err := c.Run(ctx, "id -u; uname -r; uname -m")
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		said[c.Host().Name] = out.Text()
		return nil
	})
	if err != nil {
		return err
	}
	var errs []error
	for i, c := range t.clients {
		user, kernel, arch := 0, "", ""
		name := c.Host().Name
		if _, err := fmt.Sscan(said[name], &user, &kernel, &arch); err != nil {
			errs = append(errs, fmt.Errorf("host %s: asked for its kernel, it says %q", name, said[name]))
		}
		if user != 0 {
			errs = append(errs, fmt.Errorf("host %s: commands do not run as root: log in as root, or set become = \"sudo -n\" "+
				"in the inventory", name))
		}
		t.manifest.Hosts[i].Kernel, t.manifest.Hosts[i].Arch = kernel, arch
	}
	return errors.Join(errs...)
}

// healLeftovers undoes what a harness that was killed left behind, according to the hosts and to the ledger.
func (t *test) healLeftovers(ctx context.Context) error {
	path, err := LedgerPath(t.inv, t.opts.Results)
	if err != nil {
		return err
	}
	if t.ledger, err = nemesis.OpenLedger(path); err != nil {
		return err
	}
	found, err := nemesis.Heal(ctx, t.cluster, nemesis.HealOptions{Ledger: t.ledger})
	for _, f := range found.Found {
		t.ui.Step("healed a leftover: %s", f)
	}
	return err
}

// proveFaults applies and reverts every wanted kind of fault once, before the results of the run depend on them.
func (t *test) proveFaults(ctx context.Context) error {
	kinds := t.wantedKinds()
	if len(kinds) == 0 {
		return nil
	}
	begin := time.Now()
	proofs, err := nemesis.Prove(ctx, t.cluster, kinds)
	for _, p := range proofs {
		t.log.Info("proof", "host", p.Host, "kind", p.Kind, "ok", p.OK, "evidence", p.Evidence, "error", p.Error)
	}
	if err != nil {
		return err
	}
	t.ui.Step("proved %s of fault on every host in %v", verdict.Count(len(kinds), "kind"), round(time.Since(begin)))
	return nil
}

func (t *test) deploy(ctx context.Context) error {
	begin := time.Now()
	t.deployed = true
	if err := t.system.Deploy(ctx); err != nil {
		return err
	}
	t.manifest.Node = results.NodeBinary{SHA256: t.system.BinaryHash(), Version: results.VersionOf(t.opts.NodeBinary)}
	if m := t.opts.Mutant; m != nil {
		if err := m.Save(t.dir.Path(results.MutantDir)); err != nil {
			return err
		}
		t.manifest.Node.Mutant = m.Name
	}
	t.ui.Step("deployed the node in %v", round(time.Since(begin)))
	return nil
}

func (t *test) startNodes(ctx context.Context) error {
	begin := time.Now()
	if err := t.system.StartAll(ctx); err != nil {
		return err
	}
	if err := t.system.Ready(ctx); err != nil {
		return err
	}
	leader, err := t.system.Leader(ctx)
	if err != nil {
		return err
	}
	t.ui.Step("cluster is ready after %v, %s leads", round(time.Since(begin)), leader)
	return nil
}

// startRecords opens the history and the fault log, and begins to measure clocks: time zero of the run.
func (t *test) startRecords() error {
	var err error
	if t.faults, err = history.CreateFaults(t.dir.Faults()); err != nil {
		return err
	}
	t.start = time.Now()
	t.manifest.Started = t.start
	options := history.WriterOptions{Start: t.start}
	if t.opts.FailFast {
		t.sentinel = new(Sentinel)
		options.Each = func(e *history.Event) { t.sentinel.Observe(e) }
	}
	if t.history, err = history.Create(t.dir.History(), options); err != nil {
		return err
	}
	t.load = &load{
		nodes: t.hostNames(), workers: t.opts.Concurrency, rate: t.opts.Rate, opTimeout: t.opts.OpTimeout,
		dial: t.dial, history: t.history, gen: t.gen, retry: newRetries(t.opts.Seed, t.opts.Retry),
	}
	t.watch = newWatch(t.load, t.workload.Funcs)
	return t.startClocks()
}

func (t *test) dial(node string, process int) workloads.Client {
	return paxosclient.New(t.system.URL(node), t.workload.Session(process))
}

// round shortens a duration for people.
func round(d time.Duration) time.Duration {
	if d >= time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
