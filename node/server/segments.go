package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	// ObservationBytesDefault is the default of Options.ObservationBytes.
	ObservationBytesDefault = 1 << 30

	// ObservationBytesMin is the minimum of Options.ObservationBytes: a single line holds a whole batch of commands.
	ObservationBytesMin = 1 << 20

	// observationSegmentsMax is the number of segments that share the limit. A rotation drops the oldest of them.
	observationSegmentsMax = 8
)

// segmentPattern is the name of a full segment. The current one is [ObservationsName].
const segmentPattern = "observations-%08d.jsonl"

func segmentName(number uint64) string { return fmt.Sprintf(segmentPattern, number) }

// observationSegments returns the numbers of the full segments in a directory, in order.
func observationSegments(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		var number uint64
		if n, _ := fmt.Sscanf(e.Name(), segmentPattern, &number); n == 1 && segmentName(number) == e.Name() {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// rotate renames the current file to its numbered name, begins a new one, and drops the oldest segments. If the process
// is killed in between, there is no file [ObservationsName], and the next incarnation begins one.
func (o *observer) rotate() error {
	if err := os.Rename(filepath.Join(o.dir, ObservationsName), filepath.Join(o.dir, segmentName(o.segment))); err != nil {
		return fmt.Errorf("rotate observations: %w", err)
	}
	next, err := o.nextSegment()
	if err != nil { // keep using the old file, under its old name
		back := os.Rename(filepath.Join(o.dir, segmentName(o.segment)), filepath.Join(o.dir, ObservationsName))
		return fmt.Errorf("rotate observations: %w", errors.Join(err, back))
	}
	_ = o.file.Truncate(o.size) // no more is needed of what was reserved
	_ = o.file.Close()          // all its lines have been written
	o.file, o.size, o.reserved = next, 0, 0
	o.segment++
	return o.dropOldest()
}

// nextSegment creates an empty segment if there is room for one.
func (o *observer) nextSegment() (observationFile, error) {
	f, err := openObservations(o.dir)
	if err != nil {
		return nil, err
	}
	next := observationsOnDisk{f}
	if err := next.Reserve(0, reservedLast); noRoom(err) {
		return nil, errors.Join(err, f.Close())
	}
	return next, nil
}

func (o *observer) dropOldest() error {
	numbers, err := observationSegments(o.dir)
	if err != nil {
		return fmt.Errorf("drop observations: %w", err)
	}
	for len(numbers) >= observationSegmentsMax {
		err := os.Remove(filepath.Join(o.dir, segmentName(numbers[0])))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("drop observations: %w", err)
		}
		o.logger.Warn("observations exceed their limit: the oldest were dropped", "segment", numbers[0],
			"limit", o.limit*observationSegmentsMax)
		numbers = numbers[1:]
	}
	return nil
}
