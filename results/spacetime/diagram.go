// Package spacetime draws what happened in a distributed run as a space-time diagram (Lamport 1978): a line for every
// node and every client, time running down, messages as arrows between the lines, and beside the picture the story in
// sentences.
//
// A [Diagram] is data; [Diagram.Render] makes an SVG of it that needs nothing else and follows the reader's colour
// scheme. Time is stretched where much happens and pressed where nothing does: the axis says by how much.
package spacetime

import "time"

// Diagram is what is drawn. Lanes are named by their place in Lanes.
type Diagram struct {
	Title    string // one sentence: what went wrong
	Subtitle string // what should hold, and how it was broken
	Caption  string // where the picture comes from, small

	End time.Duration // of the picture

	Lanes    []Lane
	Messages []Message
	Bands    []Band
	Boxes    []Box
	Faults   []Fault
	Notes    []Note
}

// Lane is a line for somebody who lives.
type Lane struct {
	Name   string
	Client bool // drawn beside the node in front of it
}

// Tone says what a message or a band is about, and so its colour.
type Tone string

// The tones. A legend names those that occur.
const (
	ToneElection Tone = "election" // who leads
	ToneValue    Tone = "value"    // what is chosen
	ToneLease    Tone = "lease"    // leases and signs of life
	ToneLearn    Tone = "learn"    // catching up
	ToneClient   Tone = "client"   // requests and answers
)

// Message is an arrow. One that never arrives ends on its way.
type Message struct {
	From, To int
	Sent     time.Duration
	Arrived  time.Duration // or when it was lost
	Lost     bool
	Open     bool // still under way at the end of the picture
	Tone     Tone
	Label    string
	Title    string // all of it, for the pointer
	Faint    bool   // nothing came of it
}

// BandKind is what a band along a line shows.
type BandKind string

// The kinds of bands.
const (
	BandDown    BandKind = "down"    // nobody lives here
	BandPaused  BandKind = "paused"  // nothing is noticed
	BandLeads   BandKind = "leads"   // takes itself for the leader
	BandLease   BandKind = "lease"   // takes a lease for its own
	BandGrant   BandKind = "grant"   // has promised to take part in nothing else
	BandWriting BandKind = "writing" // has written what its disk does not have yet
)

// Band is something that lasts, along a line.
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
	Open     bool // not over at the end of the picture
	Label    string
	Result   string
	State    string // "ok", "fail" or "unknown"
}

// Fault is something that was done to the system, in a column of its own.
type Fault struct {
	From, To time.Duration
	Label    string
}

// Note is a sentence of the story, at the place where it happens.
type Note struct {
	At        time.Duration
	Lanes     []int // none when it is about nobody in particular
	Text      string
	Violation bool
}
