package nemesis

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"elenchus/nemesis/hostclock"
)

// actuator is the set of primitive actions and observations on a host from which faults are built. All of them are
// idempotent.
type actuator interface {
	install(ctx context.Context, host Host, chain string, rules []rule) error
	remove(ctx context.Context, host Host, chain string) error
	counters(ctx context.Context, host Host) (counters, error)

	// knock sends datagrams. reach tries to connect, and returns the reason for each address it could not reach.
	knock(ctx context.Context, host Host, to []netip.Addr) error
	reach(ctx context.Context, host Host, to []netip.Addr) (map[netip.Addr]string, error)

	// find looks up the process recorded on a host; watch inspects a known process. signal reports whether the
	// process was there to receive the signal.
	find(ctx context.Context, host Host) (sighting, error)
	watch(ctx context.Context, host Host, p Process) (sighting, error)
	signal(ctx context.Context, host Host, p Process, signal string) (bool, error)
	start(ctx context.Context, host Host) error

	// handOver asks the node to give up leading, see [Cluster].HandOver.
	handOver(ctx context.Context, host Host) (ballot string, err error)

	// moveClock and restoreClock apply and revert one fault's change to a host's clocks. lookClock only reads them,
	// and resetClock reverts the changes of all faults. The pid is the process expected to see those clocks, or 0
	// for none.
	moveClock(ctx context.Context, host Host, fault string, m hostclock.Move, pid int) (hostclock.Report, error)
	restoreClock(ctx context.Context, host Host, fault string) (hostclock.Report, error)
	lookClock(ctx context.Context, host Host, pid int) (hostclock.Report, error)
	resetClock(ctx context.Context, host Host) (hostclock.Report, error)

	// sweep removes and names all our chains on a host; leftovers names those that are present.
	sweep(ctx context.Context, host Host) ([]string, error)
	leftovers(ctx context.Context, host Host) ([]string, error)

	// sleepers lists the processes of a proof whose harness was killed, see [Prove]; endSleepers also ends them.
	sleepers(ctx context.Context, host Host) ([]Process, error)
	endSleepers(ctx context.Context, host Host) ([]Process, error)
}

// shell is the actuator for real hosts. It runs scripts on them.
type shell struct {
	cluster  Cluster
	families []netip.Addr // one address of each address family in use

	// tables serializes changes to a host's rules. Two concurrent scripts would both find the base chain missing,
	// and the second would flush the one just created by the first.
	tables map[string]*sync.Mutex
}

func newShell(cluster Cluster) *shell {
	s := &shell{cluster: cluster, tables: map[string]*sync.Mutex{}}
	for _, host := range cluster.Hosts() {
		s.tables[host.Name] = &sync.Mutex{}
		peer := host.Peer.Unmap()
		if !slices.ContainsFunc(s.families, func(a netip.Addr) bool { return a.Is4() == peer.Is4() }) {
			s.families = append(s.families, peer)
		}
	}
	return s
}

// run runs a script. A failure is reported as the failure of what.
func (s *shell) run(ctx context.Context, host Host, script, what string) (string, error) {
	out, err := s.cluster.Run(ctx, host.Name, script)
	if err != nil {
		return out, fmt.Errorf("%s on %s: %w", what, host.Name, err)
	}
	return out, nil
}

// lock gives the caller exclusive use of a host's rules until it calls unlock.
func (s *shell) lock(host Host) (unlock func()) {
	s.tables[host.Name].Lock()
	return s.tables[host.Name].Unlock
}

func (s *shell) install(ctx context.Context, host Host, chain string, rules []rule) error {
	defer s.lock(host)()
	for _, family := range s.families {
		own := slices.DeleteFunc(slices.Clone(rules), func(r rule) bool { return r.source.Is4() != family.Is4() })
		if len(own) == 0 {
			continue
		}
		if _, err := s.run(ctx, host, installScript(tool(family), chain, own), "install rules"); err != nil {
			return err
		}
	}
	return nil
}

func (s *shell) remove(ctx context.Context, host Host, chain string) error {
	defer s.lock(host)()
	for _, family := range s.families {
		if _, err := s.run(ctx, host, removeScript(tool(family), chain), "remove rules"); err != nil {
			return err
		}
	}
	return nil
}

func (s *shell) counters(ctx context.Context, host Host) (counters, error) {
	all := counters{}
	for _, family := range s.families {
		out, err := s.run(ctx, host, listScript(tool(family)), "list rules")
		if err != nil {
			return nil, err
		}
		found, err := parseCounters(out)
		if err != nil {
			return nil, fmt.Errorf("list rules on %s: %w", host.Name, err)
		}
		for k, v := range found {
			all[k] = v
		}
	}
	return all, nil
}

func (s *shell) knock(ctx context.Context, host Host, to []netip.Addr) error {
	_, err := s.run(ctx, host, knockScript(to), "send probes")
	return err
}

func (s *shell) reach(ctx context.Context, host Host, to []netip.Addr) (map[netip.Addr]string, error) {
	out, err := s.run(ctx, host, reachScript(to), "connect to peers")
	if err != nil {
		return nil, err
	}
	return parseReach(to, out), nil
}

func (s *shell) find(ctx context.Context, host Host) (sighting, error) {
	return s.look(ctx, host, findScript(host.PIDFile))
}

func (s *shell) watch(ctx context.Context, host Host, p Process) (sighting, error) {
	return s.look(ctx, host, watchScript(p))
}

func (s *shell) look(ctx context.Context, host Host, script string) (sighting, error) {
	out, err := s.run(ctx, host, script, "look for the process")
	if err != nil {
		return sighting{}, err
	}
	return parseSighting(host.Name, out)
}

func (s *shell) signal(ctx context.Context, host Host, p Process, signal string) (bool, error) {
	out, err := s.run(ctx, host, signalScript(p, signal), "send SIG"+signal)
	return strings.TrimSpace(out) == "sent", err
}

func (s *shell) start(ctx context.Context, host Host) error {
	if err := s.cluster.Start(ctx, host.Name); err != nil {
		return fmt.Errorf("start the process on %s: %w", host.Name, err)
	}
	return nil
}

func (s *shell) handOver(ctx context.Context, host Host) (string, error) {
	ballot, err := s.cluster.HandOver(ctx, host.Name)
	if err != nil {
		return "", fmt.Errorf("ask %s to hand over: %w", host.Name, err)
	}
	return ballot, nil
}

func (s *shell) moveClock(ctx context.Context, host Host, fault string, m hostclock.Move, pid int) (
	hostclock.Report, error) {
	return s.clock(ctx, host, fmt.Sprintf("apply -fault %s -pid %d %s", fault, pid, moveFlags(m)), "move clocks")
}

func moveFlags(m hostclock.Move) string {
	switch {
	case m.Rate != 0:
		return "-rate " + m.Rate.String()
	case m.Step != 0:
		return "-step " + m.Step.String()
	default:
		return "-by " + m.Strobe.String() + " -every " + m.Every.String()
	}
}

func (s *shell) restoreClock(ctx context.Context, host Host, fault string) (hostclock.Report, error) {
	return s.clock(ctx, host, "revert -fault "+fault, "put clocks right")
}

func (s *shell) lookClock(ctx context.Context, host Host, pid int) (hostclock.Report, error) {
	return s.clock(ctx, host, fmt.Sprintf("look -pid %d", pid), "look at clocks")
}

func (s *shell) resetClock(ctx context.Context, host Host) (hostclock.Report, error) {
	return s.clock(ctx, host, "reset", "put clocks right")
}

// clock runs a command of the clock helper on a host.
func (s *shell) clock(ctx context.Context, host Host, command, what string) (hostclock.Report, error) {
	if host.Clock.Way() == "" {
		return hostclock.Report{}, fmt.Errorf("%s on %s: %w", what, host.Name, errNoClock)
	}
	verb, rest, _ := strings.Cut(command, " ")
	out, err := s.run(ctx, host, fmt.Sprintf("'%s' %s %s %s", host.Clock.Helper, verb, host.Clock.args(), rest), what)
	if err != nil {
		return hostclock.Report{}, err
	}
	var report hostclock.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		return hostclock.Report{}, fmt.Errorf("%s on %s: the helper says %q: %w", what, host.Name, out, err)
	}
	return report, nil
}

func (s *shell) sweep(ctx context.Context, host Host) ([]string, error) {
	defer s.lock(host)()
	out, err := s.run(ctx, host, sweepScript(), "remove all rules of ours")
	var removed []string
	for _, text := range strings.Split(out, "\n") {
		if what, ok := strings.CutPrefix(text, "removed "); ok {
			removed = append(removed, what)
		}
	}
	return removed, err
}

func (s *shell) leftovers(ctx context.Context, host Host) ([]string, error) {
	out, err := s.run(ctx, host, chainsScript(), "look for rules of ours")
	if err != nil || strings.TrimSpace(out) == "" {
		return nil, err
	}
	return strings.Split(strings.TrimSpace(out), "\n"), nil
}

func (s *shell) sleepers(ctx context.Context, host Host) ([]Process, error) {
	out, err := s.run(ctx, host, sleepersScript(host, false), "look for processes of an earlier proof")
	if err != nil {
		return nil, err
	}
	return parseSleepers(host.Name, out)
}

func (s *shell) endSleepers(ctx context.Context, host Host) ([]Process, error) {
	out, err := s.run(ctx, host, sleepersScript(host, true), "end processes of an earlier proof")
	if err != nil {
		return nil, err
	}
	return parseSleepers(host.Name, out)
}
