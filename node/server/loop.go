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
	"elenchus/node/wire"
)

const (
	// turnMax is how many inputs the loop takes before it writes observations.
	turnMax = 256
	// unsyncedBytesMax is how much may wait for the disk before the loop stops to take messages and requests.
	unsyncedBytesMax = 64 << 20
	// inboxMax is how many messages and requests may wait for the loop.
	inboxMax = 1024
)

// ErrHalted means that the machine said the node must stop for good.
var ErrHalted = errors.New("protocol halted")

// submission is a request on its way to the loop.
type submission struct {
	request protocol.Request
	reply   chan<- protocol.Reply // has room for one
}

// synced is what the syncer reports.
type synced struct {
	upTo protocol.WriteSeq
	err  error
}

// saved is what the writer of snapshots reports.
type saved struct {
	slot protocol.Slot
	err  error
}

// event is something that comes from outside: one of its fields is set.
type event struct {
	message    *protocol.Message
	submission *submission
	forsake    chan<- protocol.Status // has room for one: the status just before
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
	wake     chan struct{} // tells the syncer that there is something to sync
	synced   chan synced
	saves    chan *protocol.Snapshot // to be written
	saved    chan saved
	saving   bool          // a snapshot is being written
	done     chan struct{} // closed when the loop has ended

	timers   timers
	alarm    *time.Timer
	local    []protocol.Message // to this node itself
	waiting  map[protocol.RequestID]chan<- protocol.Reply
	appended protocol.WriteSeq
	durable  protocol.WriteSeq
	unsynced []int // bytes of each record that is not durable
	backlog  int   // their sum
	sends    held[outgoing]
	replies  held[protocol.Reply]
}

type outgoing struct {
	to      protocol.NodeID
	payload []byte
}

func (l *loop) init() {
	l.inbox = make(chan event, inboxMax)
	l.inspects = make(chan func(clock.Reading))
	l.wake = make(chan struct{}, 1)
	l.synced = make(chan synced, 1)
	l.saves = make(chan *protocol.Snapshot, 1) // a machine asks for one at a time
	l.saved = make(chan saved, 1)
	l.done = make(chan struct{})
	l.waiting = make(map[protocol.RequestID]chan<- protocol.Reply)
	l.alarm = time.NewTimer(time.Hour)
}

// run drives the machine until ctx ends (nil) or the node must stop for good.
func (l *loop) run(ctx context.Context) error {
	defer close(l.done)
	defer l.alarm.Stop()
	err := l.step(protocol.Input{Kind: protocol.InputStart})
	for err == nil {
		l.observer.flush()
		err = l.turn(ctx)
	}
	l.observer.flush()
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

// turn waits until something happens, and takes in what else has happened then.
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

// setAlarm makes the alarm ring when the next timer is due.
func (l *loop) setAlarm() {
	_, at, ok := l.timers.next()
	if !ok {
		l.alarm.Stop()
		return
	}
	l.alarm.Reset(max(0, at-l.clock().Mono))
}

// fire steps the machine once for each timer that is due.
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

// onSynced lets go what waited for the disk, and tells the machine.
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

// onSaved tells the machine that its snapshot is durable.
func (l *loop) onSaved(s saved) error {
	l.saving = false
	if s.err != nil {
		return s.err
	}
	return l.step(protocol.Input{Kind: protocol.InputSnapshotted, Snapshotted: s.slot})
}

// step tells the machine what happened, and does what it wants done.
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

// execute does the duties of a driver in the order of the contract: protocol.Effects.
func (l *loop) execute(now clock.Reading, fx *protocol.Effects) error {
	if err := l.write(fx); err != nil {
		return err
	}
	for i := range fx.Sends {
		s := &fx.Sends[i]
		if s.After > l.appended {
			return fmt.Errorf("%w: %v waits for write %d of %d", ErrHalted, s.Message.Kind, s.After, l.appended)
		}
		// Encoded now, because the machine may reuse the memory in its next step.
		out := outgoing{to: s.Message.To, payload: wire.AppendMessage(nil, &s.Message)}
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
	for i := range fx.Observations {
		l.logObservation(&fx.Observations[i])
		if err := l.observer.add(now, &fx.Observations[i]); err != nil {
			return err
		}
	}
	if fx.Halt != nil {
		return fmt.Errorf("%w: %w", ErrHalted, fx.Halt)
	}
	return nil
}

// write hands over what is to become durable, and starts the sync.
func (l *loop) write(fx *protocol.Effects) error {
	if fx.Snapshot != nil {
		if l.saving {
			return fmt.Errorf("%w: snapshot of slot %d is wanted while another is written", ErrHalted, fx.Snapshot.Slot)
		}
		l.saving = true
		l.saves <- fx.Snapshot // has room: the writer has taken the one before
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
		default: // the syncer has not yet seen that it was woken before
		}
	}
	return nil
}

func (l *loop) sendNow(out outgoing) {
	if out.to != l.self {
		l.send(out.to, out.payload)
		return
	}
	msg, err := wire.DecodeMessage(out.payload)
	if err != nil {
		l.logger.Error("message to self is invalid", "error", err)
		return
	}
	l.local = append(l.local, msg)
}

// replyNow answers a request, once. Whoever asked may have stopped to wait, which the channel's room makes harmless.
func (l *loop) replyNow(r protocol.Reply) {
	if reply, ok := l.waiting[r.ID]; ok {
		delete(l.waiting, r.ID)
		reply <- r
	}
}

// logObservation logs what operators want to know: who leads.
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

// saveSnapshots is the goroutine that writes snapshots. The log goes on being synced meanwhile.
func (l *loop) saveSnapshots() {
	for {
		select {
		case <-l.done:
			return
		case snapshot := <-l.saves:
			l.saved <- saved{snapshot.Slot, l.store.WriteSnapshot(snapshot)} // has room: one is asked for at a time
		}
	}
}
