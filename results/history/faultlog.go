package history

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// FaultWriter appends fault events to a file of checksummed lines. It is safe for concurrent use. Its errors are
// sticky.
type FaultWriter struct {
	mu    sync.Mutex
	file  File
	count int // of events
	err   error
}

// faultEnd is the end line, with the number of events before it.
type faultEnd struct {
	Step  FaultStep `json:"step"`
	Count int       `json:"count"`
}

// CreateFaults creates a new fault log; it fails if the file exists.
func CreateFaults(path string) (*FaultWriter, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create fault log: %w", err)
	}
	return &FaultWriter{file: f}, nil
}

// Append writes e and syncs it: faults are few, and what was done to the hosts must be known even if the harness
// dies.
func (w *FaultWriter) Append(e FaultEvent) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if w.write(e) == nil {
		w.count++
	}
	return w.err
}

// write writes a line durably.
func (w *FaultWriter) write(v any) error {
	line, err := AppendLine(nil, v)
	if err == nil {
		_, err = w.file.Write(line)
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err != nil {
		w.err = fmt.Errorf("write fault log: %w", err)
	}
	return w.err
}

// Close writes the end line and closes the file. After a write error there is no end line.
func (w *FaultWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(w.err, ErrClosed) {
		return ErrClosed
	}
	failed := w.err
	if failed == nil {
		failed = w.write(faultEnd{Step: FaultEnd, Count: w.count})
	}
	w.err = ErrClosed
	if err := w.file.Close(); err != nil {
		return errors.Join(failed, fmt.Errorf("close fault log: %w", err))
	}
	return failed
}

// FaultLog is a fault log read back.
type FaultLog struct {
	Events    []FaultEvent
	Complete  bool // the file ends with its end line: no event is missing
	Truncated bool // the file ended in the middle of a line, which was dropped
}

// ReadFaults reads and verifies the fault log at path. A truncation at the very end is reported as such; everything
// else that is wrong is an error, a [Damage] if it concerns a line.
func ReadFaults(path string) (FaultLog, error) {
	log, err := readFaults(path)
	if err != nil {
		return FaultLog{}, err
	}
	return log, nil
}

// ReadFaultsPrefix reads the fault log at path up to the first damaged line, if there is one. The log is not
// complete then.
func ReadFaultsPrefix(path string) (FaultLog, *Damage, error) {
	log, err := readFaults(path)
	if damage := (*Damage)(nil); errors.As(err, &damage) {
		return FaultLog{Events: log.Events}, damage, nil
	}
	return log, nil, err
}

// readFaults returns, along with an error, what it had read by then.
func readFaults(path string) (FaultLog, error) {
	f, err := os.Open(path)
	if err != nil {
		return FaultLog{}, fmt.Errorf("open fault log: %w", err)
	}
	defer f.Close()
	var log FaultLog
	log.Truncated, err = ScanLines(f, filepath.Base(path), func(line []byte, _ int) error {
		if log.Complete {
			return errAfterEnd
		}
		var l struct {
			FaultEvent
			Count *int `json:"count"`
		}
		if err := ParseLine(line, &l); err != nil {
			return err
		}
		if l.Step == FaultEnd {
			if log.Complete = l.Count != nil && *l.Count == len(log.Events); !log.Complete {
				return fmt.Errorf("end line does not count the %d events before it", len(log.Events))
			}
			return nil
		}
		if err := l.validate(); err != nil {
			return err
		}
		log.Events = append(log.Events, l.FaultEvent)
		return nil
	})
	if err == nil && log.Truncated && log.Complete {
		err = fmt.Errorf("%s: %w", filepath.Base(path), errAfterEnd)
	}
	return log, err
}

func (e FaultEvent) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	applied := []FaultStatus{FaultInstalled, FaultSkipped, FaultFailed}
	reverted := []FaultStatus{FaultReverted, FaultSkipped, FaultFailed}
	check(e.ID != "", "fault has no id")
	check(e.Kind != "", "fault has no kind")
	check(e.Step == FaultApply && slices.Contains(applied, e.Status) ||
		e.Step == FaultRevert && slices.Contains(reverted, e.Status),
		"fault %s: step %q with status %q is impossible", e.ID, e.Step, e.Status)
	check(e.Begin >= 0 && e.End >= e.Begin, "fault %s: ends at %v, before it begins at %v", e.ID, e.End, e.Begin)
	return errors.Join(errs...)
}

// Forever is the end of a window whose fault was never reverted.
const Forever = time.Duration(math.MaxInt64)

// Windows converts the steps of faults to the times in which they were in effect, in the order of application. A
// fault that was skipped or failed has an empty window, at the moment when that was known. A fault whose revert
// took more than one attempt counts as in effect up to the first attempt, because nothing is certain after that;
// its RevertStatus is that of the last attempt.
func Windows(events []FaultEvent) []FaultWindow {
	var windows []FaultWindow
	latest := make(map[string]int) // id → index of its latest window
	for _, e := range events {
		switch e.Step {
		case FaultApply:
			w := FaultWindow{
				ID: e.ID, Kind: e.Kind, Detail: e.Detail, Played: e.Played, Targets: e.Targets,
				From: e.End, To: e.End, Status: e.Status,
			}
			if e.Status == FaultInstalled {
				w.To = Forever
			}
			latest[e.ID] = len(windows)
			windows = append(windows, w)
		case FaultRevert:
			i, ok := latest[e.ID]
			if !ok {
				continue
			}
			w := &windows[i]
			if w.To == Forever {
				w.To = max(e.Begin, w.From)
			}
			w.RevertStatus = e.Status
		}
	}
	return windows
}
