package sim

import (
	"fmt"
	"slices"
	"time"

	"elenchus/nemesis"
	"elenchus/node/multipaxos"
)

// recipe is a sequence of faults around a moment at which a replicated system is vulnerable: leadership changes, a
// lease is about to end, something is chosen that few nodes know of, a disk is behind. Random faults rarely hit such
// a moment, and if they do, the rest of the sequence is missing. A recipe is aimed at a hazard of all such systems,
// and does not know how a particular one may fail.
type recipe struct {
	name    string
	summary string
	weight  int      // its probability, relative to the others
	kinds   []string // that it is made of
	leases  bool     // it makes sense only where there are leases
	plan    func(h *hazard)
}

const (
	kindHold   = string(FaultHold)
	kindCrash  = string(FaultCrash)
	kindSlow   = string(FaultDiskSlow)
	kindError  = string(FaultDiskError)
	kindDemote = string(FaultDemote)
	kindQuit   = string(FaultForsake)
	kindLoss   = string(FaultLoss)
	kindTwice  = string(FaultDuplicate)
	kindDelay  = string(FaultDelay)
	kindStuck  = string(FaultDiskStuck)
)

// recipes lists all recipes.
var recipes = []recipe{
	{"usurper", "cut a follower off, and join it again just as the leader is cut off",
		3, []string{nemesis.Partition}, false, (*hazard).usurper},
	{"renewal", "cut the leader off, or make it deaf, right after it has renewed its lease",
		4, []string{nemesis.Partition}, true, (*hazard).renewal},
	{"reboot", "restart those who have granted a lease, and cut the leader off",
		3, []string{nemesis.Partition, kindCrash}, true, (*hazard).reboot},
	{"unsynced", "slow down the followers' disks, take their power when something is chosen, and cut the leader off",
		3, []string{nemesis.Partition, kindCrash, kindSlow}, false, (*hazard).unsynced},
	{"late-acks", "delay what followers answer, and cut the leader off right after it has renewed its lease",
		3, []string{nemesis.Partition, kindDemote}, true, (*hazard).lateAcks},
	{"interregnum", "on slow disks, elect another leader; crash one of its voters, mute it, and join the old leader again",
		3, []string{nemesis.Partition, kindCrash, kindSlow}, false, (*hazard).interregnum},
	{"sleep", "pause the leader from its renewal until about the end of its lease",
		3, []string{nemesis.Pause}, true, (*hazard).sleep},
	{"last-words", "cut the leader off when something has just been chosen, which few know",
		3, []string{nemesis.Partition}, false, (*hazard).lastWords},
	{"blackout", "take everybody's power when something was acknowledged, and again while they recover",
		2, []string{kindCrash}, false, (*hazard).blackout},
	{"echo", "hold what the leader sends, and let it go when there is another leader",
		2, []string{kindHold}, false, (*hazard).echo},
	{"half-vote", "crash a follower that has just voted, and cut the leader off",
		2, []string{nemesis.Partition, kindCrash}, false, (*hazard).halfVote},
	{"handover", "have the leader give up, and crash the next one as soon as it leads",
		2, []string{kindQuit, kindCrash}, false, (*hazard).handover},
	{"bad-disk", "let the disk of a voter fail for a moment, and cut the leader off",
		1, []string{nemesis.Partition, kindError}, false, (*hazard).badDisk},
	{"second-term", "have a leader that one follower hears lose the lead, and win it again before that vote has arrived",
		3, []string{kindHold, kindStuck, kindSlow, kindDemote, kindQuit, kindCrash, nemesis.Partition}, false,
		(*hazard).secondTerm},
	{"late-beats", "delay answers to a leader's heartbeats until it has lost the lead, won it again, and is cut off",
		3, []string{kindDemote, kindQuit, kindCrash, nemesis.Partition}, false, (*hazard).lateBeats},
	{"restoration", "elect another leader, crash it and cut off who has voted for it, and join the old leader again",
		3, []string{nemesis.Partition, kindCrash, kindSlow}, false, (*hazard).restoration},
	{"false-start", "cut the leader off, and take the power of the first candidate while its disk is behind",
		2, []string{nemesis.Partition, kindCrash, kindStuck, kindDemote}, false, (*hazard).falseStart},
	{"birth", "take the power of the very first leader, or of its first voter, while disks are slow",
		1, []string{kindCrash, kindSlow}, false, (*hazard).birth},
	{"stutter", "deliver twice what the leader gets and sends, far apart, and have it give up in between",
		4, []string{kindTwice, kindDelay, kindHold, kindQuit}, false, (*hazard).stutter},
	{"succession", "cut one leader off after the other as soon as the first have accepted something from it",
		2, []string{kindLoss, nemesis.Partition}, false, (*hazard).succession},
	{"set-back", "cut the leader off after a renewal of its lease, and set its wall clock back",
		3, []string{nemesis.Partition, nemesis.Clock}, true, (*hazard).setBack},
	{"laggard", "cut a node off for long, and take its power while it catches up on a slow disk",
		2, []string{nemesis.Partition, kindCrash, kindSlow}, false, (*hazard).laggard},
	{"checkpoint", "take somebody's power around the moment at which a snapshot is on disk",
		2, []string{kindCrash}, false, (*hazard).checkpoint},
}

// Recipe is a sequence of faults that plans of the style "recipes" are made of.
type Recipe struct {
	Name    string   `json:"name"`
	Kinds   []string `json:"kinds"` // of faults that it consists of
	Summary string   `json:"summary"`
}

// Recipes lists the recipes.
func Recipes() []Recipe {
	var list []Recipe
	for _, r := range recipes {
		list = append(list, Recipe{r.name, slices.Clone(r.kinds), r.summary})
	}
	return list
}

// hazard is a recipe while it is being planned.
type hazard struct {
	p    *Plan
	d    *dice
	at   time.Duration // its begin
	name string
	end  time.Duration // when all of it is over, unless what it waits for takes long
}

// drawRecipes plans one hazard after the other, until the end of the run.
func (p *Plan) drawRecipes(d *dice, kinds []string) {
	var possible []recipe
	total := 0
	for _, r := range recipes {
		missing := slices.ContainsFunc(r.kinds, func(kind string) bool { return !slices.Contains(kinds, kind) })
		if missing || p.Nodes() < 3 || r.leases && p.Node.Lease == multipaxos.LeaseNone {
			continue
		}
		possible = append(possible, r)
		total += r.weight
	}
	if len(possible) == 0 {
		return
	}
	at := d.within(p.Length/20, p.Length/5)
	for i := 1; at < p.Length*3/4 && i <= recipesMax; i++ {
		which, left := 0, d.below(total)
		for left >= possible[which].weight {
			left -= possible[which].weight
			which++
		}
		h := &hazard{p: p, d: d, at: at, name: fmt.Sprintf("r%d", i), end: at}
		possible[which].plan(h)
		at = h.end + p.Node.ElectionTimeout + d.within(0, p.Node.LeaseTerm)
	}
	p.Schedule.Sort()
}

// recipesMax limits the number of hazards in a run.
const recipesMax = 8

// over is how long it takes until a lease that was just renewed has ended for everybody and another leader is
// elected.
func (h *hazard) over() time.Duration {
	o, owed := &h.p.Node, time.Duration(0)
	switch o.Lease {
	case multipaxos.LeaseRate:
		owed = o.LeaseTerm + 2*time.Duration(float64(o.LeaseTerm)*float64(driftBound(o))/ppb)
	case multipaxos.LeaseWall:
		owed = o.LeaseTerm + 3*o.MaxOffset
	}
	return owed + o.ElectionTimeout + h.d.within(0, o.ElectionTimeout)
}

// blink is the longest crash that is over before anybody notices it.
func (h *hazard) blink() time.Duration { return h.d.within(ms, 10*ms) }

// jitter is the random variation between attempts.
func (h *hazard) jitter() time.Duration { return h.d.within(0, 20*ms) }

// fit keeps a fault within the run, and records when it ends.
func (h *hazard) fit(after, lasts time.Duration) (at, long time.Duration) {
	at = min(h.at+after, h.p.Length*9/10).Round(us)
	long = min(max(lasts, ms), h.p.Length-at).Round(us)
	h.end = max(h.end, at+long)
	return at, long
}

// play plans a fault that labs can play, too.
func (h *hazard) play(name string, after, lasts time.Duration, f nemesis.Fault) string {
	f.ID = h.name + "-" + name
	f.At, f.For = h.fit(after, lasts)
	h.p.Schedule.Faults = append(h.p.Schedule.Faults, f)
	return f.ID
}

// own plans a fault of this package's kinds.
func (h *hazard) own(name string, after, lasts time.Duration, f Fault) string {
	f.ID = h.name + "-" + name
	f.At, f.For = h.fit(after, lasts)
	h.p.Faults = append(h.p.Faults, f)
	return f.ID
}

func (h *hazard) when(t Trigger) { h.p.Triggers = append(h.p.Triggers, t) }

// cut isolates nodes from all others.
func (h *hazard) cut(name string, after, lasts time.Duration, whom string) string {
	return h.play(name, after, lasts, nemesis.Fault{
		Kind: nemesis.Partition, Shape: nemesis.Isolate, Groups: [][]string{{whom}},
	})
}

// silence drops all messages from some nodes to others.
func (h *hazard) silence(name string, after, lasts time.Duration, from, to string) string {
	return h.play(name, after, lasts, nemesis.Fault{
		Kind: nemesis.Partition, Shape: nemesis.OneWay, Groups: [][]string{{from}, {to}},
	})
}

// crash turns the power of nodes off for a moment.
func (h *hazard) crash(name string, after time.Duration, whom string) string {
	return h.own(name, after, h.blink(), Fault{Kind: FaultCrash, Targets: []string{whom}})
}

// slowDisks makes the syncs of nodes slow during the whole hazard.
func (h *hazard) slowDisks(whom string, lasts time.Duration) {
	h.own("disk", 0, lasts, Fault{
		Kind: FaultDiskSlow, Targets: []string{whom}, Amount: int64(pick(h.d, 10*ms, 30*ms, 80*ms)),
	})
}

// usurper isolates some nodes for so long that no grant binds them any more. When they are back, the leader has a
// fresh lease, or one about whose age nothing is known.
func (h *hazard) usurper() {
	alone, some := h.over(), pick(h.d, 1, (h.p.Nodes()-1)/2)
	h.play("away", 0, alone, nemesis.Fault{
		Kind: nemesis.Partition, Shape: nemesis.Split,
		Groups: [][]string{slices.Repeat([]string{nemesis.RoleFollower}, some), {nemesis.RoleRest}},
	})
	if h.p.Node.Lease == multipaxos.LeaseNone || h.d.chance(50) {
		h.cut("cut", alone-h.jitter()+h.jitter(), h.over(), nemesis.RoleLeader)
		return
	}
	id := h.cut("cut", alone-h.p.Node.LeaseRenew, h.over(), nemesis.RoleLeader)
	h.when(Trigger{Fault: id, On: CueRenewed, After: h.d.within(0, ms)})
}

// cutAtRenewal cuts the leader off when it has just renewed its lease, so that it relies on the whole term.
func (h *hazard) cutAtRenewal(after time.Duration) {
	var id string
	switch h.d.below(4) {
	case 0:
		id = h.silence("deaf", after, h.over(), nemesis.RoleRest, nemesis.RoleLeader)
	default:
		id = h.cut("cut", after, h.over(), nemesis.RoleLeader)
	}
	h.when(Trigger{Fault: id, On: CueRenewed, Nth: 1 + h.d.below(3), After: h.d.within(0, ms)})
}

func (h *hazard) renewal() { h.cutAtRenewal(0) }

func (h *hazard) reboot() {
	var id string
	if h.d.chance(50) {
		id = h.crash("crash", 0, nemesis.RoleAny)
		h.when(Trigger{Fault: id, On: CueRenewed, After: h.jitter(), Aim: AimGranter})
	} else {
		id = h.crash("crash", 0, nemesis.RoleFollowers)
		h.when(Trigger{Fault: id, On: pick(h.d, CueGranted, CueLeased, CueRenewed), After: h.jitter()})
	}
	h.cutAtRenewal(0)
}

func (h *hazard) unsynced() {
	lasts := h.over()
	h.slowDisks(nemesis.RoleFollowers, lasts)
	nth := 1 + h.d.below(5)
	cue := pick(h.d, CueChosen, CueLearned, CueAcknowledged)
	id := h.crash("crash", h.jitter(), pick(h.d, nemesis.RoleFollowers, nemesis.RoleFollowers, nemesis.RoleAll))
	h.when(Trigger{Fault: id, On: cue, Nth: nth, After: h.d.within(0, 3*ms)})
	id = h.cut("cut", h.jitter(), lasts, nemesis.RoleLeader)
	h.when(Trigger{Fault: id, On: cue, Nth: nth, After: h.d.within(0, 3*ms)})
}

func (h *hazard) lateAcks() {
	lasts := 2 * h.over()
	h.own("late", 0, lasts, Fault{
		Kind: FaultDemote, Targets: []string{nemesis.RoleFollowers},
		Amount:   int64(h.d.within(h.p.Node.LeaseTerm/10, h.p.Node.LeaseTerm*9/10)),
		Messages: pick(h.d, "HeartbeatAck", "HeartbeatAck", "Accepted", "Promise"),
	})
	h.cutAtRenewal(h.jitter())
}

func (h *hazard) interregnum() {
	lasts := 2 * h.over()
	h.slowDisks(nemesis.RoleAll, lasts)
	id := h.cut("cut", 0, lasts, nemesis.RoleLeader)
	h.when(Trigger{Fault: id, On: CueElected, End: true, After: h.jitter()})
	id = h.crash("crash", ms, nemesis.RoleAny)
	h.when(Trigger{Fault: id, On: pick(h.d, CueElected, CuePromised), After: h.jitter(), Aim: AimActor})
	if h.d.chance(70) {
		h.p.Triggers[len(h.p.Triggers)-1].Aim = ""
		h.p.Faults[len(h.p.Faults)-1].Targets = []string{nemesis.RoleFollower}
	}
	id = h.silence("mute", ms, lasts/2, nemesis.RoleAny, nemesis.RoleRest)
	h.when(Trigger{Fault: id, On: CueElected, After: h.jitter(), Aim: AimActor})
}

func (h *hazard) sleep() {
	term := h.p.Node.LeaseTerm
	id := h.play("pause", 0, h.d.within(term*3/4, term*3/2), nemesis.Fault{
		Kind: nemesis.Pause, Groups: [][]string{{nemesis.RoleLeader}},
	})
	h.when(Trigger{Fault: id, On: CueRenewed, Nth: 1 + h.d.below(3), After: h.d.within(0, term/2)})
}

func (h *hazard) lastWords() {
	id := h.cut("cut", 0, h.over(), nemesis.RoleAny)
	h.when(Trigger{Fault: id, On: CueChosen, Nth: 1 + h.d.below(8), After: h.d.within(0, ms), Aim: AimActor})
}

func (h *hazard) blackout() {
	nth := 1 + h.d.below(5)
	id := h.crash("all", 0, pick(h.d, nemesis.RoleAll, nemesis.RoleAll, nemesis.RoleMajority))
	h.when(Trigger{Fault: id, On: pick(h.d, CueAcknowledged, CueChosen, CueElected), Nth: nth, After: h.d.within(0, 2*ms)})
	id = h.crash("again", 0, nemesis.RoleAny)
	h.when(Trigger{
		Fault: id, On: CueStarted, Nth: 1 + h.d.below(h.p.Nodes()), After: h.d.within(0, 5*ms), Aim: AimActor,
	})
	h.end += h.over()
}

func (h *hazard) echo() {
	id := h.own("hold", 0, 2*h.over(), Fault{Kind: FaultHold, Targets: []string{nemesis.RoleLeader}})
	h.when(Trigger{Fault: id, On: CueElected, End: true, After: h.d.within(0, 50*ms)})
}

func (h *hazard) halfVote() {
	nth := 1 + h.d.below(8)
	id := h.crash("crash", 0, nemesis.RoleAny)
	h.when(Trigger{Fault: id, On: CueAccepted, Nth: nth, After: h.d.within(0, ms), Aim: AimActor})
	id = h.cut("cut", 0, h.over(), nemesis.RoleLeader)
	h.when(Trigger{Fault: id, On: CueAccepted, Nth: nth, After: h.d.within(0, 3*ms)})
}

func (h *hazard) handover() {
	id := h.own("quit", 0, ms, Fault{Kind: FaultForsake, Targets: []string{nemesis.RoleLeader}})
	h.when(Trigger{Fault: id, On: pick(h.d, CueChosen, CueRenewed, CueAcknowledged), Nth: 1 + h.d.below(3)})
	id = h.crash("crash", ms, nemesis.RoleAny)
	h.when(Trigger{Fault: id, On: CueElected, After: h.jitter(), Aim: pick(h.d, AimActor, AimActor, AimFormer)})
	h.end += h.over()
}

func (h *hazard) badDisk() {
	nth := 1 + h.d.below(8)
	id := h.own("error", 0, h.d.within(ms, 20*ms), Fault{
		Kind: FaultDiskError, Targets: []string{nemesis.RoleAny}, Amount: million,
	})
	h.when(Trigger{Fault: id, On: CueAccepted, Nth: nth, Aim: AimVoter})
	id = h.cut("cut", 0, h.over(), nemesis.RoleLeader)
	h.when(Trigger{Fault: id, On: CueAccepted, Nth: nth, After: h.jitter()})
}
