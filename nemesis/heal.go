package nemesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// HealOptions configures [Heal]. The zero value is ready to use.
type HealOptions struct {
	// Ledger lists faults that cannot be detected on the hosts. An entry is settled once all its hosts are healthy.
	Ledger *Ledger

	// Restart makes Heal restart the processes that the ledger lists as killed. It is meant for the end of a run;
	// before a run, when the system is about to be deployed anew, there may be nothing to start.
	Restart bool

	// Timeout limits each action on each host. Zero means 15 s.
	Timeout time.Duration

	// Unreachable are the names of hosts that are not in the cluster because they could not be reached. What is
	// outstanding on them stays so, which the caller knows already and is no further error.
	Unreachable []string
}

// HealReport lists what Heal found and repaired.
type HealReport struct {
	Found []string // "n1: removed iptables ELENCHUS-f3", in the order of the hosts; empty if all was well
}

// Heal undoes every fault that it finds on the hosts or in the ledger. It removes all chains called ELENCHUS or
// ELENCHUS-something and the jumps to them, but no other rules. It resumes stopped processes that are recorded on
// the hosts or in the ledger, restarts killed ones if o.Restart is set, restores clocks known to have been moved, and
// ends the processes that an interrupted proof of faults ([Prove]) left behind. It looks at the actual state of the
// hosts, so it can be called repeatedly, at any time, and by anybody.
//
// All hosts are healed concurrently. The error lists what could not be repaired; the report is valid either way.
func Heal(ctx context.Context, cluster Cluster, o HealOptions) (HealReport, error) {
	hosts := cluster.Hosts()
	if err := checkHosts(hosts); err != nil {
		return HealReport{}, fmt.Errorf("heal: %w", err)
	}
	return heal(ctx, newShell(cluster), hosts, o)
}

func heal(ctx context.Context, a actuator, hosts []Host, o HealOptions) (HealReport, error) {
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	numbers, entries := o.Ledger.outstanding()
	s := newStage(a, hosts, o.Ledger, o.Timeout)
	var names []string
	for _, host := range s.hosts {
		names = append(names, host.Name)
	}
	found := make(map[string]*[]string, len(names))
	for _, name := range names {
		found[name] = new([]string)
	}
	results := s.each(names, func(host Host) result {
		h := healer{stage: s, host: host, entries: entries, restart: o.Restart, found: found[host.Name]}
		if err := h.heal(ctx); err != nil {
			return failed(err)
		}
		return result{}
	})
	var report HealReport
	var errs []error
	var ill []string
	for _, r := range results {
		report.Found = append(report.Found, *found[r.node]...)
		if r.err != nil {
			errs, ill = append(errs, r.err), append(ill, r.node)
		}
	}
	for i, entry := range entries {
		for _, host := range entry.Hosts {
			if slices.Contains(o.Unreachable, host) {
				ill = append(ill, host)
			} else if !slices.Contains(names, host) {
				errs = append(errs, fmt.Errorf("%s (%s %s) is outstanding on %s, which is not one of the hosts",
					entry.ID, entry.Kind, entry.Played, host))
				ill = append(ill, host)
			}
		}
		if !slices.ContainsFunc(entry.Hosts, func(host string) bool { return slices.Contains(ill, host) }) {
			errs = append(errs, o.Ledger.Settle(numbers[i]))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return report, fmt.Errorf("heal: %w", err)
	}
	return report, nil
}

// healer heals one host.
type healer struct {
	*stage
	host    Host
	entries []Entry
	restart bool
	found   *[]string
}

func (h *healer) note(format string, args ...any) {
	*h.found = append(*h.found, h.host.Name+": "+fmt.Sprintf(format, args...))
}

// heal runs every repair; a failing one does not prevent the others.
func (h *healer) heal(ctx context.Context) error {
	return errors.Join(h.tables(ctx), h.stopped(ctx), h.killed(ctx), h.clocks(ctx), h.proofs(ctx))
}

// proofs ends the processes of a proof of faults whose harness was killed while it went on.
func (h *healer) proofs(ctx context.Context) error {
	return poll(ctx, h.proof, func(ctx context.Context) error {
		ended, err := h.endSleepers(ctx, h.host)
		for _, p := range ended {
			h.note("ended %v, on which faults were tried", p)
		}
		return err
	})
}

// tables removes our chains and rules.
func (h *healer) tables(ctx context.Context) error {
	return poll(ctx, h.proof, func(ctx context.Context) error {
		removed, err := h.sweep(ctx, h.host)
		for _, what := range removed {
			h.note("removed %s", what)
		}
		if err != nil {
			return err
		}
		left, err := h.leftovers(ctx, h.host)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%s still has %s", h.host.Name, strings.Join(left, ", "))
		}
		return err
	})
}

// stopped resumes processes: the one recorded on the host, and those that the ledger lists as stopped.
func (h *healer) stopped(ctx context.Context) error {
	var current sighting
	err := poll(ctx, h.proof, func(ctx context.Context) (err error) {
		current, err = h.find(ctx, h.host)
		return err
	})
	errs := []error{err}
	var processes []Process
	if current.alive {
		processes = append(processes, current.Process)
	}
	for _, entry := range h.entries {
		for _, p := range entry.Processes {
			if entry.Kind == Pause && p.Host == h.host.Name && !slices.Contains(processes, p) {
				processes = append(processes, p)
			}
		}
	}
	for _, p := range processes {
		errs = append(errs, h.resume(ctx, p))
	}
	return errors.Join(errs...)
}

func (h *healer) resume(ctx context.Context, p Process) error {
	sent := false
	return poll(ctx, h.proof, func(ctx context.Context) error {
		s, err := h.watch(ctx, h.host, p)
		if err != nil || !s.alive || s.stopped == 0 {
			return err
		}
		if !sent {
			h.note("resumed %v", p)
			sent = true
		}
		if _, err := h.signal(ctx, h.host, p, "CONT"); err != nil {
			return err
		}
		return fmt.Errorf("%s: %v: %d of %d threads are still stopped", h.host.Name, p, s.stopped, s.threads)
	})
}

// killed restarts what the ledger lists as killed, unless something runs in its place.
func (h *healer) killed(ctx context.Context) error {
	wanted := slices.ContainsFunc(h.entries, func(e Entry) bool {
		return e.Kind == Kill && slices.Contains(e.Hosts, h.host.Name)
	})
	if !wanted || !h.restart {
		return nil
	}
	started := false
	return poll(ctx, h.proof, func(ctx context.Context) error {
		s, err := h.find(ctx, h.host)
		if err != nil {
			return err
		}
		if s.alive {
			if started {
				h.note("started %v", s.Process)
			}
			return nil
		}
		started = true
		if err := h.start(ctx, h.host); err != nil {
			return err
		}
		return fmt.Errorf("%s was started, but does not run yet", h.host.Name)
	})
}
