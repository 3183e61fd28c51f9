package server

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"elenchus/node/clock"
	"elenchus/node/protocol"
)

// tracedLoop is a loop without goroutines whose sends are recorded, each with the lines that the file had by then.
func tracedLoop(t *testing.T, tracing bool) (l *loop, left *[]string) {
	t.Helper()
	dir := t.TempDir()
	left = new([]string)
	l = &loop{observer: newTestObserver(t, dir, 1), self: 1, tracing: tracing,
		logger: hclog.NewNullLogger()}
	l.clock = func() clock.Reading { return clock.Reading{Mono: 5, Wall: 6} }
	l.send = func(to protocol.NodeID, _ []byte) {
		text, err := os.ReadFile(filepath.Join(dir, ObservationsName))
		if err != nil {
			t.Fatal(err)
		}
		*left = append(*left, fmt.Sprintf("%v after %s", to, kinds(t, string(text))))
	}
	return l, left
}

func kinds(t *testing.T, text string) string {
	t.Helper()
	var words []string
	for line := range strings.Lines(text) {
		var o observation
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if o.Kind != kindSegment {
			words = append(words, fmt.Sprintf("%s@%d", o.Kind, o.MonoNS))
		}
	}
	return strings.Join(words, ",")
}

// A promise leaves only when its line is written, a broadcast has one line, and what waits for the disk has its line
// when it leaves. What must not wait goes at once, unless that would change the order of messages.
func TestMessagesLeaveAfterTheirLines(t *testing.T) {
	l, left := tracedLoop(t, true)
	l.appended = 3
	promise := protocol.Message{Kind: protocol.MsgPromise, To: 2, First: 1, Last: protocol.SlotLast}
	prepare := protocol.Message{Kind: protocol.MsgPrepare, To: 2, First: 1}
	again := prepare
	again.To = 3
	fx := protocol.Effects{
		Sends: []protocol.Send{
			{Message: promise, After: 3}, {Message: prepare}, {Message: again},
			{Message: protocol.Message{Kind: protocol.MsgCatchup, To: 3}},
		},
		Observations: []protocol.Observation{{Kind: protocol.ObservedCampaign}},
	}
	if err := l.execute(clock.Reading{Mono: 4, Wall: 5}, &fx); err != nil {
		t.Fatal(err)
	}
	vote := protocol.Effects{Sends: []protocol.Send{{Message: protocol.Message{Kind: protocol.MsgAccepted, To: 2}}}}
	defer func() {
		if err := l.execute(clock.Reading{}, &vote); err != nil || len(*left) != 5 {
			t.Errorf("a vote does not leave at once: %q, %v", *left, err)
		}
	}()
	if len(*left) != 0 {
		t.Errorf("left before anything was written: %q", *left)
	}
	l.post()
	l.durable = 3
	l.sends.release(3, l.sendNow)
	l.post()
	want := []string{"n2 after campaign@4,sent-prepare@5", "n3 after campaign@4,sent-prepare@5",
		"n3 after campaign@4,sent-prepare@5", "n2 after campaign@4,sent-prepare@5,sent-promise@5"}
	if strings.Join(*left, "; ") != strings.Join(want, "; ") {
		t.Errorf("%q, want %q", *left, want)
	}
	if len(l.outbox) != 0 {
		t.Errorf("%d messages are left", len(l.outbox))
	}
}

func TestWithoutTraceMessagesLeaveAtOnce(t *testing.T) {
	l, left := tracedLoop(t, false)
	fx := protocol.Effects{Sends: []protocol.Send{{Message: protocol.Message{Kind: protocol.MsgPrepare, To: 2}}}}
	if err := l.execute(clock.Reading{}, &fx); err != nil {
		t.Fatal(err)
	}
	if l.post(); strings.Join(*left, "; ") != "n2 after " {
		t.Errorf("%q", *left)
	}
}

// An observations file that takes no more stops nobody: messages leave, and the file says later what is missing.
func TestMessagesLeaveThoughTheirLinesCannotBeWritten(t *testing.T) {
	l, left := tracedLoop(t, true)
	l.observer.file = &fullFile{observationsOnDisk: l.observer.file.(observationsOnDisk)}
	fx := protocol.Effects{Sends: []protocol.Send{{Message: protocol.Message{Kind: protocol.MsgPrepare, To: 2}}}}
	if err := l.execute(clock.Reading{}, &fx); err != nil {
		t.Fatal(err)
	}
	if l.post(); len(*left) != 1 || l.observer.lost != 1 {
		t.Errorf("%q left, %d lines are missing", *left, l.observer.lost)
	}
}

// A traced incarnation says so before anything else.
func TestTracedIncarnationSaysSo(t *testing.T) {
	dir := t.TempDir()
	s := startFake(t, func(o *Options) { o.Data = dir }, func(_ clock.Reading, in protocol.Input) (fx protocol.Effects) {
		if in.Kind == protocol.InputStart {
			fx.Observations = []protocol.Observation{{Kind: protocol.ObservedRecovered}}
		}
		return fx
	})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := observed(t, dir, ObservationsName); strings.Join(got, " ") != "segment:1 clock traced recovered stopped" {
		t.Errorf("%q", got)
	}
}
