package sim

import (
	"hash/crc32"

	"elenchus/node/protocol"
	"elenchus/node/wire"
)

// messagePool stores messages in transit, and reuses its memory.
type messagePool struct {
	blocks []*[poolBlock]protocol.Message
	idle   []uint32
	used   uint32
}

// poolBlock is how many messages a block has. Blocks never move, so a pointer to a message stays good.
const poolBlock = 64

func (p *messagePool) reset() { p.idle, p.used = p.idle[:0], 0 }

func (p *messagePool) at(slot uint32) *protocol.Message {
	return &p.blocks[slot/poolBlock][slot%poolBlock]
}

// take returns the place of a new message.
func (p *messagePool) take() uint32 {
	if n := len(p.idle); n > 0 {
		slot := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return slot
	}
	slot := p.used
	if int(slot/poolBlock) == len(p.blocks) {
		p.blocks = append(p.blocks, new([poolBlock]protocol.Message))
	}
	p.used++
	return slot
}

func (p *messagePool) free(slot uint32) { p.idle = append(p.idle, slot) }

// copyMessage copies a message from its sender's memory. It reports false when the message is damaged in transit and
// the receiver detects it.
//
// A share of the messages is encoded and decoded. The others are copied as values, and share their entries with the
// sender. Nobody modifies these: the same run with every message encoded has the same hash.
func (w *World) copyMessage(l *link, msg *protocol.Message, id, attempt uint64) (uint32, bool) {
	net := &w.net
	corrupt := net.CorruptPPM + l.harm.corruptPPM
	corrupted := corrupt != 0 && chance(w.rng.at(forCorruption, id, attempt), corrupt)
	if !corrupted && (net.CodecPPM == 0 || !chance(w.rng.at(forCodec, id, attempt), net.CodecPPM)) {
		slot := w.messages.take()
		*w.messages.at(slot) = *msg
		return slot, true
	}
	w.stats.Encoded++
	frame := wire.AppendMessage(w.frame[:0], msg)
	sum := crc32.Checksum(frame, castagnoli)
	w.frame = frame
	if corrupted {
		bit := below(w.rng.at(forCorruptBit, id, attempt), uint64(len(frame))*8)
		frame[bit/8] ^= 1 << (bit % 8)
	}
	if crc32.Checksum(frame, castagnoli) != sum { // as a frame of package transport has it
		return 0, false
	}
	decoded, err := wire.DecodeMessage(frame)
	if err != nil {
		w.violated(Violation{
			Invariant: invariantCodec, Node: int(msg.From), Ballot: msg.Ballot,
			Message: "a message was encoded to what cannot be decoded: " + err.Error(),
		})
		return 0, false
	}
	slot := w.messages.take()
	*w.messages.at(slot) = decoded
	return slot, true
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// attempts counts how often a message was sent before. It is a hash table without chains: a message whose place is
// taken by another one replaces it, and its count begins again. Then two messages share random choices, which does no
// harm.
type attempts [attemptsMax]struct {
	id    uint64
	count uint64
}

const attemptsMax = 1 << 11

func (a *attempts) next(id uint64) uint64 {
	place := &a[id%attemptsMax]
	if place.id != id {
		place.id, place.count = id, 0
	}
	place.count++
	return place.count
}

// identify returns the identity by which random choices about a message are keyed: its content, and how often it was
// sent before.
func (w *World) identify(msg *protocol.Message) (id, attempt uint64) {
	slot := uint64(msg.First)<<32 ^ uint64(msg.Last)
	if len(msg.Entries) > 0 {
		slot ^= uint64(msg.Entries[0].Slot)<<32 ^ uint64(len(msg.Entries))
	}
	id = mix(uint64(msg.Kind)<<32|uint64(msg.From)<<16|uint64(msg.To), msg.Ballot.Round<<8|uint64(msg.Ballot.Node))
	id = mix(id, slot)
	id = mix(id, msg.Seq^uint64(msg.Request)<<20^uint64(msg.Lease)<<60)
	return id, w.attempts.next(id)
}
