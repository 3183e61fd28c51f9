package nemesis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
	"elenchus/results/history"
)

// Proof says whether a kind of fault works on a host: it was applied there, seen to take effect, reverted, and seen to
// be gone.
type Proof struct {
	Host, Kind string
	OK         bool
	Evidence   []string      // what was seen on the host
	Error      string        // why not OK
	Took       time.Duration // for all hosts, which are tried at the same time
}

// proveTimeout is how long an effect may take to be seen when nothing else goes on.
const proveTimeout = 5 * time.Second

// Prove tries kinds of fault on all hosts, before a run counts on them. The nodes need not run, and are left alone if
// they do, but for their connections:
//
//   - partition: for a moment nobody hears anybody; every direction of every pair is proven cut, and then whole again.
//   - kill and pause: on each host a sleep is started, recorded in a PID file of its own, paused, resumed, killed,
//     started again, and removed.
//   - clock: the clocks of each host run slow for a moment, and then jump for another. Under a clock shim those are the
//     clocks of that sleep alone; where the host has a kernel of its own, all its processes see it, and its time
//     daemons are stopped meanwhile.
//
// The answer has a proof for every host and kind, in the order of hosts and then of kinds. The error joins what went
// wrong; it is nil if everything wanted is proven to work.
func Prove(ctx context.Context, cluster Cluster, kinds []string) ([]Proof, error) {
	hosts := cluster.Hosts()
	if err := checkHosts(hosts); err != nil {
		return nil, fmt.Errorf("prove faults: %w", err)
	}
	for _, kind := range kinds {
		if _, known := lookupKind(kind); !known {
			return nil, fmt.Errorf("prove faults: %w", unknownWord("kind of fault", kind, kindNames()))
		}
	}
	var names []string
	for _, host := range hosts {
		names = append(names, host.Name)
	}
	sleepers := &sleepers{cluster: cluster, nonce: rand.Text()[:8], shimmed: slices.Contains(kinds, Clock)}
	trial := trial{names: names, seen: map[[2]string]*Proof{}}
	for _, host := range names {
		for _, kind := range kinds {
			trial.seen[[2]string{host, kind}] = &Proof{Host: host, Kind: kind, OK: true}
		}
	}
	var group sync.WaitGroup
	if slices.Contains(kinds, Partition) {
		group.Go(func() {
			trial.partitions(ctx, newStage(newShell(cluster), hosts, nil, proveTimeout))
		})
	}
	if slices.ContainsFunc(kinds, func(kind string) bool { return kind != Partition }) {
		group.Go(func() {
			stage := newStage(newShell(sleepers), sleepers.Hosts(), nil, proveTimeout)
			trial.processes(ctx, stage, sleepers, kinds)
		})
	}
	group.Wait()
	return trial.proofs(kinds)
}

// trial collects what is seen of faults being tried.
type trial struct {
	names []string
	mu    sync.Mutex
	seen  map[[2]string]*Proof // by host and kind
}

// add notes what came of a step. What is about no host in particular is about all of them.
func (t *trial) add(kind string, o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range o {
		for _, host := range t.names {
			if r.node != "" && r.node != host {
				continue
			}
			proof := t.seen[[2]string{host, kind}]
			if r.seen != "" {
				proof.Evidence = append(proof.Evidence, r.seen)
			}
			if r.err != nil || r.status == history.FaultSkipped {
				proof.OK = false
				proof.Error = strings.TrimPrefix(proof.Error+"\n"+textOr(r.err, r.seen), "\n")
			}
		}
	}
}

func textOr(err error, text string) string {
	if err != nil {
		return err.Error()
	}
	return text
}

// try applies a fault and reverts it, and says whether both went well.
func (t *trial) try(ctx context.Context, s *stage, f Fault) bool {
	f.ID = "doctor"
	if problems := f.targetProblems(t.names); problems != nil {
		t.add(f.Kind, outcome{failed(errors.New(problems[0].msg))})
		return false
	}
	resolved, err := f.Resolve(t.names, 0, Roles{})
	if err != nil {
		t.add(f.Kind, outcome{failed(err)})
		return false
	}
	d := s.deed(resolved)
	applied := d.apply(ctx)
	t.add(f.Kind, applied)
	var reverted outcome
	if d.entered() {
		// In any case: what was left in place is worse than what could not be put there.
		reverted = d.revert(context.WithoutCancel(ctx))
		t.add(f.Kind, reverted)
	}
	return applied.err() == nil && reverted.err() == nil
}

func (t *trial) took(kind string, since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, host := range t.names {
		t.seen[[2]string{host, kind}].Took = time.Since(since)
	}
}

// partitions tries the cut that has every other in it.
func (t *trial) partitions(ctx context.Context, s *stage) {
	defer t.took(Partition, time.Now())
	if t.try(ctx, s, Fault{Kind: Partition, Shape: Isolate, Groups: [][]string{{RoleAll}}}) {
		return
	}
	t.add(Partition, s.each(t.names, func(host Host) result {
		if _, err := s.sweep(context.WithoutCancel(ctx), host); err != nil {
			return failed(err)
		}
		return result{}
	}))
}

// processes tries signals on processes made for it.
func (t *trial) processes(ctx context.Context, s *stage, sleepers *sleepers, kinds []string) {
	var tried []string
	for _, kind := range []string{Clock, Pause, Kill} {
		if slices.Contains(kinds, kind) {
			tried = append(tried, kind)
		}
	}
	failure := func(o outcome) {
		for _, kind := range tried {
			t.add(kind, o)
		}
	}
	began := time.Now()
	started := s.each(t.names, func(host Host) result {
		if err := s.start(ctx, host); err != nil {
			return failed(err)
		}
		return result{}
	})
	failure(started)
	for _, kind := range tried {
		for _, f := range trials(kind) {
			t.try(ctx, s, f)
		}
		t.took(kind, began)
		began = time.Now()
	}
	failure(s.each(t.names, func(host Host) result {
		if err := sleepers.remove(context.WithoutCancel(ctx), host.Name); err != nil {
			return failed(err)
		}
		return result{}
	}))
}

// trials are the faults by which a kind is tried.
func trials(kind string) []Fault {
	all := [][]string{{RoleAll}}
	if kind != Clock {
		return []Fault{{Kind: kind, Groups: all}}
	}
	return []Fault{
		{Kind: Clock, Shape: ClockRate, Groups: all, Move: hostclock.Move{Rate: clockshim.Nominal * 99 / 100}},
		{Kind: Clock, Shape: ClockStep, Groups: all, Move: hostclock.Move{Step: time.Second}},
	}
}

// proofs are the results in order.
func (t *trial) proofs(kinds []string) ([]Proof, error) {
	var proofs []Proof
	var errs []error
	for _, host := range t.names {
		for _, kind := range kinds {
			proof := t.seen[[2]string{host, kind}]
			proofs = append(proofs, *proof)
			if !proof.OK {
				errs = append(errs, fmt.Errorf("%s does not work on %s: %s", kind, host, proof.Error))
			}
		}
	}
	return proofs, errors.Join(errs...)
}

// sleepers is a cluster whose nodes are sleeps on the hosts of another cluster. They end by themselves, should nobody
// get round to ending them.
type sleepers struct {
	cluster Cluster
	nonce   string // so that nobody else's file is taken for ours
	shimmed bool   // they run under a clock shim, where nodes would; else there may be no place for its file
}

// pidFile names the host, too: hosts of a lab on one machine may share a file system.
func (s *sleepers) pidFile(host string) string {
	return fmt.Sprintf("/tmp/elenchus-doctor-%s-%s.pid", s.nonce, host)
}

// clockFile is the control file of the sleep's clocks: the node's own are left alone. It lies beside the node's, where
// the file system is in memory.
func (s *sleepers) clockFile(host string) string {
	if !s.shimmed {
		return ""
	}
	for _, h := range s.cluster.Hosts() {
		if h.Name == host && h.Clock.Control != "" {
			return h.Clock.Control + "-doctor-" + s.nonce
		}
	}
	return ""
}

// Hosts are the hosts of the cluster, with the sleeps for processes.
func (s *sleepers) Hosts() []Host {
	hosts := slices.Clone(s.cluster.Hosts())
	for i := range hosts {
		hosts[i].PIDFile = s.pidFile(hosts[i].Name)
		if s.shimmed && hosts[i].Clock.Control != "" {
			hosts[i].Clock.Control = s.clockFile(hosts[i].Name)
		}
	}
	return hosts
}

// Run runs a script on a host of the cluster.
func (s *sleepers) Run(ctx context.Context, host, script string) (string, error) {
	return s.cluster.Run(ctx, host, script)
}

// Leader is unknown: sleepers have none.
func (s *sleepers) Leader(context.Context) (string, error) { return "", nil }

// Start starts a sleep on a host and records it.
func (s *sleepers) Start(ctx context.Context, host string) error {
	create, shim := "", ""
	if file := s.clockFile(host); file != "" {
		create = fmt.Sprintf("mkdir -p '%[3]s'; [ -e '%[1]s' ] || '%[2]s' create -f '%[1]s' || exit 1", file, s.helper(host),
			path.Dir(file))
		shim = fmt.Sprintf("'%s' exec -f '%s' --", s.helper(host), file)
	}
	_, err := s.cluster.Run(ctx, host, fmt.Sprintf(`(
%s
setsid %s sleep 60 </dev/null >/dev/null 2>&1 &
pid=$!
read -r line </proc/$pid/stat || exit 1
set -f; set -- ${line##*) }; set +f
shift 19
echo "$pid $1" >'%s'
)`, create, shim, s.pidFile(host)))
	return err
}

// helper is the one for clocks of a host.
func (s *sleepers) helper(host string) string {
	i := slices.IndexFunc(s.cluster.Hosts(), func(h Host) bool { return h.Name == host })
	return s.cluster.Hosts()[i].Clock.Helper
}

// remove ends the sleep on a host and removes its record.
func (s *sleepers) remove(ctx context.Context, host string) error {
	h := Host{Name: host, PIDFile: s.pidFile(host)}
	shell := &shell{cluster: s.cluster}
	found, err := shell.find(ctx, h)
	if err != nil {
		return err
	}
	if found.alive {
		if _, err := shell.signal(ctx, h, found.Process, "KILL"); err != nil {
			return err
		}
	}
	files := "'" + h.PIDFile + "'"
	if file := s.clockFile(host); file != "" {
		files += fmt.Sprintf(" '%s' '%[1]s.book' '%[1]s.book.lock'", file)
	}
	_, err = shell.run(ctx, h, "rm -f "+files, "remove the files of the process")
	return err
}
