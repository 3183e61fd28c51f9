package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/node/transport"
	"elenchus/node/wal"
	"elenchus/node/wire"
)

// promise returns a promise record.
func promise(round uint64) protocol.Record {
	return protocol.Record{Kind: protocol.RecordPromise, Ballot: protocol.Ballot{Round: round, Node: 1}}
}

// startPeer starts n2 as a peer of n1 and passes the messages it receives to got.
func startPeer(t *testing.T, listener net.Listener, address string, got chan<- protocol.Message) {
	t.Helper()
	peer, err := transport.New(listener, transport.Options{
		Cluster: "lab", Self: 2, Peers: map[uint16]string{1: address},
		Deliver: func(_ uint16, payload []byte) {
			msg, err := wire.DecodeMessage(payload)
			if err != nil {
				t.Error(err)
			}
			got <- msg
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
}

// TestNothingLeavesBeforeItIsDurable uses a machine in which every request creates a record, sends one message that
// depends on it and one that does not, and is answered when it is durable. While the disk is stuck only the independent
// message may be sent; requests that arrive meanwhile share one sync.
func TestNothingLeavesBeforeItIsDurable(t *testing.T) {
	got := make(chan protocol.Message, 100)
	peerListener := listen(t, "127.0.0.1:0")
	disk := &gateFS{FS: wal.OS{}}
	var durable []protocol.WriteSeq // as seen by the loop
	var written protocol.WriteSeq
	var address string
	s := startFake(t, func(o *Options) {
		o.FS = disk
		o.Peers[2] = peerListener.Addr().String()
		address = o.Peers[1]
	}, func(_ clock.Reading, in protocol.Input) (fx protocol.Effects) {
		switch in.Kind {
		case protocol.InputRequest:
			written++
			fx.Records = []protocol.Record{promise(uint64(written))}
			fx.Sends = []protocol.Send{
				{Message: protocol.Message{Kind: protocol.MsgAccepted, From: 1, To: 2, Seq: uint64(written)}, After: written},
				{Message: protocol.Message{Kind: protocol.MsgHeartbeat, From: 1, To: 2, Seq: uint64(written)}},
			}
			fx.Replies = []protocol.Reply{{ID: in.Request.ID, After: written}}
		case protocol.InputDurable:
			durable = append(durable, in.Durable)
		}
		return fx
	})
	startPeer(t, peerListener, address, got)
	eventually(t, "connected", func() bool { return s.transport.Stats()[2].Connected })

	gate := disk.shut()
	const requests = 5
	answers := make(chan int, requests)
	var group sync.WaitGroup
	ask := func(n int) {
		for range n {
			group.Go(func() {
				status, _ := call(t, s, "PUT", "/v1/registers/k", "v")
				answers <- status
			})
		}
	}
	ask(1)
	eventually(t, "the first sync begins", func() bool { return disk.begun() == 1 })
	ask(requests - 1)
	for i := range requests {
		if msg := <-got; msg.Kind != protocol.MsgHeartbeat || msg.Seq != uint64(i+1) {
			t.Fatalf("message %d is %v %d, want a heartbeat: it depends on nothing", i, msg.Kind, msg.Seq)
		}
	}
	if len(answers) != 0 || len(got) != 0 || disk.begun() != 1 {
		t.Fatalf("%d answers, %d messages, %d syncs while the disk is stuck", len(answers), len(got), disk.begun())
	}
	gate <- nil
	if msg := <-got; msg.Kind != protocol.MsgAccepted || msg.Seq != 1 {
		t.Fatalf("after the first sync: %v %d", msg.Kind, msg.Seq)
	}
	<-answers
	eventually(t, "the second sync begins", func() bool { return disk.begun() == 2 })
	if len(answers) != 0 || len(got) != 0 {
		t.Fatalf("%d answers and %d messages after one sync", len(answers), len(got))
	}
	gate <- nil
	group.Wait()
	close(gate)
	s.Kill()
	if disk.begun() != 2 || fmt.Sprint(durable) != fmt.Sprintf("[1 %d]", requests) {
		t.Errorf("%d syncs, want 2; the machine heard of durable writes %v", disk.begun(), durable)
	}
}

// TestDiskErrorStopsTheNode checks that after a failed sync no client is told ok, and the node stops and returns the
// reason.
func TestDiskErrorStopsTheNode(t *testing.T) {
	disk := &gateFS{FS: wal.OS{}}
	s := startFake(t, func(o *Options) { o.FS = disk }, func(_ clock.Reading, in protocol.Input) (fx protocol.Effects) {
		if in.Kind == protocol.InputRequest {
			fx.Records = []protocol.Record{promise(1)}
			fx.Replies = []protocol.Reply{{ID: in.Request.ID, After: 1}}
		}
		return fx
	})
	gate := disk.shut()
	answer := make(chan string, 1)
	go func() {
		status, body := call(t, s, "PUT", "/v1/registers/k", "v")
		answer <- fmt.Sprint(status, body)
	}()
	gate <- syscall.ENOSPC
	if err := s.Wait(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("node stopped because %v, want ENOSPC", err)
	}
	if got := <-answer; !strings.HasPrefix(got, "504") || !strings.Contains(got, `"outcome":"unknown"`) {
		t.Errorf("answer: %s", got)
	}
}

func TestHalt(t *testing.T) {
	tests := map[string]protocol.Effects{
		"machine says so":        {Halt: errors.New("two values in slot 7")},
		"send waits for nothing": {Sends: []protocol.Send{{After: 1}}},
		"reply waits for ever":   {Records: []protocol.Record{promise(1)}, Replies: []protocol.Reply{{After: 2}}},
	}
	for name, fx := range tests {
		t.Run(name, func(t *testing.T) {
			s := startFake(t, nil, func(_ clock.Reading, in protocol.Input) protocol.Effects {
				if in.Kind == protocol.InputRequest {
					return fx
				}
				return protocol.Effects{}
			})
			if status, _ := call(t, s, "PUT", "/v1/registers/k", "v"); status != 504 && status != 0 {
				t.Errorf("status %d", status)
			}
			if err := s.Wait(); !errors.Is(err, ErrHalted) || fx.Halt != nil && !errors.Is(err, fx.Halt) {
				t.Errorf("stopped because %v", err)
			}
		})
	}
}

// TestTimers checks that a timer never fires early, that setting it again moves it, and that zero stops it.
func TestTimers(t *testing.T) {
	const id, moved, stopped = 1, 2, 3
	type shot struct {
		timer protocol.TimerID
		early bool
	}
	shots := make(chan shot, 100)
	due := map[protocol.TimerID]time.Duration{}
	rounds := 0
	startFake(t, nil, func(now clock.Reading, in protocol.Input) (fx protocol.Effects) {
		set := func(id protocol.TimerID, d time.Duration) {
			due[id] = now.Mono + d
			fx.Timers = append(fx.Timers, protocol.TimerSet{ID: id, At: due[id]})
		}
		switch in.Kind {
		case protocol.InputStart:
			set(id, 5*time.Millisecond)
			set(moved, time.Millisecond)
			set(moved, 30*time.Millisecond)
			set(stopped, 10*time.Millisecond)
			fx.Timers = append(fx.Timers, protocol.TimerSet{ID: stopped})
		case protocol.InputTimer:
			shots <- shot{in.Timer, now.Mono < due[in.Timer]}
			if rounds++; in.Timer == id && rounds < 20 {
				set(id, 5*time.Millisecond)
			}
		}
		return fx
	})
	seen := map[protocol.TimerID]int{}
	for seen[id]+seen[moved] < 20 {
		select {
		case s := <-shots:
			seen[s.timer]++
			if s.early {
				t.Errorf("timer %d fires early", s.timer)
			}
		case <-time.After(patience):
			t.Fatalf("timers stand still after %v", seen)
		}
	}
	if seen[moved] != 1 || seen[stopped] != 0 {
		t.Errorf("timers fired %v", seen)
	}
}

// TestMessagesToSelfArrive checks that a machine may send messages to itself.
func TestMessagesToSelfArrive(t *testing.T) {
	s := startFake(t, nil, func(_ clock.Reading, in protocol.Input) (fx protocol.Effects) {
		switch in.Kind {
		case protocol.InputRequest:
			fx.Records = []protocol.Record{promise(1)}
			fx.Sends = []protocol.Send{{Message: protocol.Message{
				Kind: protocol.MsgForward, From: 1, To: 1, Request: in.Request.ID}, After: 1}}
		case protocol.InputMessage:
			fx.Replies = []protocol.Reply{{ID: in.Message.Request}}
		}
		return fx
	})
	if status, body := call(t, s, "PUT", "/v1/registers/k", "v"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

// silent is a machine that never answers.
func silent(clock.Reading, protocol.Input) protocol.Effects { return protocol.Effects{} }

func TestOverload(t *testing.T) {
	s := startFake(t, func(o *Options) { o.InFlightMax = 2 }, silent)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() { call(t, s, "GET", "/v1/registers/k", "") })
	}
	eventually(t, "two requests are in flight", func() bool { return len(s.inFlight) == 2 })
	status, body := call(t, s, "PUT", "/v1/registers/k", "v")
	if status != 429 || !strings.Contains(body, `"outcome":"fail"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := call(t, s, "GET", "/status", ""); status != 200 {
		t.Errorf("status under load: %d", status)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	group.Wait()
}

// TestSilentMachine checks that, when the machine fails to answer or the node stops, a mutation is unknown and a read,
// which has no effect, has failed.
func TestSilentMachine(t *testing.T) {
	for _, stop := range []bool{false, true} {
		t.Run(fmt.Sprintf("stop=%v", stop), func(t *testing.T) {
			s := startFake(t, nil, silent)
			timeout := "10ms"
			if stop {
				timeout = "60s"
			}
			want := map[string]int{"PUT": 504, "GET": 503}
			var group sync.WaitGroup
			for method, status := range want {
				group.Go(func() {
					got, body := call(t, s, method, "/v1/registers/k", "", "Elenchus-Timeout", timeout)
					outcome := map[int]string{504: `"unknown"`, 503: `"fail"`}[status]
					if got != status || !strings.Contains(body, outcome) || !strings.Contains(body, "reason") {
						t.Errorf("%s: %d %s", method, got, body)
					}
				})
			}
			if stop {
				eventually(t, "both are in flight", func() bool { return len(s.inFlight) == 2 && len(s.loop.inbox) == 0 })
				if err := s.Stop(); err != nil {
					t.Error(err)
				}
			}
			group.Wait()
		})
	}
}

// TestObservations checks that every observation is one line, even after a line that a crash cut short.
func TestObservations(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ObservationsName), []byte(`{"half":`), 0o600); err != nil {
		t.Fatal(err)
	}
	batch := []register.Command{
		{Client: 5, Seq: 2, Op: register.OpCAS, Key: "k", Expect: "", Value: "2"},
		{Client: 6, Seq: 1, Op: register.OpCAS, Key: "k", ExpectAbsent: true, Value: "<3>"},
		{},
	}
	s := startFake(t, func(o *Options) { o.Data, o.NoTrace = dir, true }, func(_ clock.Reading, in protocol.Input) (
		fx protocol.Effects) {
		if in.Kind == protocol.InputStart {
			fx.Observations = []protocol.Observation{
				{Kind: protocol.ObservedDeposed, Ballot: protocol.Ballot{Round: 7, Node: 2}, Peer: 3, Reason: "nack"},
				{Kind: protocol.ObservedApplied, First: 1, Slot: 4, Batch: batch, Hash: 0xab},
				{Kind: protocol.ObservedLeaseHeld, Lease: "rate", Since: 4, Until: 9},
			}
		}
		return fx
	})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(readFile(t, dir, ObservationsName)), "\n")
	if len(lines) != 5 || !strings.Contains(lines[1], `"kind":"clock","origin_ns":`) {
		t.Fatalf("lines: %q", lines)
	}
	lines = slices.Delete(lines, 1, 2)
	for i, want := range []string{
		`{"mono_ns":0,"wall_ns":0,"boot":1,"node":"n1","kind":"deposed","ballot":"7.n2","peer":"n3","reason":"nack"}`,
		`{"mono_ns":0,"wall_ns":0,"boot":1,"node":"n1","kind":"applied","first":1,"slot":4,"ids":["5:2","6:1","-"],` +
			`"ops":[{"op":"cas","key":"k","value":"2","expect":""},{"op":"cas","key":"k","value":"\u003c3\u003e"},` +
			`{"op":"noop","key":""}],"value":"32fda5d53b8174fb","state":"ab"}`,
		`{"mono_ns":0,"wall_ns":0,"boot":1,"node":"n1","kind":"lease-held","lease":"rate","since_ns":4,"until_ns":9}`,
	} {
		var line observation
		if err := json.Unmarshal([]byte(lines[i+1]), &line); err != nil || line.MonoNS <= 0 || line.WallNS <= 0 {
			t.Fatalf("line %s: %v", lines[i+1], err)
		}
		line.MonoNS, line.WallNS = 0, 0
		if got, _ := json.Marshal(line); string(got) != want {
			t.Errorf("line %d is\n%s, want\n%s", i+1, got, want)
		}
	}
}

// TestRecovery checks that what was written before a kill is recovered, that the boot number rises, and that data of
// another node or without its log is refused.
func TestRecovery(t *testing.T) {
	dir := t.TempDir()
	record := func(_ clock.Reading, in protocol.Input) (fx protocol.Effects) {
		if in.Kind == protocol.InputRequest {
			fx.Records = []protocol.Record{promise(3)}
			fx.Replies = []protocol.Reply{{ID: in.Request.ID, After: 1}}
		}
		return fx
	}
	s := startFake(t, func(o *Options) { o.Data = dir }, record)
	if status, body := call(t, s, "PUT", "/v1/registers/k", "v"); status != 200 {
		t.Fatal(status, body)
	}
	s.Kill()
	s = startFake(t, func(o *Options) {
		o.Data = dir
		o.Machine = func(recovered protocol.Recovered, boot uint64) (protocol.Machine, error) {
			if recovered.Promised != (protocol.Ballot{Round: 3, Node: 1}) || boot != 2 {
				t.Errorf("recovered %+v in boot %d", recovered, boot)
			}
			return &fakeMachine{silent}, nil
		}
	}, nil)
	refused := func(what string, want error, change func(*Options)) {
		t.Helper()
		opts := Options{
			ID: 1, Cluster: "lab", Data: dir, HTTPAddress: "127.0.0.1:0", PeerAddress: "127.0.0.1:0",
			Peers:   map[protocol.NodeID]string{1: "127.0.0.1:1", 2: "127.0.0.1:2"},
			Machine: func(protocol.Recovered, uint64) (protocol.Machine, error) { return &fakeMachine{silent}, nil },
		}
		change(&opts)
		if started, err := Start(opts); err == nil {
			started.Kill()
			t.Errorf("%s: started", what)
		} else if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	refused("in use", wal.ErrLocked, func(*Options) {})
	refused("port in use", syscall.EADDRINUSE, func(o *Options) { o.HTTPAddress = s.HTTPAddr().String() })
	s.Kill()
	refused("other node", wal.ErrIdentity, func(o *Options) { o.ID = 2 })
	refused("other cluster", wal.ErrIdentity, func(o *Options) { o.Cluster = "prod" })
	broken := errors.New("cannot make a machine")
	refused("machine", broken, func(o *Options) {
		o.Machine = func(protocol.Recovered, uint64) (protocol.Machine, error) { return nil, broken }
	})
	log := filepath.Join(dir, wal.FileName)
	content := []byte(readFile(t, log))
	if err := os.Truncate(log, int64(len(content)-1)); err != nil {
		t.Fatal(err)
	}
	refused("end cut off", wal.ErrCorrupt, func(*Options) {})
	content[len(content)-1] ^= 1
	if err := os.WriteFile(log, content, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("flipped bit", wal.ErrCorrupt, func(*Options) {})
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	refused("log is gone", wal.ErrMissing, func(*Options) {})
}

// TestBootIsCountedOrRefused crashes the file system at every operation of a start, and checks that the next start
// either sees a new directory or a log, and never reuses a boot number.
func TestBootIsCountedOrRefused(t *testing.T) {
	dir := t.TempDir()
	for op := 1; ; op++ {
		fsys := wal.NewMemFS(uint64(op))
		used := map[uint64]bool{}
		crashed := false
		for round := range 3 {
			if round == 0 {
				fsys.CrashAt(op)
			}
			l := listen(t, "127.0.0.1:0")
			s, err := Start(Options{
				ID: 1, Cluster: "lab", Data: dir, FS: fsys, Peers: map[protocol.NodeID]string{1: l.Addr().String()},
				PeerListener: l, HTTPListener: listen(t, "127.0.0.1:0"),
				Machine: func(_ protocol.Recovered, boot uint64) (protocol.Machine, error) {
					if used[boot] {
						t.Errorf("op %d: boot %d twice", op, boot)
					}
					used[boot] = true
					return &fakeMachine{silent}, nil
				},
			})
			switch {
			case err == nil:
				s.Kill()
			case round == 0 && errors.Is(err, wal.ErrCrashed):
				crashed = true
			default:
				t.Fatalf("op %d, start %d: %v", op, round, err)
			}
			fsys.Reboot()
		}
		if !crashed {
			return
		}
	}
}

func TestOptionsListAllProblems(t *testing.T) {
	_, err := Start(Options{Cluster: strings.Repeat("x", 65), InFlightMax: -1, Peers: map[protocol.NodeID]string{3: "x"}})
	for _, want := range []string{"id", "cluster", "data", "machine", "in-flight", "n3"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %s", err, want)
		}
	}
}
