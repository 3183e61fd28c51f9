package envelope

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// ProbesFile holds the evidence of a sweep in addition to its history: one [Probe] per line.
const ProbesFile = results.ProbesFile

// Probe is one attack as it was carried out. What its clients observed is in the history, under a key of its own.
type Probe struct {
	Number int    `json:"n"`
	Bound  int64  `json:"bound"`
	Drift  int64  `json:"drift"`
	Key    string `json:"key"`

	Leader string `json:"leader"` // the attacked host
	Self   string `json:"self"`   // name of the node there

	Begin  time.Duration `json:"begin_ns"`
	Moved  time.Duration `json:"moved_ns"`        // when its clock was seen to be off; zero if it was not to be moved
	Cut    time.Duration `json:"cut_ns"`          // when the cut began …
	Alone  time.Duration `json:"alone_ns"`        // … and when it was seen to be complete
	Healed time.Duration `json:"healed_ns"`       // when the revert of the cut began
	Clock  string        `json:"clock,omitempty"` // evidence that its clock was off

	// Void is the reason why the attack was not carried out as planned; empty if it was.
	Void string `json:"void,omitempty"`
}

// ReadProbes reads the probes of a sweep. A truncated last line is ignored.
func ReadProbes(path string) ([]Probe, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read probes: %w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	var probes []Probe
	in := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return probes, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read probes: %w", err)
		}
		var p Probe
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err = dec.Decode(&p); err == nil && dec.More() {
			err = errors.New("more than one value")
		}
		if err != nil {
			return nil, fmt.Errorf("read probes: %s:%d: %w", ProbesFile, n, err)
		}
		probes = append(probes, p)
	}
}

// Outcome is the result of a probe.
type Outcome string

// The outcomes.
const (
	Stale Outcome = "stale" // the deposed leader returned an overwritten value, or the key is otherwise not linearizable
	Held  Outcome = "held"  // the attack succeeded, and no violation was observed
	Void  Outcome = "void"  // the attack did not succeed, so that nothing follows from it
)

// Trial is a probe with the conclusions from it.
type Trial struct {
	Probe
	Outcome Outcome `json:"outcome"`
	Why     string  `json:"why,omitempty"` // if void

	// LastOld is the time of the last answer that the deposed leader gave by itself, FirstNew that of the first
	// acknowledged write elsewhere. Margin is FirstNew minus LastOld: negative if the two overlapped.
	LastOld  time.Duration `json:"last_old_ns,omitempty"`
	FirstNew time.Duration `json:"first_new_ns,omitempty"`
	Margin   time.Duration `json:"margin_ns,omitempty"`
}

// Classifier determines the outcome of a probe from the operations on its key, which it is shown one after the other,
// in any order, and from the linearizability verdict on that key.
//
// An attack has succeeded if the leader itself answered a read invoked after the cut began, a write was then
// acknowledged elsewhere, and a read was outstanding at the leader after that, whatever its outcome. So there was a
// time at which the leader was asked and could have given a wrong answer. A violation counts even if the attack was
// incomplete.
type Classifier struct {
	trial Trial
	asked time.Duration // when the last read at the leader was under way; negative if none was
}

// NewClassifier returns the classifier of a probe.
func NewClassifier(p Probe) *Classifier {
	return &Classifier{trial: Trial{Probe: p, Outcome: Void, Why: p.Void}, asked: -1}
}

// Observe takes note of an operation. It does not keep it.
func (c *Classifier) Observe(op *history.Operation) {
	t := &c.trial
	switch atLeader := op.Node == t.Leader; {
	case op.Op.Key != t.Key, op.Call < t.Cut, op.Phase != history.PhaseMain:
	case atLeader && op.Op.Func == history.Read:
		c.asked = max(c.asked, op.Call, op.Return)
		if !op.Completed() {
			c.asked = history.Forever
		}
		if op.Outcome == history.OK && op.By.Leader == t.Self && op.Call < t.Healed {
			t.LastOld = max(t.LastOld, op.Return)
		}
	case !atLeader && op.Op.Func.Mutates() && op.Outcome == history.OK && op.By.Leader != t.Self:
		if t.FirstNew == 0 || op.Return < t.FirstNew {
			t.FirstNew = op.Return
		}
	}
}

// Trial is the outcome, now that all operations were shown.
func (c *Classifier) Trial(decided verdict.Status) Trial {
	t := c.trial
	if t.LastOld > 0 && t.FirstNew > 0 {
		t.Margin = t.FirstNew - t.LastOld
	}
	switch {
	case decided == verdict.Violated:
		t.Outcome, t.Why = Stale, ""
	case t.Void != "":
	case decided != verdict.Valid:
		t.Why = "linearizability of its register is not decided"
	case t.LastOld == 0:
		t.Why = "the leader did not answer after it was cut off"
	case t.FirstNew == 0:
		t.Why = "no write was acknowledged elsewhere"
	case c.asked < t.FirstNew:
		t.Why = "no read was under way at the leader after a write was acknowledged elsewhere"
	default:
		t.Outcome = Held
	}
	return t
}
