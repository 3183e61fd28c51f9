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

// ProbesFile is the evidence of a sweep, besides its history: one [Probe] a line.
const ProbesFile = results.ProbesFile

// Probe is one attack, as it was made. What its clients saw is in the history, under a key of its own.
type Probe struct {
	Number int    `json:"n"`
	Bound  int64  `json:"bound"`
	Drift  int64  `json:"drift"`
	Key    string `json:"key"`

	Leader string `json:"leader"` // the host that is attacked
	Self   string `json:"self"`   // what the node there calls itself

	Begin  time.Duration `json:"begin_ns"`
	Moved  time.Duration `json:"moved_ns"`        // when its clock was seen to be off; zero where none was to be moved
	Cut    time.Duration `json:"cut_ns"`          // when it began to be cut off …
	Alone  time.Duration `json:"alone_ns"`        // … and when it was seen to be
	Healed time.Duration `json:"healed_ns"`       // when that began to be reverted
	Clock  string        `json:"clock,omitempty"` // how its clock was seen to be off

	// Void says why the attack did not come off; empty when it did.
	Void string `json:"void,omitempty"`
}

// ReadProbes reads the probes of a sweep. A last line that was cut off is left out.
func ReadProbes(path string) ([]Probe, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read probes: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
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

// Outcome is what came of a probe.
type Outcome string

// The outcomes.
const (
	Stale Outcome = "stale" // the deposed leader answered with what had been overwritten, or what else is not linearizable
	Held  Outcome = "held"  // the attack came off, and nothing of the kind was seen
	Void  Outcome = "void"  // the attack did not come off, so that it says nothing
)

// Trial is a probe with what is concluded from it.
type Trial struct {
	Probe
	Outcome Outcome `json:"outcome"`
	Why     string  `json:"why,omitempty"` // void

	// LastOld is when the deposed leader gave its last answer by itself, FirstNew when a write was first acknowledged
	// elsewhere. Margin is from the one to the other: negative when both happened at once.
	LastOld  time.Duration `json:"last_old_ns,omitempty"`
	FirstNew time.Duration `json:"first_new_ns,omitempty"`
	Margin   time.Duration `json:"margin_ns,omitempty"`
}

// Classify concludes from the operations on the probe's key, in order of invocation, and from what the linearizability
// check decided on it, what came of a probe.
//
// An attack has come off when the leader answered a read by itself that was invoked after the cut began; when a write
// was acknowledged elsewhere meanwhile; and when a read was under way at the leader after that, whatever came of it. So
// there was a time at which the leader was asked and could have given a wrong answer. A violation counts however
// incomplete the attack was.
func Classify(p Probe, ops []history.Operation, decided verdict.Status) Trial {
	t := Trial{Probe: p, Outcome: Void, Why: p.Void}
	asked := time.Duration(-1)
	for _, op := range ops {
		switch atLeader := op.Node == p.Leader; {
		case op.Call < p.Cut || op.Phase != history.PhaseMain:
		case atLeader && op.Op.Func == history.Read:
			asked = max(asked, op.Call, op.Return)
			if !op.Completed() {
				asked = history.Forever
			}
			if op.Outcome == history.OK && op.By.Leader == p.Self && op.Call < p.Healed {
				t.LastOld = max(t.LastOld, op.Return)
			}
		case !atLeader && op.Op.Func.Mutates() && op.Outcome == history.OK && op.By.Leader != p.Self:
			if t.FirstNew == 0 || op.Return < t.FirstNew {
				t.FirstNew = op.Return
			}
		}
	}
	if t.LastOld > 0 && t.FirstNew > 0 {
		t.Margin = t.FirstNew - t.LastOld
	}
	switch {
	case decided == verdict.Violated:
		t.Outcome, t.Why = Stale, ""
	case p.Void != "":
	case decided != verdict.Valid:
		t.Why = "linearizability of its register is not decided"
	case t.LastOld == 0:
		t.Why = "the leader did not answer after it was cut off"
	case t.FirstNew == 0:
		t.Why = "no write was acknowledged elsewhere"
	case asked < t.FirstNew:
		t.Why = "no read was under way at the leader after a write was acknowledged elsewhere"
	default:
		t.Outcome = Held
	}
	return t
}
