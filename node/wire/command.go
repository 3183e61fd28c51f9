package wire

import (
	"encoding/binary"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// Fields of a command that follow its operation, in this order if present.
const (
	commandClient = 1 << iota
	commandSeq
	commandKey
	commandValue
	commandExpect
	commandExpectAbsent
	commandFieldsAll = 1<<iota - 1
)

// commandBytesMin is the size of the shortest command: its operation and field set.
const commandBytesMin = 2

func appendCommand(dst []byte, c *register.Command) []byte {
	var fields byte
	set := func(bit byte, present bool) {
		if present {
			fields |= bit
		}
	}
	set(commandClient, c.Client != 0)
	set(commandSeq, c.Seq != 0)
	set(commandKey, c.Key != "")
	set(commandValue, c.Value != "")
	set(commandExpect, c.Expect != "")
	set(commandExpectAbsent, c.ExpectAbsent)
	dst = append(dst, byte(c.Op), fields)
	if c.Client != 0 {
		dst = binary.AppendUvarint(dst, uint64(c.Client))
	}
	if c.Seq != 0 {
		dst = binary.AppendUvarint(dst, c.Seq)
	}
	for _, s := range [...]string{c.Key, c.Value, c.Expect} {
		if s != "" {
			dst = appendString(dst, s)
		}
	}
	return dst
}

func (r *reader) command() (c register.Command) {
	c.Op = register.Op(r.byte())
	if !c.Op.Valid() {
		r.fail("unknown operation %d", uint8(c.Op))
	}
	fields := r.byte()
	if fields&^commandFieldsAll != 0 {
		r.fail("unknown command fields %#x", fields)
	}
	if fields&commandClient != 0 {
		c.Client = register.ClientID(r.present(^uint64(0)))
	}
	if fields&commandSeq != 0 {
		c.Seq = r.present(^uint64(0))
	}
	if fields&commandKey != 0 {
		c.Key = r.presentString(register.KeyBytesMax)
	}
	if fields&commandValue != 0 {
		c.Value = r.presentString(register.ValueBytesMax)
	}
	if fields&commandExpect != 0 {
		c.Expect = r.presentString(register.ValueBytesMax)
	}
	c.ExpectAbsent = fields&commandExpectAbsent != 0
	return c
}

// present reads an integer whose field is present, which therefore must not be zero.
func (r *reader) present(limit uint64) uint64 {
	v := r.uvarint(limit)
	if v == 0 {
		r.fail("zero in a field that is present")
	}
	return v
}

func (r *reader) presentString(limit int) string {
	s := r.string(limit)
	if s == "" {
		r.fail("empty string in a field that is present")
	}
	return s
}

func appendResult(dst []byte, result *register.Result) []byte {
	dst = append(dst, byte(result.Code))
	dst = binary.AppendUvarint(dst, uint64(len(result.Values)))
	for _, v := range result.Values {
		dst = appendString(dst, v)
	}
	return dst
}

func (r *reader) result() (result register.Result) {
	result.Code = register.Code(r.byte())
	if !result.Code.Valid() {
		r.fail("unknown result code %d", uint8(result.Code))
	}
	n := r.count(register.ElementsMax, 1)
	if n == 0 {
		return result
	}
	result.Values = make([]string, 0, n)
	for range n {
		result.Values = append(result.Values, r.string(register.ValueBytesMax))
	}
	return result
}

func appendBallot(dst []byte, b protocol.Ballot) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, b.Round), uint64(b.Node))
}

func (r *reader) ballot() protocol.Ballot {
	return protocol.Ballot{Round: r.uvarint(^uint64(0)), Node: protocol.NodeID(r.uvarint(1<<16 - 1))}
}

// entryBytesMin is the size of the shortest entry: slot, round, node and number of commands.
const entryBytesMin = 4

func appendEntry(dst []byte, e *protocol.Entry) []byte {
	dst = binary.AppendUvarint(dst, uint64(e.Slot))
	dst = appendBallot(dst, e.Ballot)
	dst = binary.AppendUvarint(dst, uint64(len(e.Batch)))
	for i := range e.Batch {
		dst = appendCommand(dst, &e.Batch[i])
	}
	return dst
}

func (r *reader) entry() (e protocol.Entry) {
	e.Slot = protocol.Slot(r.uvarint(^uint64(0)))
	e.Ballot = r.ballot()
	n := r.count(protocol.BatchCommandsMax, commandBytesMin)
	if n == 0 {
		return e
	}
	e.Batch = make([]register.Command, 0, n)
	for range n {
		e.Batch = append(e.Batch, r.command())
	}
	return e
}
