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

// Cue is an event that a fault can wait for. It is given by the simulator, which knows, for example, when a value is
// chosen, as no node does.
type Cue string

// The cues, each with its actor: the node that causes it, or for which it happens.
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

// Sets of cues, so that one comparison shows that no fault waits for any of them.
var (
	onStarted      = CueStarted.bit()
	onPromised     = CuePromised.bit()
	onAccepted     = CueAccepted.bit()
	onChosen       = CueChosen.bit()
	onAcknowledged = CueAcknowledged.bit()
	onSaving       = CueSaving.bit()
	onSaved        = CueSaved.bit()

	// onObserved are the cues that follow from what nodes report of themselves.
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

// Aim says which node a fault's role "any" stands for, in terms that the schedule file does not have.
type Aim string

// The aims.
const (
	AimActor   Aim = "actor"              // the actor of the cue
	AimGranter Aim = "granter-of(leader)" // a node that owes the leader a lease
	AimVoter   Aim = "voter-of(leader)"   // a node that has accepted something from the leader
	AimFormer  Aim = "former-leader"      // the leader before the last one elected
)

var allAims = []Aim{AimActor, AimGranter, AimVoter, AimFormer}

// Trigger lets a fault begin or end at an event, or chooses its target among nodes that only the simulator can
// identify. It refers to the fault by its ID, so that the schedule of a plan remains one that a lab can play, if less
// precisely: there the fault has a time, and any node is its target.
//
// A run that was played knows when its triggers fired; [Plan.Freeze] puts these times in their place.
type Trigger struct {
	Fault string `json:"fault"` // the fault's ID

	// On is the cue that the fault waits for; if it is empty, the trigger only chooses the target. The fault waits
	// from its own time on, and never begins if the cue is not given. With End, the end of the fault waits: it comes
	// when the fault would end anyway at the latest.
	On  Cue  `json:"on,omitempty"`
	End bool `json:"end,omitempty"`

	Nth   int           `json:"nth,omitempty"`      // which of the cues counts; zero means the first
	After time.Duration `json:"after_ns,omitempty"` // additional time after the cue
	Aim   Aim           `json:"aim,omitempty"`
}

// String formats the trigger in the style of a schedule.
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

// faultNamed returns the fault with that ID; one of this package's own kinds is converted to a fault of the schedule.
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

// waiting is the state of a trigger in a run.
type waiting struct {
	trigger *Trigger
	fault   int // index of the fault
	from    time.Duration
	count   int
	gone    bool
}

// startTriggers marks the faults that wait.
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

// cue releases the triggers that wait for this cue. The caller has checked that there are some. Their faults begin or
// end in events of their own, because the caller is in the middle of a step.
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

// observedCue gives the cues of what a node reports of itself, and records who was elected.
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

// errNoAim means that there is no node of the kind that a fault is aimed at.
var errNoAim = errors.New("there is nobody to aim at")

// aimed replaces "any" in a fault by a node, if a trigger says which one that is.
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

// aimAt returns the index of the node that is meant, or -1. Of several it is the first after the leader.
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
