package multipaxos

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/register"
)

// BenchmarkSnapshotPause measures for how long a node stands still when it takes a snapshot of 100,000 registers of 100
// bytes. A step of the protocol is one piece of the node's loop, so the longest of them is the longest pause. Times are
// processor time of the thread, which does not depend on what else the machine does.
func BenchmarkSnapshotPause(b *testing.B) {
	const keys = 100_000
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := &pauses{b: b, now: clock.Reading{Mono: time.Second}}
	m, err := New(Options{Self: 1, Members: []protocol.NodeID{1}}, protocol.Recovered{})
	if err != nil {
		b.Fatal(err)
	}
	p.machine = m
	p.step(protocol.Input{Kind: protocol.InputStart})
	p.now.Mono += 10 * time.Second
	p.step(protocol.Input{Kind: protocol.InputTimer, Timer: TimerElection})
	for i := range keys {
		p.write(i)
	}
	p.longest, p.snapshots = 0, 0
	i := keys
	for b.Loop() {
		for before := p.snapshots; p.snapshots == before; i++ {
			p.write(i % keys)
		}
	}
	b.ReportMetric(float64(p.longest.Microseconds())/1000, "longest-ms")
	b.ReportMetric(float64(p.taking.Microseconds())/1000/float64(p.snapshots), "snapshot-ms")
}

// pauses is a machine alone, with a perfect disk, and how long its steps take.
type pauses struct {
	b         *testing.B
	machine   *Machine
	now       clock.Reading
	written   protocol.WriteSeq
	requests  int
	snapshots int
	longest   time.Duration // step
	taking    time.Duration // all steps that took a snapshot
}

func (p *pauses) write(key int) {
	p.requests++
	p.step(protocol.Input{Kind: protocol.InputRequest, Request: protocol.Request{
		ID: protocol.RequestID(p.requests), Deadline: p.now.Mono + time.Second,
		Command: register.Command{
			Client: register.ClientID(key%1000 + 1), Seq: uint64(p.requests), Op: register.OpWrite,
			Key: fmt.Sprintf("key/%07d", key), Value: strings.Repeat("v", 100),
		},
	}})
}

func (p *pauses) step(in protocol.Input) {
	begin := p.threadTime()
	fx := p.machine.Step(p.now, in)
	took := p.threadTime() - begin
	p.longest = max(p.longest, took)
	if n := len(fx.Records); n > 0 {
		p.written += protocol.WriteSeq(n)
		defer p.step(protocol.Input{Kind: protocol.InputDurable, Durable: p.written})
	}
	if s := fx.Snapshot; s != nil {
		p.snapshots++
		p.taking += took
		defer p.step(protocol.Input{Kind: protocol.InputSnapshotted, Snapshotted: s.Slot})
	}
}

func (p *pauses) threadTime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		p.b.Skip("the system does not say what a thread used")
	}
	return time.Duration(now.Nano())
}
