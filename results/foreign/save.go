package foreign

import (
	"time"

	"elenchus/results/history"
)

// Save writes the events as a history file of the project's own, which verifies that they follow one another as they
// must. It closes the file.
func Save(file history.File, h History) error {
	var now time.Duration
	w := history.NewWriter(file, history.WriterOptions{Now: func() time.Duration { return now }})
	open := map[int]history.Event{}
	for _, e := range h.Events {
		now = e.Time
		var err error
		if e.Type == history.Invoke {
			open[e.Process], err = w.Invoke(e.Process, e.Node, e.Phase, e.Op)
		} else {
			_, err = w.Complete(open[e.Process], e.Type, e.Result, e.Reason, e.By)
		}
		if err != nil {
			_ = w.Close() // the first error tells more
			return err
		}
	}
	return w.Close()
}
