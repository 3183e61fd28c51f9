package report

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"elenchus/results"
)

// File is a file in a run's directory.
type File struct {
	Path string // relative to the run's directory, with slashes
	Size int64  // bytes
	What string // what it is, in one line
}

// filesMax bounds the files that a page lists: a node's log can have very many segments.
const filesMax = 500

// files lists what is in a run's directory, in the order of its names. The report itself is left out.
func files(run results.Run) ([]File, error) {
	var out []File
	err := filepath.WalkDir(run.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || len(out) > filesMax {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(run.Dir, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if rel != results.ReportFile && !strings.HasPrefix(d.Name(), ".") {
			out = append(out, File{Path: rel, Size: info.Size(), What: describe(rel)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	return out, nil
}

// descriptions of the files that every run has.
var descriptions = map[string]string{
	results.ManifestFile:        "what was run: versions, hosts, configuration, seed, state",
	results.SchedulePlannedFile: "the faults as they were planned",
	results.SchedulePlayedFile:  "the faults as they were played; a run that is given this file plays them again",
	results.HistoryFile:         "every invocation and completion, one line each",
	results.FaultsFile:          "every step of every fault, with what proved it",
	results.ClocksFile:          "the hosts' clocks, measured all the time: question and answer, one line each",
	results.HarnessLogFile:      "what the harness did",
	results.VerdictFile:         "what the checkers decided, for programs",
	results.InvariantsFile:      "what an observer of all nodes found",
	results.SimulatedFile:       "the simulated run as data: elenchus replay plays it again",
	results.PictureFile:         "what happened, as a space-time diagram",
	results.ShrinkFile:          "what was left out until nothing more could be",
}

func describe(rel string) string {
	if what, ok := descriptions[rel]; ok {
		return what
	}
	parts := strings.Split(rel, "/")
	base := parts[len(parts)-1]
	switch {
	case parts[0] == "linearizability":
		return "operations on a register that no order explains, as a picture"
	case parts[0] != results.NodesDir || len(parts) < 3:
		return ""
	case base == results.ObservationsFile:
		return "what " + parts[1] + " observed of itself: ballots, leaderships, leases, slots applied"
	case strings.HasSuffix(base, ".log"):
		return "log of " + parts[1]
	case strings.Contains(rel, "wal"):
		return "write-ahead log of " + parts[1]
	case strings.Contains(base, "snap"):
		return "snapshot of " + parts[1]
	}
	return "collected from " + parts[1]
}
