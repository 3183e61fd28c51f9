package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/nemesis"
)

// FaultKind is a kind of fault that the schedule file does not have.
type FaultKind string

// The kinds, with the meaning of Amount. Targets are nodes and roles as in a schedule.
const (
	FaultLoss      FaultKind = "loss"      // of messages to and from the targets, Amount in a million are lost
	FaultDelay     FaultKind = "delay"     // messages to and from the targets take up to Amount ns longer
	FaultDuplicate FaultKind = "duplicate" // Amount in a million are delivered twice
	FaultCorrupt   FaultKind = "corrupt"   // Amount in a million have a bit flipped
	FaultHold      FaultKind = "hold"      // messages from the targets are held back, and all delivered at the end
	FaultReset     FaultKind = "reset"     // at once, all connections of the targets break
	FaultDiskSlow  FaultKind = "disk-slow" // syncs take up to Amount ns longer
	FaultDiskStuck FaultKind = "disk-stuck"
	FaultDiskError FaultKind = "disk-error" // Amount in a million syncs fail
	FaultDiskFull  FaultKind = "disk-full"
	FaultDiskRot   FaultKind = "disk-rot"  // at once, the disk is damaged and the process dies; it refuses to start again
	FaultDiskWipe  FaultKind = "disk-wipe" // at once, the disk is emptied and the process dies; Amount 1 lets it come back
	FaultSuspend   FaultKind = "suspend"   // a pause in which the monotonic clock stands still
	FaultCrash     FaultKind = "crash"     // power is lost, and is back in the end: all targets at the same moment
	FaultForsake   FaultKind = "forsake"   // at once, an operator tells the targets to give up leading
	FaultDemote    FaultKind = "demote"    // messages from the targets, of one kind or all, each take Amount ns longer
)

// FaultKinds lists every kind, in the order in which they are planned.
func FaultKinds() []FaultKind {
	return []FaultKind{
		FaultLoss, FaultDelay, FaultDuplicate, FaultCorrupt, FaultHold, FaultReset, FaultDiskSlow, FaultDiskStuck,
		FaultDiskError, FaultDiskFull, FaultDiskRot, FaultDiskWipe, FaultSuspend, FaultCrash, FaultForsake, FaultDemote,
	}
}

// Fault is one of them.
type Fault struct {
	ID      string        `json:"id"`
	At      time.Duration `json:"at_ns"`
	For     time.Duration `json:"for_ns,omitempty"` // zero means until everything is healed at the end
	Kind    FaultKind     `json:"kind"`
	Targets []string      `json:"targets"`
	Amount  int64         `json:"amount,omitempty"`

	// Messages is the kind of message that is demoted, by its name in package protocol; empty is all kinds.
	Messages string `json:"messages,omitempty"`
}

// String shows the fault in the manner of a schedule file.
func (f Fault) String() string {
	text := "at " + f.At.String()
	if f.For != 0 {
		text += " for " + f.For.String()
	}
	return text + " " + string(f.Kind) + " " + f.detail(f.Targets)
}

// amountText formats the strength of a fault: a duration or a share.
func (f *Fault) amountText() string {
	switch {
	case f.Amount == 0:
		return ""
	case f.Kind == FaultDelay || f.Kind == FaultDiskSlow:
		return " " + time.Duration(f.Amount).String()
	case f.Kind == FaultDiskWipe:
		return " and back"
	}
	return fmt.Sprintf(" %g%%", float64(f.Amount)/1e4)
}

// aim converts the fault to one of the schedule file with the same targets, which is how they are resolved.
func (f *Fault) aim() nemesis.Fault {
	return nemesis.Fault{ID: f.ID, At: f.At, For: f.For, Kind: nemesis.Kill, Groups: [][]string{f.Targets}}
}

func (f *Fault) validate(nodes []string, length time.Duration) error {
	var problems []error
	if !slices.Contains(FaultKinds(), f.Kind) {
		problems = append(problems, fmt.Errorf("unknown kind %q", f.Kind))
	}
	one := nemesis.Schedule{Nodes: nodes, Length: length, Faults: []nemesis.Fault{f.aim()}}
	if err := one.Validate(); err != nil {
		problems = append(problems, err)
	}
	limit := int64(0)
	switch f.Kind {
	case FaultLoss, FaultDuplicate, FaultCorrupt, FaultDiskError:
		limit = million
	case FaultDiskWipe:
		limit = 1
	case FaultDelay, FaultDiskSlow, FaultDemote:
		limit = int64(time.Hour)
	}
	if limit > 0 && (f.Amount < 0 || f.Amount > limit) {
		problems = append(problems, fmt.Errorf("an amount of %d; want 0 to %d", f.Amount, limit))
	}
	if _, known := messageKind(f.Messages); f.Messages != "" && (!known || f.Kind != FaultDemote) {
		problems = append(problems, fmt.Errorf("no %s of messages %q", f.Kind, f.Messages))
	}
	return errors.Join(problems...)
}

// detail describes the fault without its kind, for these targets.
func (f *Fault) detail(targets []string) string {
	text := strings.Join(targets, ",") + f.amountText()
	if f.Messages != "" {
		text += " " + f.Messages
	}
	return text
}
