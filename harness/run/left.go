package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"elenchus/harness/control"
	"elenchus/harness/lab"
	"elenchus/nemesis"
)

// Left describes what a harness that was killed left behind in a lab.
type Left struct {
	// Outstanding are the faults that, according to its ledger, it had not verified to be over: "f3 pause n2".
	Outstanding []string `json:"outstanding"`
	// Found is what was found on the hosts.
	Found []nemesis.Leftover `json:"found"`
	// Unreachable are the names of the hosts that could not be looked at.
	Unreachable []string `json:"unreachable"`
}

// Faults reports whether there is something for a heal to undo. Anything else, that is, running nodes, is ended by
// the next test.
func (l Left) Faults() bool {
	for _, f := range l.Found {
		if f.Fault {
			return true
		}
	}
	return len(l.Outstanding) > 0
}

// Clean reports whether nothing was left behind on any host.
func (l Left) Clean() bool { return len(l.Outstanding)+len(l.Found)+len(l.Unreachable) == 0 }

// lookTimeout limits looking at all hosts.
const lookTimeout = time.Minute

// Look finds what a harness left behind in a lab, and changes nothing. The error is a [*lab.InUseError] if a test is
// running there: what is there then was not left behind. It names the hosts that could not be reached; what was found
// on the others is valid.
func Look(ctx context.Context, inv lab.Inventory, resultsDir string) (left Left, err error) {
	left = Left{Outstanding: []string{}, Found: []nemesis.Leftover{}}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	err = withReachable(ctx, inv, "looked at", lab.LockOptions{Run: "look"}, &left.Unreachable,
		func(clients []*control.Client) error { return left.look(ctx, inv, clients, resultsDir) })
	return left, err
}

// look looks at the hosts to which there are clients, for a caller that holds the lock of the lab.
func (l *Left) look(ctx context.Context, inv lab.Inventory, clients []*control.Client, resultsDir string) error {
	path, err := LedgerPath(inv, resultsDir)
	if err != nil {
		return err
	}
	ledger, err := nemesis.OpenLedger(path)
	if err != nil {
		return err
	}
	l.Outstanding = outstanding(ledger)
	found, err := nemesis.Look(ctx, newCluster(clients, bareHosts{pidFile: nodePIDFile}))
	l.Found = append(l.Found, found...)
	return errors.Join(err, ledger.Close())
}

// outstanding describes the faults that are outstanding in a ledger.
func outstanding(ledger *nemesis.Ledger) []string {
	words := []string{}
	for _, e := range ledger.Outstanding() {
		words = append(words, fmt.Sprintf("%s %s %s", e.ID, e.Kind, e.Played))
	}
	return words
}
