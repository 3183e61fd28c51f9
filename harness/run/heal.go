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
	healed = Healed{Outstanding: []string{}, Done: []string{}, Unreachable: []string{}}
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	clients, failed := dialSome(ctx, inv.Hosts, nil)
	defer closeAll(clients)
	var errs []error
	for _, u := range failed {
		healed.Unreachable = append(healed.Unreachable, u.host)
		errs = append(errs, fmt.Errorf("%s was not healed: %w", u.host, u.why))
	}
	if len(clients) == 0 {
		return healed, errors.Join(errs...)
	}
	lock, err := lab.Acquire(ctx, inv, clients, lab.LockOptions{Run: "heal", Break: breakLock})
	if err != nil {
		return healed, errors.Join(append(errs, err)...)
	}
	errs = append(errs, healed.heal(ctx, inv, clients, resultsDir, clockBinary))
	free, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	return healed, errors.Join(append(errs, lock.Release(free))...)
}

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
