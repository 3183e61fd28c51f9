package run

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

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
}

// nodePIDFile is the path of the file in which the harness records the node of a host.
const nodePIDFile = "/run/elenchus/node.pid"

// Heal undoes every fault that a harness left behind on a lab's hosts, according to the hosts and to the ledger, as
// the next test would before it begins. It neither stops nor starts nodes. The error is a [*lab.InUseError] if a test
// is running there. ClockBinary is the path of the helper for clocks; without it, clocks that were moved are not
// corrected.
func Heal(ctx context.Context, inv lab.Inventory, resultsDir, clockBinary string, breakLock bool) (
	healed Healed, err error) {
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	clients, err := DialAll(ctx, inv.Hosts, nil)
	if err != nil {
		return healed, err
	}
	defer func() {
		for _, c := range clients {
			_ = c.Close() // nothing is lost: all answers have arrived
		}
	}()
	lock, err := lab.Acquire(ctx, inv, clients, lab.LockOptions{Run: "heal", Break: breakLock})
	if err != nil {
		return healed, err
	}
	defer func() {
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, lock.Release(free))
	}()
	path, err := LedgerPath(inv, resultsDir)
	if err != nil {
		return healed, err
	}
	ledger, err := nemesis.OpenLedger(path)
	if err != nil {
		return healed, err
	}
	healed.Outstanding, healed.Done = outstanding(ledger), []string{}
	clocks, err := deployClocks(ctx, clockBinary, false, clients)
	if err != nil {
		return healed, errors.Join(err, ledger.Close())
	}
	report, err := nemesis.Heal(ctx, newCluster(clients, bareHosts{pidFile: nodePIDFile, clocks: clocks}),
		nemesis.HealOptions{Ledger: ledger})
	healed.Done = append(healed.Done, report.Found...)
	return healed, errors.Join(err, ledger.Close())
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
