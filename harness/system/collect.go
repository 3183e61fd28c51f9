package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"elenchus/harness/control"
)

// Names below a host's directory of collected files.
const (
	CollectedLog  = "node.log"
	collectedData = "data"

	// observations is the file that the node writes for the harness. On the host it is among the data, here beside
	// it. Full segments have names with a number, of eight digits and rising, and are the beginning of the file here.
	observations = "observations.jsonl"
	fullSegments = "observations-*.jsonl"
)

// Collect copies logs and data of every host into dir/HOST: node.log, observations.jsonl and data. The nodes should
// have been stopped, so that the files do not change. It copies what it can, and reports everything that it could
// not copy.
func (p *Paxos) Collect(ctx context.Context, dir string) error {
	return p.each(ctx, func(ctx context.Context, n *node) error {
		home := filepath.Join(dir, n.host.Name)
		if err := os.MkdirAll(home, 0o755); err != nil {
			return fmt.Errorf("collect: %w", err)
		}
		logErr := n.collectLog(ctx, filepath.Join(home, CollectedLog))
		data := filepath.Join(home, collectedData)
		dataErr := n.client.DownloadTree(ctx, n.dataDir(), data, collectBytesMax)
		moveErr := joinObservations(data, filepath.Join(home, observations))
		if errors.Is(moveErr, fs.ErrNotExist) && dataErr != nil {
			moveErr = nil // missing because nothing was copied
		} else if errors.Is(moveErr, fs.ErrNotExist) {
			moveErr = fmt.Errorf("host %s has no %s: its node never ran, or its data was lost", n.host.Name, observations)
		}
		return namedErrors(n.host.Name, logErr, dataErr, moveErr)
	})
}

// joinObservations moves a node's observations from its data to one file, in order. If there are none the error is
// [fs.ErrNotExist].
func joinObservations(data, file string) (err error) {
	parts, err := filepath.Glob(filepath.Join(data, fullSegments)) // sorted
	if err != nil {
		return fmt.Errorf("collect observations: %w", err)
	}
	current := filepath.Join(data, observations)
	if len(parts) == 0 {
		return os.Rename(current, file)
	}
	if _, err := os.Stat(current); err == nil { // otherwise its node was killed between two segments
		parts = append(parts, current)
	}
	if err := os.Rename(parts[0], file); err != nil {
		return fmt.Errorf("collect observations: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("collect observations: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for _, part := range parts[1:] {
		if err := appendFile(f, part); err != nil {
			return fmt.Errorf("collect observations: %w", err)
		}
	}
	return nil
}

// appendFile appends the contents of a file to another one, and removes it.
func appendFile(to *os.File, name string) error {
	from, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // opened for reading
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	return os.Remove(name)
}

// collectLog copies the node's log. On an error it keeps what it got.
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
