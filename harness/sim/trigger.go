package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/nemesis"
	"elenchus/node/protocol"
)

// Cue is something that a fault can wait for. What it says is true: the world knows when a value is chosen, which no
// node does.
type Cue string

// The cues, and whose they are: who does it, or for whom it happens.
const (
	CueStarted      Cue = "started"      // a process starts: the node
	CueCampaign     Cue = "campaign"     // a node tries to be elected: the candidate
	CuePromised     Cue = "promised"     // a promise leaves a node: the promiser
	CueElected      Cue = "elected"      // a node leads: the leader
	CueDeposed      Cue = "deposed"      // a node stops leading: the one that led
	CueAccepted     Cue = "accepted"     // a vote leaves a node: the voter
	CueChosen       Cue = "chosen"       // a value is on a majority of disks: the one whose ballot it was
	CueLearned      Cue = "learned"      // a node finds out that a value is chosen: the node
	CueAcknowledged Cue = "acknowledged" // a client's update is answered: the node that answers
	CueGranted      Cue = "granted"      // a node grants a lease: the granter
	CueLeased       Cue = "leased"       // a leader holds a lease that it did not hold before: the leader
	CueRenewed      Cue = "renewed"      // a lease is renewed: the leader
	CueCaughtUp     Cue = "caught-up"    // a node is told at once of values that it had missed: the node
	CueSaving       Cue = "saving"       // a snapshot, its own or a peer's, is about to be written: the node
	CueSaved        Cue = "saved"        // a snapshot is reported to be on disk: the node
)

// Cues lists all of them.
func Cues() []Cue { return slices.Clone(allCues) }

var allCues = []Cue{
	CueStarted, CueCampaign, CuePromised, CueElected, CueDeposed, CueAccepted, CueChosen, CueLearned, CueAcknowledged,
	CueGranted, CueLeased, CueRenewed, CueCaughtUp, CueSaving, CueSaved,
}

// bit is the cue's place in a set of cues.
func (c Cue) bit() uint32 { return 1 << slices.Index(allCues, c) }

// The cues as sets, for those who give them: one look at a number tells that nobody waits.
var (
	onStarted      = CueStarted.bit()
	onPromised     = CuePromised.bit()
	onAccepted     = CueAccepted.bit()
	onChosen       = CueChosen.bit()
	onAcknowledged = CueAcknowledged.bit()
	onSaving       = CueSaving.bit()
	onSaved        = CueSaved.bit()

	// onObserved are the cues that nodes give by what they say of themselves.
	onObserved = func() (cues [256]uint32) {
		for kind, cue := range map[protocol.ObservationKind]Cue{
			protocol.ObservedCampaign: CueCampaign, protocol.ObservedElected: CueElected, protocol.ObservedDeposed: CueDeposed,
			protocol.ObservedChosen: CueLearned, protocol.ObservedCaughtUp: CueCaughtUp,
			protocol.ObservedLeaseGranted: CueGranted, protocol.ObservedLeaseHeld: CueLeased,
			protocol.ObservedLeaseRenewed: CueRenewed,
		} {
			cues[kind] = cue.bit()
		}
		return cues
	}()
)

// Aim says whom a fault's role "any" stands for, in terms for which the schedule file has no words.
type Aim string

// The aims.
const (
	AimActor   Aim = "actor"              // whose cue it was
	AimGranter Aim = "granter-of(leader)" // a node that owes the leader a lease
	AimVoter   Aim = "voter-of(leader)"   // a node that has accepted something from the leader
	AimFormer  Aim = "former-leader"      // who was elected before the last one
)

var allAims = []Aim{AimActor, AimGranter, AimVoter, AimFormer}

// Trigger lets a fault begin, or end, when something happens, or aims it at somebody whom only the world can name.
// It belongs to a fault by name, so that the schedule of a plan stays one that a lab can play, if less exactly: there
// the fault has a time, and any node will do.
//
// A run that was played tells when its triggers went off, and [Plan.Freeze] puts that in their place.
type Trigger struct {
	Fault string `json:"fault"` // the fault's ID

	// On is what the fault waits for; empty only aims it. It waits from its own time on, and never begins if the cue does
	// not come. With End it is the fault's end that waits: it comes at the latest when the fault would end anyway.
	On  Cue  `json:"on,omitempty"`
	End bool `json:"end,omitempty"`

	Nth   int           `json:"nth,omitempty"`      // the how manieth cue it is that counts; zero is the first
	After time.Duration `json:"after_ns,omitempty"` // and then it waits for so long
	Aim   Aim           `json:"aim,omitempty"`
}

// String shows the trigger as words that could stand in a schedule.
func (t Trigger) String() string {
	words := []string{t.Fault}
	if t.End {
		words = append(words, "until")
	}
	if t.On != "" {
		words = append(words, "on-"+string(t.On))
	}
	if t.Nth > 1 {
		words = append(words, fmt.Sprintf("×%d", t.Nth))
	}
	if t.After > 0 {
		words = append(words, "+"+t.After.String())
	}
	if t.Aim != "" {
		words = append(words, "at "+string(t.Aim))
	}
	return strings.Join(words, " ")
}

// problems lists what is wrong with the plan's triggers.
func (p *Plan) triggerProblems() []error {
	var problems []error
	seen := make(map[Trigger]bool)
	for i := range p.Triggers {
		t := &p.Triggers[i]
		check := func(ok bool, format string, args ...any) {
			if !ok {
				problems = append(problems, fmt.Errorf("trigger %d (%s): %s", i+1, t.Fault, fmt.Sprintf(format, args...)))
			}
		}
		f, known := p.faultNamed(t.Fault)
		check(known, "there is no fault of that name")
		check(t.On == "" || slices.Contains(allCues, t.On), "unknown cue %q", t.On)
		check(t.Aim == "" || slices.Contains(allAims, t.Aim), "unknown aim %q", t.Aim)
		check(t.On != "" || t.Aim != "", "it waits for nothing, and aims at nobody")
		check(t.On != "" || !t.End && t.Nth == 0 && t.After == 0, "it waits for nothing, but counts")
		check(!t.End || t.Aim == "", "it aims when the fault ends")
		check(t.Aim != AimActor || t.On != "", "it aims at whose cue it is, and waits for none")
		check(t.Nth >= 0 && t.After >= 0, "a negative count or time")
		check(f.Kind != nemesis.Clock || t.On == "" || t.End,
			"clocks do not wait: how far they may be apart must be known beforehand")
		one := Trigger{Fault: t.Fault, End: t.End}
		check(!seen[one], "there is another for the same")
		seen[one] = true
	}
	return problems
}

// faultNamed is the fault of that ID; those of this package's own kinds as the schedule would have them.
func (p *Plan) faultNamed(id string) (nemesis.Fault, bool) {
	for i := range p.Schedule.Faults {
		if p.Schedule.Faults[i].ID == id {
			return p.Schedule.Faults[i], true
		}
	}
	for i := range p.Faults {
		if p.Faults[i].ID == id {
			return p.Faults[i].aim(), true
		}
	}
	return nemesis.Fault{}, false
}

// waiting is a trigger in a run.
type waiting struct {
	trigger *Trigger
	fault   int // its place among the faults
	from    time.Duration
	count   int
	gone    bool
}

// startTriggers makes the faults wait that do.
func (w *World) startTriggers() {
	w.waits, w.cued, w.leaders = w.waits[:0], 0, [2]int{-1, -1}
	for i := range w.faults {
		w.faults[i].begins, w.faults[i].aim = nil, nil
	}
	for i := range w.plan.Triggers {
		t := &w.plan.Triggers[i]
		for k := range w.faults {
			f, _ := w.planned(k)
			if f.ID != t.Fault {
				continue
			}
			if t.On != "" {
				w.waits = append(w.waits, waiting{trigger: t, fault: k, from: f.At})
				w.cued |= t.On.bit()
			}
			if !t.End {
				w.faults[k].aim = t
			}
			if t.On != "" && !t.End {
				w.faults[k].begins = t
			}
		}
	}
}

// cue lets go what waited for this. The caller has seen that somebody does. Nothing happens at once: whoever gives the
// cue is in the middle of something.
func (w *World) cue(what uint32, n *node) {
	if w.calm {
		return
	}
	for i := range w.waits {
		wait := &w.waits[i]
		t := wait.trigger
		if wait.gone || t.On.bit() != what || w.now < wait.from || t.End && !w.faults[wait.fault].on {
			continue
		}
		if wait.count++; wait.count < t.Nth {
			continue
		}
		wait.gone = true
		e := event{at: w.now + max(t.After, 1), kind: eventFault, arg: uint64(wait.fault)}
		if t.End {
			e.kind = eventHeal
		} else {
			w.faults[wait.fault].actor = n.index
		}
		w.events.push(e)
	}
}

// observedCue gives the cue of what a node says of itself, and remembers who led.
func (w *World) observedCue(n *node, kind protocol.ObservationKind) {
	if kind == protocol.ObservedElected && w.leaders[1] != n.index {
		w.leaders[0], w.leaders[1] = w.leaders[1], n.index
	}
	if cue := onObserved[kind]; w.cued&cue != 0 {
		w.cue(cue, n)
	}
}

// sentCue gives the cue of a message that leaves a node.
func (w *World) sentCue(n *node, msg *protocol.Message) {
	switch {
	case msg.Kind == protocol.MsgPromise && w.cued&onPromised != 0:
		w.cue(onPromised, n)
	case msg.Kind == protocol.MsgAccepted && w.cued&onAccepted != 0:
		w.cue(onAccepted, n)
	}
}

// errNoAim means that there is nobody of the kind that a fault is aimed at.
var errNoAim = errors.New("there is nobody to aim at")

// aimed is the fault with a node in the place of "any", if it has a trigger that says who that is.
func (w *World) aimed(a *active, f nemesis.Fault) (nemesis.Fault, error) {
	if a.aim == nil || a.aim.Aim == "" {
		return f, nil
	}
	target := w.aimAt(a.aim.Aim, a.actor)
	if target < 0 {
		return f, fmt.Errorf("%s: %w", a.aim.Aim, errNoAim)
	}
	groups := make([][]string, len(f.Groups))
	for i, group := range f.Groups {
		for _, name := range group {
			if name == nemesis.RoleAny {
				name = w.names[target]
			}
			groups[i] = append(groups[i], name)
		}
	}
	f.Groups = groups
	return f, nil
}

// aimAt is the node that is meant, or -1. Of several it is the first after the leader.
func (w *World) aimAt(aim Aim, actor int) int {
	leading := -1
	if name := w.leader(); name != "" {
		leading = w.place(name)
	}
	switch {
	case aim == AimActor:
		return actor
	case aim == AimFormer:
		return w.leaders[0]
	case leading < 0:
		return -1
	}
	led := w.nodes[leading].id()
	for k := 1; k < w.n; k++ {
		i := (leading + k) % w.n
		switch aim {
		case AimGranter:
			if owed := &w.ghost.lease.grants[i]; w.now < owed.until && owed.ballot.Node == led {
				return i
			}
		case AimVoter:
			if votes := w.ghost.nodes[i].accepted; len(votes) > 0 && votes[len(votes)-1].Node == led {
				return i
			}
		}
	}
	return -1
}
