package system

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"elenchus/harness/control"
)

// Names below a host's directory of what Collect brings home.
const (
	CollectedLog  = "node.log"
	collectedData = "data"

	// observations is what the node writes for the harness. It lies with the data on the host, and beside it here.
	observations = "observations.jsonl"
)

// Collect copies logs and data of every host into dir/HOST: node.log, observations.jsonl and data. The nodes should
// have been stopped, so that the files do not change. It copies what it can, and reports all that it could not.
func (p *Paxos) Collect(ctx context.Context, dir string) error {
	return p.each(ctx, func(ctx context.Context, n *node) error {
		home := filepath.Join(dir, n.host.Name)
		if err := os.MkdirAll(home, 0o755); err != nil {
			return fmt.Errorf("collect: %w", err)
		}
		logErr := n.collectLog(ctx, filepath.Join(home, CollectedLog))
		data := filepath.Join(home, collectedData)
		dataErr := n.client.DownloadTree(ctx, n.dataDir(), data, collectBytesMax)
		moveErr := os.Rename(filepath.Join(data, observations), filepath.Join(home, observations))
		if errors.Is(moveErr, fs.ErrNotExist) && dataErr != nil {
			moveErr = nil // it is missing because all is
		} else if errors.Is(moveErr, fs.ErrNotExist) {
			moveErr = fmt.Errorf("host %s has no %s: its node never ran, or its data was lost", n.host.Name, observations)
		}
		return namedErrors(n.host.Name, logErr, dataErr, moveErr)
	})
}

// collectLog copies the node's log. It keeps what it got when the rest could not be had.
func (n *node) collectLog(ctx context.Context, file string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("collect: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return n.client.Download(ctx, n.logFile(), f)
}

// namedErrors joins errors, each with the host's name.
func namedErrors(host string, errs ...error) error {
	var all []error
	for _, err := range errs {
		var e *control.Error
		if err != nil && !errors.As(err, &e) {
			err = fmt.Errorf("%s: %w", host, err)
		}
		if err != nil {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}
