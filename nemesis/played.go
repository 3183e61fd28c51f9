package nemesis

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/results/history"
)

// playedGrain is the rounding of actual times, finer than a replay can hit them.
const playedGrain = 100 * time.Microsecond

// Played returns the outcome of a schedule as a schedule: with the nodes that roles were resolved to, the actual
// times at which faults were applied and reverted, and the evidence in comments. It is a valid file that does the
// same to the same nodes again. Faults that did not take effect or did not fire appear only as comments.
//
// The schedule must be valid, and the events must stem from playing it.
func Played(s *Schedule, events []history.FaultEvent) []byte {
	out := &Schedule{Seed: s.Seed, Nodes: s.Nodes, Length: s.Length}
	comments := map[string][]string{}
	var never []string
	for _, f := range s.Faults {
		apply, revert := steps(f.ID, events)
		played, err := playedFault(s, f, apply, revert)
		if err != nil {
			never = append(never, fmt.Sprintf("%s: %s: %v", f.ID, f, err))
			never = append(never, evidence(apply)...)
			continue
		}
		out.Faults = append(out.Faults, played)
		comments[f.ID] = append([]string{"planned: " + f.String()}, append(evidence(apply), evidence(revert)...)...)
	}
	out.Sort()
	var b bytes.Buffer
	out.formatHead(&b)
	b.WriteString("# as played\n")
	for _, f := range out.Faults {
		fmt.Fprintf(&b, "\n%s: %s\n", f.ID, f)
		writeComments(&b, comments[f.ID])
	}
	if len(never) > 0 {
		b.WriteString("\n# not played\n")
		writeComments(&b, never)
	}
	return b.Bytes()
}

// writeComments writes texts as comments, whatever they contain: some of them come from hosts.
func writeComments(b *bytes.Buffer, texts []string) {
	for _, text := range texts {
		for _, one := range strings.Split(strings.ToValidUTF8(text, "?"), "\n") {
			fmt.Fprintf(b, "#   %s\n", strings.TrimRight(one, " \t\r"))
		}
	}
}

// steps finds the events of a fault; the last event of each step counts.
func steps(id string, events []history.FaultEvent) (apply, revert *history.FaultEvent) {
	for i := range events {
		switch e := &events[i]; {
		case e.ID != id:
		case e.Step == history.FaultApply:
			apply = e
		case e.Step == history.FaultRevert:
			revert = e
		}
	}
	return apply, revert
}

// playedFault returns the fault with the targets and times from its events. The error says why there is none.
func playedFault(s *Schedule, f Fault, apply, revert *history.FaultEvent) (Fault, error) {
	switch {
	case apply == nil:
		return Fault{}, errors.New("never fired")
	case apply.Status != history.FaultInstalled:
		return Fault{}, errors.New(string(apply.Status))
	}
	played, err := parseFault("at 0s " + apply.Kind + " " + apply.Played)
	if err != nil {
		return Fault{}, err
	}
	played.ID, played.At, played.For = f.ID, max(0, apply.Begin.Round(playedGrain)), 0
	if revert != nil && f.For != 0 {
		end := min(revert.Begin.Round(playedGrain), s.Length)
		played.For = max(end-played.At, playedGrain)
	}
	for _, p := range slices.Concat(played.timeProblems(s.Length), played.targetProblems(s.Nodes),
		played.moveProblems()) {
		return Fault{}, fmt.Errorf("cannot be played again: %s", p.msg)
	}
	return played, nil
}

// evidence formats an event's status, times and evidence.
func evidence(e *history.FaultEvent) []string {
	if e == nil {
		return nil
	}
	lines := []string{fmt.Sprintf("%s %s, from %v to %v", e.Step, e.Status, e.Begin.Round(playedGrain),
		e.End.Round(playedGrain))}
	for _, text := range e.Evidence {
		lines = append(lines, "  "+text)
	}
	if e.Error != "" {
		lines = append(lines, "  "+e.Error)
	}
	return lines
}
