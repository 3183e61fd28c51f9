package nemesis

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"elenchus/results/history"
)

// partition cuts connections.
type partition struct {
	deedBase
	cuts []Cut
}

// expectation is an intended effect on packets from one node to another: drop them, or count them and let them
// pass. The latter proves that a one-way cut is one-way.
type expectation struct {
	Cut
	drop bool
}

// expectations returns the cuts, and the open direction of one-way cuts, by receiving node.
func (p *partition) expectations() map[string][]expectation {
	wanted := map[string][]expectation{}
	for _, c := range p.cuts {
		wanted[c.To] = append(wanted[c.To], expectation{c, true})
		if back := (Cut{c.To, c.From}); !slices.Contains(p.cuts, back) {
			wanted[back.To] = append(wanted[back.To], expectation{back, false})
		}
	}
	return wanted
}

// receivers lists the nodes that need rules, in the order of the hosts.
func (p *partition) receivers() []string {
	wanted := p.expectations()
	var names []string
	for _, host := range p.hosts {
		if len(wanted[host.Name]) > 0 {
			names = append(names, host.Name)
		}
	}
	return names
}

func (p *partition) chain() string { return chainName(p.fault.ID) }

func (p *partition) apply(ctx context.Context) outcome {
	receivers, wanted := p.receivers(), p.expectations()
	if err := p.enter(receivers, nil); err != nil {
		return outcome{failed(err)}
	}
	p.board.setCuts(p.fault.ID, p.cuts)
	installed := p.each(receivers, func(host Host) result {
		var rules []rule
		for _, e := range wanted[host.Name] {
			rules = append(rules, rule{p.host(e.From).Peer, e.drop})
		}
		if err := p.install(ctx, host, p.chain(), rules); err != nil {
			return failed(err)
		}
		return result{}
	})
	if installed.err() != nil {
		return installed
	}
	return p.remains(ctx)
}

// remains implements [deed]: every rule is still there, and matches a new probe.
func (p *partition) remains(ctx context.Context) outcome {
	receivers, wanted := p.receivers(), p.expectations()
	before := map[string]counters{}
	var mu sync.Mutex
	there := p.each(receivers, func(host Host) result {
		count, err := p.counters(ctx, host)
		if err != nil {
			return failed(err)
		}
		for _, e := range wanted[host.Name] {
			own := counter{p.chain(), rule{p.host(e.From).Peer, e.drop}}
			if _, ok := count[own]; !ok {
				return gone("%s has no rule for packets from %s (%v) in %s", host.Name, e.From, own.source, p.chain())
			}
		}
		mu.Lock()
		defer mu.Unlock()
		before[host.Name] = count
		return result{}
	})
	if there.err() != nil {
		return there
	}
	return p.prove(ctx, receivers, before)
}

// prove sends probes until every expectation has been seen to hold.
func (p *partition) prove(ctx context.Context, receivers []string, before map[string]counters) outcome {
	wanted, sent := p.expectations(), 0
	seen := map[string]map[expectation]string{}
	for _, name := range receivers {
		seen[name] = map[expectation]string{}
	}
	gaveUp := poll(ctx, p.proof, func(ctx context.Context) error {
		sent++
		p.knockAll(ctx, func(e expectation) bool { return seen[e.To][e] == "" })
		return p.each(receivers, func(host Host) result {
			if len(seen[host.Name]) == len(wanted[host.Name]) {
				return result{}
			}
			now, err := p.counters(ctx, host)
			if err != nil {
				return failed(err)
			}
			var missing []string
			for _, e := range wanted[host.Name] {
				if seen[host.Name][e] != "" {
					continue
				}
				if text := p.met(e, before[host.Name], now); text != "" {
					seen[host.Name][e] = text
				} else {
					missing = append(missing, e.missing(p.host(e.From).Peer))
				}
			}
			if missing != nil {
				return gone("%s", strings.Join(missing, "; "))
			}
			return result{}
		}).err()
	})
	var results outcome
	for _, name := range receivers {
		var texts []string
		for _, e := range wanted[name] {
			if text := seen[name][e]; text != "" {
				texts = append(texts, text)
			}
		}
		results = append(results, result{name, history.FaultInstalled, strings.Join(texts, ", "), nil})
	}
	if gaveUp != nil {
		results = append(results, failed(fmt.Errorf("prove the cuts with %d rounds of probes: %w", sent, gaveUp)))
	}
	return results
}

// knockAll sends probes to all receivers. A sender that fails shows up in the receivers' counters.
func (p *partition) knockAll(ctx context.Context, open func(expectation) bool) {
	to := map[string][]netip.Addr{}
	var senders []string
	for _, expectations := range p.expectations() {
		for _, e := range expectations {
			if open(e) {
				to[e.From] = append(to[e.From], p.host(e.To).Peer)
			}
		}
	}
	for _, host := range p.hosts {
		if len(to[host.Name]) > 0 {
			senders = append(senders, host.Name)
		}
	}
	p.each(senders, func(host Host) result {
		if err := p.knock(ctx, host, to[host.Name]); err != nil {
			return failed(err)
		}
		return result{}
	})
}

// met describes how an expectation was met according to the counters; it returns "" if that cannot be said yet. A
// packet dropped by the rule of another, overlapping partition of ours counts as dropped.
func (p *partition) met(e expectation, before, now counters) string {
	source := p.host(e.From).Peer
	own := counter{p.chain(), rule{source, e.drop}}
	if moved := now[own] - min(before[own], now[own]); moved > 0 {
		if e.drop {
			return fmt.Sprintf("dropped %s from %s", packets(moved), e.From)
		}
		return fmt.Sprintf("let pass %s from %s", packets(moved), e.From)
	}
	var others []string
	for c, count := range now {
		if c.drop && c.source == source && c.chain != p.chain() && count > before[c] {
			others = append(others, fmt.Sprintf("%s from %s dropped by %s", packets(count-before[c]), e.From, c.chain))
		}
	}
	slices.Sort(others)
	return strings.Join(others, ", ")
}

func (e expectation) missing(source netip.Addr) string {
	if e.drop {
		return fmt.Sprintf("%s dropped nothing from %s (%v)", e.To, e.From, source)
	}
	return fmt.Sprintf("nothing from %s (%v) got through to %s, which is not cut", e.From, source, e.To)
}

func packets(n uint64) string {
	if n == 1 {
		return "1 packet"
	}
	return fmt.Sprintf("%d packets", n)
}

func (p *partition) revert(ctx context.Context) outcome {
	removed := p.each(p.receivers(), func(host Host) result {
		err := poll(ctx, p.proof, func(ctx context.Context) error {
			if err := p.remove(ctx, host, p.chain()); err != nil {
				return err
			}
			count, err := p.counters(ctx, host)
			if err == nil && count.hasChain(p.chain()) {
				err = fmt.Errorf("%s still has chain %s", host.Name, p.chain())
			}
			return err
		})
		if err != nil {
			return failed(err)
		}
		return done(history.FaultReverted, "rules are gone")
	})
	if removed.err() != nil {
		return removed
	}
	p.board.setCuts(p.fault.ID, nil)
	return p.settle(append(removed, p.reconnected(ctx)...))
}

// reconnected proves that the nodes that were cut off reach each other again, except where another fault cuts them.
func (p *partition) reconnected(ctx context.Context) outcome {
	pairs := map[string][]string{} // each pair once, keyed by its first node
	var callers []string
	for i, host := range p.hosts {
		for _, other := range p.hosts[i+1:] {
			there, back := Cut{host.Name, other.Name}, Cut{other.Name, host.Name}
			if slices.Contains(p.cuts, there) || slices.Contains(p.cuts, back) {
				pairs[host.Name] = append(pairs[host.Name], other.Name)
			}
		}
		if pairs[host.Name] != nil {
			callers = append(callers, host.Name)
		}
	}
	return p.each(callers, func(host Host) result {
		var reached, others []string
		err := poll(ctx, p.proof, func(ctx context.Context) error {
			var err error
			reached, others, err = p.call(ctx, host, pairs[host.Name])
			return err
		})
		if err != nil {
			return failed(err)
		}
		if len(reached) > 0 {
			others = append([]string{"reaches " + strings.Join(reached, ", ")}, others...)
		}
		return done(history.FaultReverted, "%s", strings.Join(others, "; "))
	})
}

// call connects a node to others. It returns those it reached, and for the others the fault that cuts them off.
func (p *partition) call(ctx context.Context, host Host, to []string) (reached, others []string, err error) {
	var addrs []netip.Addr
	for _, name := range to {
		if fault := p.board.cutBy(host.Name, name); fault != "" {
			others = append(others, fmt.Sprintf("%s is still cut off by %s", name, fault))
			continue
		}
		reached, addrs = append(reached, name), append(addrs, p.host(name).Peer)
	}
	if len(addrs) == 0 {
		return reached, others, nil
	}
	failures, err := p.reach(ctx, host, addrs)
	if err != nil {
		return nil, nil, err
	}
	var errs []error
	for i, name := range reached {
		if why, isFailure := failures[addrs[i]]; isFailure {
			errs = append(errs, fmt.Errorf("%s does not reach %s (%v) again: %s", host.Name, name, addrs[i], why))
		}
	}
	return reached, others, errors.Join(errs...)
}
