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
	// ObservationBytesDefault is the default limit, in bytes, of all observations on disk.
	ObservationBytesDefault = 1 << 30

	// ObservationBytesMin is the smallest limit, in bytes: a single line holds a whole batch of commands.
	ObservationBytesMin = 1 << 20

	// observationSegmentsMax is how many segments share the limit. A rotation drops one of them.
	observationSegmentsMax = 8
)

// segmentPattern is the name of a segment that is full; the one that is written to is [ObservationsName].
const segmentPattern = "observations-%08d.jsonl"

func segmentName(number uint64) string { return fmt.Sprintf(segmentPattern, number) }

// observationSegments are the numbers of the full segments in a directory, in order.
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

// rotate gives the file its number, begins another, and drops the oldest segments. A process that is killed in between
// leaves no file with [ObservationsName], which the next one begins.
func (o *observer) rotate() error {
	if err := os.Rename(filepath.Join(o.dir, ObservationsName), filepath.Join(o.dir, segmentName(o.segment))); err != nil {
		return fmt.Errorf("rotate observations: %w", err)
	}
	f, err := openObservations(o.dir)
	if err != nil { // there is the old one yet, which has the number that it would have had
		back := os.Rename(filepath.Join(o.dir, segmentName(o.segment)), filepath.Join(o.dir, ObservationsName))
		return fmt.Errorf("rotate observations: %w", errors.Join(err, back))
	}
	_ = o.file.Close() // every line was written by then
	o.file, o.size, o.broken = f, 0, false
	o.segment++
	return o.dropOldest()
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
