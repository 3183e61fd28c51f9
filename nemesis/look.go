package nemesis

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Leftover is something on a host that a harness which has ended should have taken away.
type Leftover struct {
	Host string `json:"host"`
	What string `json:"what"`

	// Fault says that it is the effect of a fault, which [Heal] undoes. What is not is a process that goes on.
	Fault bool `json:"fault"`
}

func (l Leftover) String() string { return l.Host + ": " + l.What }

// lookTimeout bounds what is asked of one host.
const lookTimeout = 15 * time.Second

// Look finds what a harness left behind on the hosts, and changes nothing: our packet filter rules, the recorded
// process if it is stopped or still runs, and the processes of an interrupted proof of faults ([Prove]). Moved clocks
// are not looked for: only the ledger knows of these. Nobody else may be testing there.
//
// The error names the hosts that could not be looked at; the rest is valid either way.
func Look(ctx context.Context, cluster Cluster) ([]Leftover, error) {
	hosts := cluster.Hosts()
	if err := checkHosts(hosts); err != nil {
		return nil, fmt.Errorf("look for leftovers: %w", err)
	}
	return look(ctx, newShell(cluster), hosts)
}

func look(ctx context.Context, a actuator, hosts []Host) ([]Leftover, error) {
	s := newStage(a, hosts, nil, lookTimeout)
	left := make(map[string]*[]Leftover, len(hosts))
	var names []string
	for _, host := range hosts {
		names = append(names, host.Name)
		left[host.Name] = new([]Leftover)
	}
	results := s.each(names, func(host Host) result {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		note := func(fault bool, format string, args ...any) {
			to := left[host.Name]
			*to = append(*to, Leftover{Host: host.Name, What: fmt.Sprintf(format, args...), Fault: fault})
		}
		rules, rulesErr := s.leftovers(ctx, host)
		for _, rule := range rules {
			note(true, "%s is in place", rule)
		}
		node, nodeErr := s.find(ctx, host)
		switch {
		case nodeErr != nil || !node.alive:
		case node.stopped > 0:
			note(true, "%v is paused", node.Process)
		default:
			note(false, "%v is running", node.Process)
		}
		tried, triedErr := s.sleepers(ctx, host)
		for _, p := range tried {
			note(true, "%v is running, on which faults were tried", p)
		}
		if err := errors.Join(rulesErr, nodeErr, triedErr); err != nil {
			return failed(err)
		}
		return result{}
	})
	var all []Leftover
	var errs []error
	for _, r := range results {
		all = append(all, *left[r.node]...)
		errs = append(errs, r.err)
	}
	if err := errors.Join(errs...); err != nil {
		return all, fmt.Errorf("look for leftovers: %w", err)
	}
	return all, nil
}
