package server

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/wal"
)

// TestDiskErrorsAreFinal fails a write or a sync of the log. The kernel may have dropped what it could not write and
// report success for a second sync, so there must be none: the node stops for good without another disk operation.
func TestDiskErrorsAreFinal(t *testing.T) {
	for op, name := range []string{1: "write", 2: "sync"} {
		if op == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			fsys := wal.NewMemFS(uint64(op))
			dir := t.TempDir()
			var recovered protocol.Recovered
			start := func() *Server {
				return startFake(t, func(o *Options) {
					o.FS, o.Data = fsys, dir
					machine := o.Machine
					o.Machine = func(rec protocol.Recovered, boot uint64) (protocol.Machine, error) {
						recovered = rec
						return machine(rec, boot)
					}
				}, recordEach())
			}
			s := start()
			if status, body := call(t, s, "PUT", "/v1/registers/k", "1"); status != 200 {
				t.Fatalf("before the error: %d %s", status, body)
			}
			fsys.FailAt(op, syscall.EIO)
			last := fsys.Ops() + op
			if status, body := call(t, s, "PUT", "/v1/registers/k", "2"); status != 504 ||
				!strings.Contains(body, `"outcome":"unknown"`) {
				t.Errorf("a change that may be on disk, or not: %d %s", status, body)
			}
			if err := s.Wait(); !errors.Is(err, syscall.EIO) {
				t.Errorf("node stopped because of %v, want %v", err, syscall.EIO)
			}
			if status, body := call(t, s, "PUT", "/v1/registers/k", "3"); status != 0 {
				t.Errorf("a node that has stopped answers: %d %s", status, body)
			}
			s.Kill()
			if fsys.Ops() != last {
				t.Errorf("%d operations on the disk after the one that failed", fsys.Ops()-last)
			}
			fsys.Reboot()
			start()
			if round := recovered.Promised.Round; round != 1 && (round != 2 || name != "write") {
				t.Errorf("recovered a promise of round %d", round)
			}
		})
	}
}

// recordEach returns a machine that promises round n at the nth request, and answers once that is durable.
func recordEach() func(clock.Reading, protocol.Input) protocol.Effects {
	var n uint64
	return func(_ clock.Reading, in protocol.Input) (fx protocol.Effects) {
		if in.Kind == protocol.InputRequest {
			n++
			fx.Records = []protocol.Record{promise(n)}
			fx.Replies = []protocol.Reply{{ID: in.Request.ID, After: protocol.WriteSeq(n)}}
		}
		return fx
	}
}
