package register

import "fmt"

// ClientID identifies a client session. Zero marks commands that are applied without a session (no-ops and reads); they
// change nothing and so need no protection against being applied twice.
type ClientID uint64

// Op is the operation of a command.
type Op uint8

// Operations of protocols.md §1. The numbers are part of the wire and log formats.
const (
	OpNoop   Op = iota // fills a gap in the log; changes nothing
	OpRead             // returns the register's elements
	OpWrite            // replaces all elements with Value
	OpCAS              // replaces Expect with Value, or returns the current elements
	OpAppend           // adds Value as the last element and returns all of them
)

var opNames = [...]string{"noop", "read", "write", "cas", "append"}

// String returns the operation's name in APIs, logs and histories.
func (op Op) String() string {
	if int(op) < len(opNames) {
		return opNames[op]
	}
	return fmt.Sprintf("op(%d)", uint8(op))
}

// Valid reports whether op is one of the known operations.
func (op Op) Valid() bool { return int(op) < len(opNames) }

// Mutates reports whether op may change the register, and so needs a session.
func (op Op) Mutates() bool { return op == OpWrite || op == OpCAS || op == OpAppend }

// Limits on a command, enforced where commands enter the system (the API, the machine and the decoder).
const (
	KeyBytesMax   = 256
	ValueBytesMax = 64 << 10
)

// Limits on one register, enforced by the store when an append would exceed them.
const (
	ElementsMax      = 1 << 16
	RegisterBytesMax = 4 << 20
)

// Command is one operation by one client.
//
// Client and Seq identify the command within a session (protocols.md §1): a replica applies each (Client, Seq) at most
// once, and answers a repeat of a client's latest command with its first result. Seq starts at 1 and rises by one.
type Command struct {
	Client ClientID
	Seq    uint64
	Key    string
	Value  string

	// Expect is the only element that the register must have for a CAS to succeed. With ExpectAbsent the register must be
	// empty instead.
	Expect       string
	ExpectAbsent bool

	Op Op // placed next to the other small field to keep the struct small
}

// Check returns an error if the command must not enter the system: an unknown operation, a mutation without a session,
// or a string beyond the limits.
func (c Command) Check() error {
	switch {
	case !c.Op.Valid():
		return fmt.Errorf("unknown operation %d", uint8(c.Op))
	case c.Op.Mutates() && (c.Client == 0 || c.Seq == 0):
		return fmt.Errorf("%v without a session", c.Op)
	case len(c.Key) > KeyBytesMax:
		return fmt.Errorf("key of %d bytes exceeds %d", len(c.Key), KeyBytesMax)
	case len(c.Value) > ValueBytesMax:
		return fmt.Errorf("value of %d bytes exceeds %d", len(c.Value), ValueBytesMax)
	case len(c.Expect) > ValueBytesMax:
		return fmt.Errorf("expected value of %d bytes exceeds %d", len(c.Expect), ValueBytesMax)
	}
	return nil
}

// ID returns the command's identity as shown in applied logs: "client:seq", or "-" for a command without a session.
func (c Command) ID() string {
	if c.Client == 0 {
		return "-"
	}
	return fmt.Sprintf("%d:%d", c.Client, c.Seq)
}

// Code is the result code of applying a command.
type Code uint8

// The numbers are part of the wire format.
const (
	// CodeOK means that the command took effect or, for a read, was answered.
	CodeOK Code = iota
	// CodeMismatch means that a CAS did not find what it expected, and changed nothing. Values holds what it found.
	CodeMismatch
	// CodeStale means that the session has moved on to a later Seq. The command was not applied now; whether it was
	// applied before is no longer known, so a client must treat the outcome as unknown.
	CodeStale
	// CodeFull means that the session table has no room for a new client, or the register none for another element. The
	// command was certainly not applied.
	CodeFull
	// CodeRefused means that the command is malformed: an unknown operation, or a mutation without a session. It was
	// certainly not applied.
	CodeRefused
)

var codeNames = [...]string{"ok", "mismatch", "stale session", "full", "refused"}

// Valid reports whether c is one of the known codes.
func (c Code) Valid() bool { return int(c) < len(codeNames) }

// String describes the code in plain words.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("code(%d)", uint8(c))
}

// Result is the answer to a command.
//
// Values are the register's elements: none when it is absent, one after a write or CAS, any number after appends. A
// read returns what it saw, a mismatch what was there, an append the whole list with the new element last; a write or a
// successful CAS returns none. Receivers must not modify them.
type Result struct {
	Code   Code
	Values []string
}
