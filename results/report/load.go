package report

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"elenchus/results"
	"elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Input is what a page is made from. Whatever is missing leaves a gap in the page and is said there.
type Input struct {
	Name     string
	Manifest *results.Manifest
	Verdict  verdict.Verdict
	Checked  bool // there is a verdict

	// Activity is what there is to say of all operations together; nil when Operations are all of them.
	Activity *Activity
	// Operations are those that findings name, and others around them, by number.
	Operations []history.Operation
	Faults     []history.FaultEvent
	Nodes      []Node
	Clocks     []clocks.Track
	Files      []File

	Problems []string // what could not be read
}

// Node is what was collected from a node.
type Node struct {
	Name         string
	Observations []history.Observation
}

// addUp makes the activity of the operations, if there is none.
func (in *Input) addUp() {
	if in.Activity != nil {
		return
	}
	in.Activity = NewActivity(in.Manifest.Recovery.HealedAt)
	for i := range in.Operations {
		in.Activity.Observe(&in.Operations[i])
	}
}

// Load reads all that a page shows from a run's directory. Only the manifest must be readable.
func Load(run results.Run) (Input, error) { return load(run, nil) }

// load is Load where the activity may be known already.
func load(run results.Run, activity *Activity) (Input, error) {
	m, err := run.LoadManifest()
	if err != nil {
		return Input{}, err
	}
	in := Input{Name: run.Name(), Manifest: m}
	problem := func(err error) { in.Problems = append(in.Problems, err.Error()) }
	switch v, err := run.LoadVerdict(); {
	case err == nil:
		in.Verdict, in.Checked = v, true
	case !errors.Is(err, fs.ErrNotExist):
		problem(err)
	}
	if log, err := history.ReadFaults(run.Faults()); err == nil {
		in.Faults = log.Events
	} else if !errors.Is(err, fs.ErrNotExist) {
		problem(err)
	}
	// Runs from before clocks were measured have no file. One that is damaged is used as far as it goes.
	if log, err := history.ReadClocks(run.Clocks()); !errors.Is(err, fs.ErrNotExist) {
		in.Clocks = inOrder(clocks.Tracks(log.Lines), m.Hosts)
		switch {
		case err != nil:
			problem(err)
		case log.Truncated:
			problem(fmt.Errorf("%s ends in the middle of a line", results.ClocksFile))
		}
	}
	for _, h := range m.Hosts {
		n := Node{Name: h.Name}
		if log, err := history.ReadObservations(run.Observations(h.Name)); err == nil {
			n.Observations = log.Observations
		} else if m.Config.Observations {
			problem(fmt.Errorf("%s: %w", h.Name, err))
		}
		in.Nodes = append(in.Nodes, n)
	}
	if in.Files, err = files(run); err != nil {
		problem(err)
	}
	if err := in.loadOperations(run.History(), activity); err != nil {
		in.Activity, in.Operations = NewActivity(m.Recovery.HealedAt), nil
		in.Problems = append([]string{err.Error()}, in.Problems...)
	}
	return in, nil
}

// inOrder puts tracks into the order of the hosts.
func inOrder(tracks []clocks.Track, hosts []results.Host) []clocks.Track {
	place := func(t clocks.Track) int {
		return slices.IndexFunc(hosts, func(h results.Host) bool { return h.Name == t.Node })
	}
	slices.SortStableFunc(tracks, func(a, b clocks.Track) int { return place(a) - place(b) })
	return tracks
}

// Write makes the page of the run in dir and puts it there. Activity is that of the whole history, or nil, and the
// history is read for it.
func Write(dir string, activity *Activity) error {
	run := results.Run{Dir: dir}
	in, err := load(run, activity)
	if err != nil {
		return fmt.Errorf("make report: %w", err)
	}
	var page bytes.Buffer
	if err := Render(&page, in); err != nil {
		return err
	}
	return results.WriteFile(run.Report(), page.Bytes())
}
