package run

import (
	"context"
	"errors"
	"slices"
	"strings"

	"elenchus/harness/control"
	"elenchus/harness/lab"
	"elenchus/harness/system"
	"elenchus/nemesis"
)

// Doctor verifies, host by host, that what a test needs works in a lab: first the checks of lab.BasicChecks, then
// that no harness left anything behind, then every kind of fault, applied and reverted once. Faults are tried only on
// a lab without other problems.
//
// ClockBinary is the path of the helper for clocks on this machine; it is needed for clock faults only.
func Doctor(ctx context.Context, inv lab.Inventory, kinds []string, clockBinary, resultsDir string) (
	lab.Findings, error) {
	found := lab.Doctor(ctx, inv, control.Options{}, lab.BasicChecks())
	if !found.OK() {
		return found, nil
	}
	if err := refuse(kinds, inv.Hosts); err != nil {
		return found, err
	}
	clients, err := DialAll(ctx, inv.Hosts, nil)
	if err != nil {
		return found, err
	}
	defer closeAll(clients)
	lock, err := lab.Acquire(ctx, inv, clients, lab.LockOptions{Run: "doctor"})
	if err != nil {
		return found, err
	}
	free := context.WithoutCancel(ctx)
	var left Left
	err = left.look(ctx, inv, clients, resultsDir)
	found = append(found, leftFindings(inv, left)...)
	if err != nil || len(kinds) == 0 || !found.OK() {
		return found, errors.Join(err, lock.Release(free))
	}
	bare := bareHosts{pidFile: noPIDFile}
	if slices.Contains(kinds, nemesis.Clock) {
		if bare.clocks, err = deployClocks(ctx, clockBinary, true, clients); err != nil {
			return found, errors.Join(err, lock.Release(context.WithoutCancel(ctx)))
		}
	}
	proofs, err := nemesis.Prove(ctx, newCluster(clients, bare), kinds)
	for _, p := range proofs {
		f := lab.Finding{Host: p.Host, Check: p.Kind, OK: p.OK, Detail: strings.Join(p.Evidence, "; ")}
		if !p.OK {
			f.Detail, f.Remedy = p.Error, "see elenchus list nemeses for what the fault needs"
		}
		found = append(found, f)
	}
	if len(proofs) > 0 {
		err = nil // the findings contain it
	}
	return found, errors.Join(err, lock.Release(context.WithoutCancel(ctx)))
}

// leftFindings reports what a harness left behind on each host. A running node does not prevent a test, which stops
// it.
func leftFindings(inv lab.Inventory, left Left) lab.Findings {
	const remedy = "elenchus lab heal undoes it, and so does the next test"
	var found lab.Findings
	for _, h := range inv.Hosts {
		f := lab.Finding{Host: h.Name, Check: "leftovers", OK: true, Detail: "none"}
		var what []string
		for _, l := range left.Found {
			if l.Host == h.Name {
				what = append(what, l.What)
				f.OK = f.OK && !l.Fault
			}
		}
		if len(what) > 0 {
			f.Detail = strings.Join(what, "; ")
		}
		if !f.OK {
			f.Remedy = remedy
		}
		found = append(found, f)
	}
	for _, fault := range left.Outstanding {
		found = append(found, lab.Finding{Host: "ledger", Check: "leftovers", Detail: "fault " + fault, Remedy: remedy})
	}
	return found
}

// noPIDFile stands for the PID file of the node on hosts without one.
const noPIDFile = "/run/elenchus/none.pid"

// bareHosts stands for the system on hosts without one: nothing is started, and there is no leader. Faults are proven
// on other processes, which the proof starts.
type bareHosts struct {
	pidFile string
	clocks  *system.Clocks
}

var errNoSystem = errors.New("no system is deployed")

func (b bareHosts) PIDFile(string) string                { return b.pidFile }
func (b bareHosts) HostClock(h string) system.HostClock  { return b.clocks.Of(h) }
func (bareHosts) Start(context.Context, string) error    { return errNoSystem }
func (bareHosts) Leader(context.Context) (string, error) { return "", errNoSystem }

func (bareHosts) HandOver(context.Context, string) (string, error) { return "", errNoSystem }
