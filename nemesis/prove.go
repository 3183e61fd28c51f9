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

// Proof records whether a kind of fault works on a host: whether it was applied there, observed, reverted, and seen
// to be gone.
type Proof struct {
	Host, Kind string
	OK         bool
	Evidence   []string      // what was seen on the host
	Error      string        // reason if not OK
	Took       time.Duration // for all hosts, which are tried concurrently
}

// proveTimeout limits how long an effect may take to be observed on otherwise idle hosts.
const proveTimeout = 5 * time.Second

// Prove tries kinds of fault on all hosts before a run relies on them. The nodes need not be running, and are left
// alone if they are, except for their connections:
//
//   - partition: all nodes are cut off from each other for a moment; every direction of every pair is proven cut,
//     and then connected again.
//   - kill and pause: on each host a sleep process is started, recorded in a PID file of its own, paused, resumed,
//     killed, restarted, and removed.
//   - clock: the clocks of each host run slow for a moment, and are then stepped. Under a clock shim these are the
//     clocks of that sleep process alone; on a host with its own kernel all processes see it, and time daemons are
//     stopped meanwhile.
//   - transfer: nothing is tried. It needs nothing of a host, and there may be no node to ask yet.
//
// The result has a proof for every host and kind, in the order of hosts and then of kinds. The error joins all
// failures; it is nil if everything requested is proven to work.
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
	if slices.Contains(kinds, Transfer) {
		trial.add(Transfer, outcome{{seen: "needs nothing of the host: a node that hands over says so"}})
	}
	if slices.ContainsFunc(kinds, func(kind string) bool { return slices.Contains(signalled, kind) }) {
		group.Go(func() {
			stage := newStage(newShell(sleepers), sleepers.Hosts(), nil, proveTimeout)
			trial.processes(ctx, stage, sleepers, kinds)
		})
	}
	group.Wait()
	return trial.proofs(kinds)
}

// trial accumulates the observations of the faults being tried.
type trial struct {
	names []string
	mu    sync.Mutex
	seen  map[[2]string]*Proof // by host and kind
}

// add records the outcome of a step. A result that names no host applies to all of them.
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

// try applies and reverts a fault, and reports whether both succeeded.
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
		// Revert even if applying failed: part of the fault may be in place.
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

// partitions tries the partition that contains every possible cut.
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

// signalled are the kinds that are tried on a process, in this order.
var signalled = []string{Clock, Pause, Kill}

// processes tries signals on processes started for this purpose.
func (t *trial) processes(ctx context.Context, s *stage, sleepers *sleepers, kinds []string) {
	var tried []string
	for _, kind := range signalled {
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

// trials returns the faults with which a kind is tried.
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

// proofs returns the results in order.
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

// sleepers is a cluster whose nodes are sleep processes on the hosts of another cluster. They exit by themselves after
// a minute, in case the harness is killed before it ends them. One that is paused then does not: [Heal] ends it.
type sleepers struct {
	cluster Cluster
	nonce   string // keeps files of others from being taken for ours
	shimmed bool   // run them under a clock shim, as nodes would be; otherwise there may be no place for its file
}

// sleeperPIDFile is the PID file of a host's sleep process, beside that of its node. It includes the host's name:
// hosts of a lab on one machine may share a file system.
func sleeperPIDFile(host Host, nonce string) string {
	return path.Join(path.Dir(host.PIDFile), fmt.Sprintf("doctor-%s-%s.pid", nonce, host.Name))
}

// sleeperClock is the control file of the clocks of a host's sleep process, beside that of its node, where the file
// system is in memory.
func sleeperClock(host Host, nonce string) string { return host.Clock.Control + "-doctor-" + nonce }

// pidFile is where the sleep process of a host is recorded.
func (s *sleepers) pidFile(host string) string {
	for _, h := range s.cluster.Hosts() {
		if h.Name == host {
			return sleeperPIDFile(h, s.nonce)
		}
	}
	return ""
}

// clockFile is the control file of the sleep process's clocks, so that the node's own are left alone.
func (s *sleepers) clockFile(host string) string {
	if !s.shimmed {
		return ""
	}
	for _, h := range s.cluster.Hosts() {
		if h.Name == host && h.Clock.Control != "" {
			return sleeperClock(h, s.nonce)
		}
	}
	return ""
}

// Hosts returns the hosts of the cluster, with the sleep processes as nodes.
func (s *sleepers) Hosts() []Host {
	hosts := slices.Clone(s.cluster.Hosts())
	for i := range hosts {
		hosts[i].PIDFile = sleeperPIDFile(hosts[i], s.nonce)
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

// Leader returns "", since sleepers have no leader.
func (s *sleepers) Leader(context.Context) (string, error) { return "", nil }

// HandOver fails, since sleepers have nothing to hand over.
func (s *sleepers) HandOver(context.Context, string) (string, error) {
	return "", errors.New("a sleep process leads nobody")
}

// Start starts and records a sleep process on a host.
func (s *sleepers) Start(ctx context.Context, host string) error {
	create, shim := "", ""
	if file := s.clockFile(host); file != "" {
		create = fmt.Sprintf("mkdir -p '%[3]s'; [ -e '%[1]s' ] || '%[2]s' create -f '%[1]s' || exit 1", file, s.helper(host),
			path.Dir(file))
		shim = fmt.Sprintf("'%s' exec -f '%s' --", s.helper(host), file)
	}
	pidFile := s.pidFile(host)
	_, err := s.cluster.Run(ctx, host, fmt.Sprintf(`(
[ -d '%[4]s' ] || mkdir -p '%[4]s' || exit 1
%[1]s
setsid %[2]s sleep 60 </dev/null >/dev/null 2>&1 &
pid=$!
read -r line </proc/$pid/stat || exit 1
set -f; set -- ${line##*) }; set +f
shift 19
echo "$pid $1" >'%[3]s'
)`, create, shim, pidFile, path.Dir(pidFile)))
	return err
}

// helper returns the path of a host's clock helper.
func (s *sleepers) helper(host string) string {
	i := slices.IndexFunc(s.cluster.Hosts(), func(h Host) bool { return h.Name == host })
	return s.cluster.Hosts()[i].Clock.Helper
}

// remove ends the sleep process on a host and removes its record.
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

// sleepersScript lists the sleep processes that a proof left behind on a host because its harness was killed, and with
// end also kills them and removes their files. Every process is a line, "PID START"; one that has exited meanwhile is
// not listed.
func sleepersScript(host Host, end bool) string {
	const anyNonce = "????????" // of eight characters, see Prove
	files := func(name string) string { return "'" + strings.ReplaceAll(name, anyNonce, "'"+anyNonce+"'") + "'" }
	kill, removeFile, removeClocks := ":", ":", ":"
	if end {
		kill, removeFile = `kill -KILL "$pid" 2>/dev/null`, `rm -f "$file"`
		if host.Clock.Control != "" {
			removeClocks = "rm -f " + files(sleeperClock(host, anyNonce)) + "*"
		}
	}
	return fmt.Sprintf(`(
for file in %s; do
[ -e "$file" ] || continue
pid= start=
read -r pid start 2>/dev/null <"$file"
case $pid$start in ''|*[!0-9]*) ;; *)
if read -r line 2>/dev/null </proc/$pid/stat; then
set -f; set -- ${line##*) }; set +f
shift 19
[ "$1" != "$start" ] || { %s; echo "$pid $start"; }
fi;;
esac
%s
done
%s
)`, files(sleeperPIDFile(host, anyNonce)), kill, removeFile, removeClocks)
}

// parseSleepers parses the output of sleepersScript.
func parseSleepers(host, output string) (found []Process, err error) {
	for line := range strings.Lines(strings.TrimSpace(output)) {
		p := Process{Host: host}
		if _, err := fmt.Sscanf(line, "%d %d", &p.PID, &p.Start); err != nil {
			return nil, fmt.Errorf("parse processes of %s: %q: %w", host, line, err)
		}
		found = append(found, p)
	}
	return found, nil
}
