package register

import "fmt"

// ClientID names a client session. Zero is reserved: it marks commands that are applied without a session (no-ops and
// reads), which change nothing and so need no protection against being applied twice.
type ClientID uint64

// Op is what a command does to its register.
type Op uint8

// The operations of protocols.md §1. Their numbers are part of the wire and log formats.
const (
	OpNoop   Op = iota // fills a hole in the log; changes nothing
	OpRead             // returns the register's elements
	OpWrite            // replaces them with the one element Value
	OpCAS              // replaces Expect with Value, or reports what is there
	OpAppend           // adds Value behind the others, and returns them all
)

var opNames = [...]string{"noop", "read", "write", "cas", "append"}

// String is the operation's name in APIs, logs and histories.
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

// Command is one operation of one client.
//
// Client and Seq are the session of protocols.md §1: a replica applies each (Client, Seq) at most once, and answers
// the repeat of a client's latest command with its first result. Seq starts at 1 and rises by one.
type Command struct {
	Client ClientID
	Seq    uint64
	Key    string
	Value  string

	// Expect is the element that a CAS wants to find. With ExpectAbsent it wants to find an empty register instead.
	Expect       string
	ExpectAbsent bool

	Op Op // behind the other small field, for the size of it all
}

// Check reports why the command must not enter the system: an unknown operation, a change without a session, or a
// string beyond the limits. Nil means that it may.
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

// ID is the command's identity in applied logs: "client:seq", or "-" for a command without a session.
func (c Command) ID() string {
	if c.Client == 0 {
		return "-"
	}
	return fmt.Sprintf("%d:%d", c.Client, c.Seq)
}

// Code says what applying a command did.
type Code uint8

// Their numbers are part of the wire format.
const (
	// CodeOK: the command took effect (or, for a read, was answered).
	CodeOK Code = iota
	// CodeMismatch: a CAS found something other than it expected, and changed nothing. Values holds what it found.
	CodeMismatch
	// CodeStale: the session has moved on to a later Seq. The command was not applied now; whether it was applied
	// before is no longer known, so a client must treat it as unknown.
	CodeStale
	// CodeFull: the session table has no room for a new client, or the register none for another element. The command
	// was certainly not applied.
	CodeFull
	// CodeRefused: the command is malformed: an unknown operation, or one that changes something without a session. It
	// was certainly not applied.
	CodeRefused
)

var codeNames = [...]string{"ok", "mismatch", "stale session", "full", "refused"}

// Valid reports whether c is one of the known codes.
func (c Code) Valid() bool { return int(c) < len(codeNames) }

// String is the code in plain words.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("code(%d)", uint8(c))
}

// Result is the answer to a command.
//
// Values are the register's elements: none when it is absent, one after a write or CAS, any number after appends. For
// a read they are what it saw; for a write or a successful CAS they are empty; for a mismatch what was there; for an
// append the whole list, the new element last. Receivers must not modify them.
type Result struct {
	Code   Code
	Values []string
}
