package run

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"elenchus/harness/control"
	"elenchus/harness/lab"
	"elenchus/nemesis"
)

// Healed is what a heal has found and undone in a lab.
type Healed struct {
	// Outstanding are the faults that, according to its ledger, the last harness had not verified to be over: "f3
	// pause n2".
	Outstanding []string `json:"outstanding"`
	// Done is what was found and undone, host by host: "n2: removed iptables ELENCHUS-f1".
	Done []string `json:"done"`
	// Unreachable are the names of the hosts that could not be reached, and may still be as they were.
	Unreachable []string `json:"unreachable"`
}

// nodePIDFile is the path of the file in which the harness records the node of a host.
const nodePIDFile = "/run/elenchus/node.pid"

// Heal undoes every fault that a harness left behind on a lab's hosts, according to the hosts and to the ledger, as
// the next test would before it begins. It neither stops nor starts nodes. Hosts that cannot be reached do not keep the
// others from being healed; the error then names them, and faults that may be left on them stay outstanding. The error
// is a [*lab.InUseError] if a test is running there. ClockBinary is the path of the helper for clocks; without it,
// clocks that were moved are not corrected.
func Heal(ctx context.Context, inv lab.Inventory, resultsDir, clockBinary string, breakLock bool) (
	healed Healed, err error) {
	healed = Healed{Outstanding: []string{}, Done: []string{}}
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	err = withReachable(ctx, inv, "healed", lab.LockOptions{Run: "heal", Break: breakLock}, &healed.Unreachable,
		func(clients []*control.Client) error { return healed.heal(ctx, inv, clients, resultsDir, clockBinary) })
	return healed, err
}

// withReachable does something on the hosts of a lab that can be reached, and holds their lock meanwhile. Done is what
// happens to a host, as errors say that it did not. Before anything else the names of the hosts that cannot be reached
// are stored in unreachable.
func withReachable(ctx context.Context, inv lab.Inventory, done string, o lab.LockOptions, unreachable *[]string,
	do func([]*control.Client) error) error {
	*unreachable = []string{}
	clients, failed := dialSome(ctx, inv.Hosts, nil)
	defer closeAll(clients)
	var errs []error
	for _, u := range failed {
		*unreachable = append(*unreachable, u.host)
		errs = append(errs, fmt.Errorf("%s was not %s: %w", u.host, done, u.why))
	}
	if len(clients) == 0 {
		return errors.Join(errs...)
	}
	lock, err := lab.Acquire(ctx, inv, clients, o)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	errs = append(errs, do(clients))
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	return errors.Join(append(errs, lock.Release(free))...)
}

// releaseTimeout limits the release of a lab's lock.
const releaseTimeout = 10 * time.Second

// heal heals the hosts to which there are clients, for a caller that holds their lock.
func (h *Healed) heal(ctx context.Context, inv lab.Inventory, clients []*control.Client, resultsDir,
	clockBinary string) error {
	path, err := LedgerPath(inv, resultsDir)
	if err != nil {
		return err
	}
	ledger, err := nemesis.OpenLedger(path)
	if err != nil {
		return err
	}
	h.Outstanding = outstanding(ledger)
	// Without the helper everything but clocks can be healed, and each host says itself that its clock cannot.
	clocks, deployErr := deployClocks(ctx, clockBinary, false, clients)
	report, err := nemesis.Heal(ctx, newCluster(clients, bareHosts{pidFile: nodePIDFile, clocks: clocks}),
		nemesis.HealOptions{Ledger: ledger, Unreachable: h.Unreachable})
	h.Done = append(h.Done, report.Found...)
	return errors.Join(deployErr, err, ledger.Close())
}

// LedgerPath returns the path of the file that lists the outstanding faults of a lab: for a local lab, beside the
// lab's files, because faults do not outlive the lab; for any other, where the next run on the lab looks for it.
func LedgerPath(inv lab.Inventory, resultsDir string) (string, error) {
	if inv.Kind == lab.Local {
		return filepath.Join(filepath.Dir(inv.Path), "ledger"), nil
	}
	dir := filepath.Join(resultsDir, ".labs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make directory for ledgers: %w", err)
	}
	return filepath.Join(dir, url.PathEscape(inv.Name)+".ledger"), nil
}
