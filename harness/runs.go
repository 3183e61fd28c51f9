package main

import (
	"errors"
	"fmt"
	"strconv"

	"elenchus/harness/lab"
	"elenchus/results"
)

// runRow is a run in a table.
func runRow(e results.Entry) []string {
	word := e.Word
	if word == "" {
		word = "not checked (" + string(e.State) + ")"
	}
	if e.Err != nil {
		return []string{e.Run.Name(), "", fmt.Sprintf("unreadable: %v", e.Err)}
	}
	return []string{e.Run.Name(), e.Workload, word, strconv.Itoa(e.OK), strconv.Itoa(e.Fail), strconv.Itoa(e.Unknown)}
}

// runJSON is a run as printed with --json.
type runJSON struct {
	Name     string `json:"name"`
	Dir      string `json:"dir"`
	Workload string `json:"workload,omitempty"`
	State    string `json:"state,omitempty"`
	Verdict  string `json:"verdict,omitempty"`
	OK       int    `json:"ok"`
	Fail     int    `json:"fail"`
	Unknown  int    `json:"unknown"`
	Error    string `json:"error,omitempty"`
}

func runsJSON(entries []results.Entry) []runJSON {
	rows := make([]runJSON, len(entries))
	for i, e := range entries {
		rows[i] = runJSON{Name: e.Run.Name(), Dir: e.Run.Dir, Workload: e.Workload, State: string(e.State),
			Verdict: e.Word, OK: e.OK, Fail: e.Fail, Unknown: e.Unknown}
		if e.Err != nil {
			rows[i].Error = e.Err.Error()
		}
	}
	return rows
}

// begun handles the result of opening the lab of a run. If that was refused because somebody else is using the lab,
// the run directory is removed. Otherwise the run becomes the latest one. The result includes err.
func begun(dir results.Run, err error) error {
	if used := (*lab.InUseError)(nil); errors.As(err, &used) {
		return errors.Join(err, dir.Discard())
	}
	return errors.Join(err, dir.PointLatest())
}
