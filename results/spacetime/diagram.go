// Package spacetime draws a distributed run as a space-time diagram (Lamport 1978): a line for every node and every
// client, time running downwards, messages as arrows between the lines, and next to the picture the story in
// sentences.
//
// A [Diagram] is data; [Diagram.Render] turns it into a self-contained SVG document that follows the reader's
// colour scheme. Time is stretched where much happens and compressed where nothing does; the axis shows by how
// much.
package spacetime

import "time"

// Diagram is the content of a picture. Lanes are referred to by their index in Lanes.
type Diagram struct {
	Title    string // one sentence: what went wrong
	Subtitle string // the property, and how it was violated
	Caption  string // origin of the picture, in small print

	End time.Duration // of the picture

	Lanes    []Lane
	Messages []Message
	Bands    []Band
	Boxes    []Box
	Faults   []Fault
	Notes    []Note
}

// Lane is the line of a node or a client.
type Lane struct {
	Name   string
	Client bool // drawn beside the preceding node
}

// Tone is the topic of a message or a band, which determines its colour.
type Tone string

// The tones. The legend lists those that occur.
const (
	ToneElection Tone = "election" // leader election
	ToneValue    Tone = "value"    // choosing values
	ToneLease    Tone = "lease"    // leases and heartbeats
	ToneLearn    Tone = "learn"    // catching up
	ToneClient   Tone = "client"   // requests and responses
)

// Message is an arrow. If it never arrived, the arrow ends half way.
type Message struct {
	From, To int
	Sent     time.Duration
	Arrived  time.Duration // or when it was lost
	Lost     bool
	Open     bool // still in flight at the end of the picture
	Tone     Tone
	Label    string
	Title    string // the complete text, shown as a tooltip
	Faint    bool   // without consequences
}

// BandKind is the state that a band along a line shows.
type BandKind string

// The kinds of bands.
const (
	BandDown    BandKind = "down"    // the process is dead
	BandPaused  BandKind = "paused"  // the process is stopped
	BandLeads   BandKind = "leads"   // believes to be the leader
	BandLease   BandKind = "lease"   // believes to hold a lease
	BandGrant   BandKind = "grant"   // has promised to take part in no other ballot
	BandWriting BandKind = "writing" // has written data that is not on disk yet
)

// Band is a state that lasts, drawn along a line.
type Band struct {
	Lane     int
	From, To time.Duration
	Kind     BandKind
	Label    string
	Title    string
}

// Box is an operation of a client.
type Box struct {
	Lane     int
	From, To time.Duration
	Open     bool // outstanding at the end of the picture
	Label    string
	Result   string
	State    string // "ok", "fail" or "unknown"
}

// Fault is a fault, drawn in a column of its own.
type Fault struct {
	From, To time.Duration
	Label    string
}

// Note is a sentence of the story, numbered at the place where it happens.
type Note struct {
	At        time.Duration
	Lanes     []int // none if it concerns no lane in particular
	Text      string
	Violation bool
}
