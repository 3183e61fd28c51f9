package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/storage"
	"elenchus/node/trace"
	"elenchus/node/wire"
)

const (
	// turnMax is the maximum number of inputs the loop takes between writes of observations.
	turnMax = 256
	// unsyncedBytesMax is the number of unsynced bytes above which the loop stops taking messages and requests.
	unsyncedBytesMax = 64 << 20
	// inboxMax is the maximum number of messages and requests queued for the loop.
	inboxMax = 1024
	// outboxMax is the number of messages that wait for the observations to be written, before the end of the turn.
	outboxMax = 32
)

// ErrHalted means that the machine halted, so the node must stop for good.
var ErrHalted = errors.New("protocol halted")

// submission is a client request passed to the loop.
type submission struct {
	request protocol.Request
	reply   chan<- protocol.Reply // has capacity 1
}

// synced is the syncer's report.
type synced struct {
	upTo protocol.WriteSeq
	err  error
}

// saved is the snapshot writer's report.
type saved struct {
	slot protocol.Slot
	err  error
}

// event is an external input. Exactly one of its fields is set.
type event struct {
	message    *protocol.Message
	submission *submission
	forsake    chan<- protocol.Status // has capacity 1; receives the status from just before
}

// loop owns the machine.
type loop struct {
	machine  protocol.Machine
	store    *storage.Store
	observer *observer
	clock    Clock
	logger   hclog.Logger
	self     protocol.NodeID
	send     func(to protocol.NodeID, payload []byte)

	inbox    chan event
	inspects chan func(clock.Reading)
	wake     chan struct{} // wakes the syncer when there is something to sync
	synced   chan synced
	saves    chan *protocol.Snapshot // snapshots to write
	saved    chan saved
	saving   bool          // a snapshot is being written
	done     chan struct{} // closed when the loop ends

	timers   timers
	alarm    *time.Timer
	local    []protocol.Message // messages to this node itself
	waiting  map[protocol.RequestID]chan<- protocol.Reply
	appended protocol.WriteSeq
	durable  protocol.WriteSeq
	unsynced []int // size of each record that is not yet durable
	backlog  int   // sum of unsynced
	sends    held[outgoing]
	replies  held[protocol.Reply]

	tracing bool       // what leaves is among the observations
	outbox  []outgoing // what may leave as soon as the observations are written
}

type outgoing struct {
	to      protocol.NodeID
	payload []byte
	trace   []byte // its line in the observations; nil if it has none, or shares that of the message before
}

func (l *loop) init() {
	l.inbox = make(chan event, inboxMax)
	l.inspects = make(chan func(clock.Reading))
	l.wake = make(chan struct{}, 1)
	l.synced = make(chan synced, 1)
	l.saves = make(chan *protocol.Snapshot, 1) // a machine requests one at a time
	l.saved = make(chan saved, 1)
	l.done = make(chan struct{})
	l.waiting = make(map[protocol.RequestID]chan<- protocol.Reply)
	l.alarm = time.NewTimer(time.Hour)
}

// run drives the machine until ctx ends (nil) or the node must stop for good.
func (l *loop) run(ctx context.Context) error {
	defer close(l.done)
	defer l.alarm.Stop()
	if l.tracing {
		l.observer.sent(l.clock(), tracedLine)
	}
	err := l.step(protocol.Input{Kind: protocol.InputStart})
	for err == nil {
		l.post()
		err = l.turn(ctx)
	}
	l.post()
	if errors.Is(err, errStopped) {
		return nil
	}
	return err
}

// ended reports whether the loop has ended.
func (l *loop) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// errStopped ends the loop without an error.
var errStopped = errors.New("stopped")

// turn waits for an input, then handles it and any others that are ready, up to turnMax.
func (l *loop) turn(ctx context.Context) error {
	l.setAlarm()
	inbox := l.inbox
	if l.backlog > unsyncedBytesMax {
		inbox = nil
	}
	var err error
	select {
	case <-ctx.Done():
		return errStopped
	case s := <-l.synced:
		err = l.onSynced(s)
	case s := <-l.saved:
		err = l.onSaved(s)
	case e := <-inbox:
		err = l.onEvent(e)
	case inspect := <-l.inspects:
		inspect(l.clock())
	case <-l.alarm.C:
		err = l.fire()
	}
	for taken := 1; err == nil && taken < turnMax && l.backlog <= unsyncedBytesMax; taken++ {
		if len(l.outbox) >= outboxMax {
			l.post()
		}
		select {
		case s := <-l.synced:
			err = l.onSynced(s)
		case e := <-l.inbox:
			err = l.onEvent(e)
		default:
			return nil
		}
	}
	return err
}

// post writes the observations, and lets go the messages that wait for that. A process can be killed at any moment:
// whatever has left it is then among its observations, while the operating system lives.
func (l *loop) post() {
	l.observer.flush()
	for i := range l.outbox {
		l.send(l.outbox[i].to, l.outbox[i].payload)
	}
	clear(l.outbox)
	l.outbox = l.outbox[:0]
}

// setAlarm sets the alarm to the time of the next timer.
func (l *loop) setAlarm() {
	_, at, ok := l.timers.next()
	if !ok {
		l.alarm.Stop()
		return
	}
	l.alarm.Reset(max(0, at-l.clock().Mono))
}

// fire steps the machine once for each due timer.
func (l *loop) fire() error {
	now := l.clock().Mono
	for range turnMax {
		id, ok := l.timers.take(now)
		if !ok {
			return nil
		}
		if err := l.step(protocol.Input{Kind: protocol.InputTimer, Timer: id}); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) onEvent(e event) error {
	if e.message != nil {
		return l.step(protocol.Input{Kind: protocol.InputMessage, Message: e.message})
	}
	if e.forsake != nil {
		e.forsake <- l.machine.Status(l.clock())
		return l.step(protocol.Input{Kind: protocol.InputForsake})
	}
	l.waiting[e.submission.request.ID] = e.submission.reply
	return l.step(protocol.Input{Kind: protocol.InputRequest, Request: e.submission.request})
}

// onSynced releases what waited for the disk, and informs the machine.
func (l *loop) onSynced(s synced) error {
	if s.err != nil {
		return s.err
	}
	upTo := s.upTo
	if upTo <= l.durable {
		return nil
	}
	for _, size := range l.unsynced[:upTo-l.durable] {
		l.backlog -= size
	}
	l.unsynced = append(l.unsynced[:0], l.unsynced[upTo-l.durable:]...)
	l.durable = upTo
	l.sends.release(upTo, l.sendNow)
	l.replies.release(upTo, l.replyNow)
	return l.step(protocol.Input{Kind: protocol.InputDurable, Durable: upTo})
}

// onSaved informs the machine that its snapshot is durable.
func (l *loop) onSaved(s saved) error {
	l.saving = false
	if s.err != nil {
		return s.err
	}
	return l.step(protocol.Input{Kind: protocol.InputSnapshotted, Snapshotted: s.slot})
}

// step steps the machine and executes its effects.
func (l *loop) step(in protocol.Input) error {
	for {
		now := l.clock()
		effects := l.machine.Step(now, in)
		if err := l.execute(now, &effects); err != nil {
			return err
		}
		if len(l.local) == 0 {
			return nil
		}
		msg := l.local[0]
		l.local = l.local[1:]
		in = protocol.Input{Kind: protocol.InputMessage, Message: &msg}
	}
}

// execute carries out the effects in the order of the contract, as documented at protocol.Effects.
func (l *loop) execute(now clock.Reading, fx *protocol.Effects) error {
	if err := l.write(fx); err != nil {
		return err
	}
	for i := range fx.Observations { // before the messages: these are traced in the order of cause and effect
		l.logObservation(&fx.Observations[i])
		if err := l.observer.add(now, &fx.Observations[i]); err != nil {
			return err
		}
	}
	for i := range fx.Sends {
		s := &fx.Sends[i]
		if s.After > l.appended {
			return fmt.Errorf("%w: %v waits for write %d of %d", ErrHalted, s.Message.Kind, s.After, l.appended)
		}
		// Encode now, because the machine may reuse the memory in its next step.
		out := outgoing{to: s.Message.To, payload: wire.AppendMessage(nil, &s.Message)}
		if l.tracing && (i == 0 || s.After != fx.Sends[i-1].After || !trace.Same(&s.Message, &fx.Sends[i-1].Message)) {
			out.trace, _ = trace.Append(nil, &s.Message)
		}
		if s.After <= l.durable {
			l.sendNow(out)
		} else {
			l.sends.add(s.After, out)
		}
	}
	for _, r := range fx.Replies {
		if r.After > l.appended {
			return fmt.Errorf("%w: reply %d waits for write %d of %d", ErrHalted, r.ID, r.After, l.appended)
		}
		if r.After <= l.durable {
			l.replyNow(r)
		} else {
			l.replies.add(r.After, r)
		}
	}
	for _, t := range fx.Timers {
		l.timers.set(t)
	}
	if fx.Halt != nil {
		return fmt.Errorf("%w: %w", ErrHalted, fx.Halt)
	}
	return nil
}

// write hands over what must become durable, and starts the sync.
func (l *loop) write(fx *protocol.Effects) error {
	if fx.Snapshot != nil {
		if l.saving {
			return fmt.Errorf("%w: snapshot of slot %d is wanted while another is written", ErrHalted, fx.Snapshot.Slot)
		}
		l.saving = true
		l.saves <- fx.Snapshot // cannot block: the writer has taken the previous one
	}
	if fx.Compaction != nil {
		if err := l.store.Compact(fx.Compaction); err != nil {
			return err
		}
	}
	for i := range fx.Records {
		seq, size, err := l.store.Append(&fx.Records[i])
		if err != nil {
			return err
		}
		l.appended++
		if seq != l.appended {
			return fmt.Errorf("log counts %d records and the loop %d", seq, l.appended)
		}
		l.unsynced = append(l.unsynced, size)
		l.backlog += size
	}
	if len(fx.Records) > 0 || fx.Compaction != nil {
		select {
		case l.wake <- struct{}{}:
		default: // an earlier wake-up is still pending
		}
	}
	return nil
}

func (l *loop) sendNow(out outgoing) {
	if out.to != l.self {
		if !l.tracing {
			l.send(out.to, out.payload)
			return
		}
		if out.trace != nil {
			l.observer.sent(l.clock(), out.trace)
		}
		l.outbox = append(l.outbox, out)
		return
	}
	msg, err := wire.DecodeMessage(out.payload)
	if err != nil {
		l.logger.Error("message to self is invalid", "error", err)
		return
	}
	l.local = append(l.local, msg)
}

// replyNow answers a request, once. The client may be gone; the channel's capacity of 1 makes that harmless.
func (l *loop) replyNow(r protocol.Reply) {
	if reply, ok := l.waiting[r.ID]; ok {
		delete(l.waiting, r.ID)
		reply <- r
	}
}

// logObservation logs what operators want to know: changes of leadership.
func (l *loop) logObservation(o *protocol.Observation) {
	ballot := o.Ballot.String()
	switch o.Kind {
	case protocol.ObservedCampaign:
		l.logger.Info("campaigning", "ballot", ballot)
	case protocol.ObservedElected:
		l.logger.Info("elected leader", "ballot", ballot)
	case protocol.ObservedDeposed:
		l.logger.Warn("no longer leader", "ballot", ballot, "reason", o.Reason)
	case protocol.ObservedBallot:
		l.logger.Info("ballot adopted", "ballot", ballot, "candidate", o.Ballot.Node.String())
	case protocol.ObservedLeaseHeld:
		l.logger.Info("lease held", "ballot", ballot)
	case protocol.ObservedLeaseLost:
		l.logger.Warn("lease lost", "ballot", ballot)
	case protocol.ObservedLeaseForsaken:
		l.logger.Info("lease forsaken", "ballot", ballot, "reason", o.Reason)
	case protocol.ObservedLeaseSilence:
		l.logger.Info("silent for a lease term, because a restart forgets what was granted", "ballot", ballot)
	case protocol.ObservedLeaseRefused:
		l.logger.Debug("lease refused", "ballot", ballot, "peer", o.Peer.String(), "reason", o.Reason)
	case protocol.ObservedCaughtUp:
		l.logger.Debug("caught up", "first", o.First, "slot", o.Slot, "peer", o.Peer.String())
	case protocol.ObservedSnapshotTaken:
		l.logger.Info("snapshot taken", "slot", o.Slot, "log_from", o.First)
	case protocol.ObservedSnapshotInstalled:
		l.logger.Info("snapshot installed", "first", o.First, "slot", o.Slot, "peer", o.Peer.String())
	case protocol.ObservedSnapshotRestored:
		l.logger.Info("snapshot restored", "slot", o.Slot)
	case protocol.ObservedSnapshotSent:
		l.logger.Debug("snapshot sent", "slot", o.Slot, "peer", o.Peer.String())
	case protocol.ObservedSnapshotRefused:
		l.logger.Warn("snapshot refused", "slot", o.Slot, "peer", o.Peer.String(), "reason", o.Reason)
	case protocol.ObservedRecovered:
		l.logger.Info("recovered", "ballot", ballot, "committed", o.Slot)
	}
}

// sync is the syncer goroutine: group commit.
func (l *loop) sync() {
	for {
		select {
		case <-l.done:
			return
		case <-l.wake:
		}
		upTo, err := l.store.Sync()
		select {
		case <-l.done:
			return
		case l.synced <- synced{upTo, err}:
		}
		if err != nil {
			return
		}
	}
}

// saveSnapshots is the goroutine that writes snapshots, concurrently with syncs of the log.
func (l *loop) saveSnapshots() {
	for {
		select {
		case <-l.done:
			return
		case snapshot := <-l.saves:
			l.saved <- saved{snapshot.Slot, l.store.WriteSnapshot(snapshot)} // cannot block: one is requested at a time
		}
	}
}
