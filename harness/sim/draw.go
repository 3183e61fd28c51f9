package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/nemesis"
	"elenchus/nemesis/clockshim"
	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
	"elenchus/workloads"
)

// DrawOptions determine how plans are drawn. The zero value is usable.
type DrawOptions struct {
	Nodes     []int         `json:"nodes"`           // sizes of the cluster (3, 4, 5)
	Workloads []string      `json:"workloads"`       // names of workloads (those of workloads.Drawn)
	Kinds     []string      `json:"kinds"`           // of faults, see [Kinds]; nil means all, empty none
	Length    time.Duration `json:"length_ns"`       // until everything is healed (2 s)
	Style     string        `json:"style,omitempty"` // see [Styles]; empty means that it is drawn
	Reads     string        `json:"reads,omitempty"` // how nodes serve reads; empty means that it is drawn

	// Outside lets plans leave the safe envelope, see [Plan.Outside].
	Outside bool `json:"outside,omitempty"`
}

func (o DrawOptions) withDefaults() DrawOptions {
	if o.Nodes == nil {
		o.Nodes = []int{3, 4, 5}
	}
	if o.Workloads == nil {
		o.Workloads = workloads.Drawn()
	}
	if o.Kinds == nil {
		o.Kinds = allKinds
	}
	if o.Length == 0 {
		o.Length = 2 * time.Second
	}
	return o
}

// Validate lists everything that is wrong with the options.
func (o DrawOptions) Validate() error {
	o = o.withDefaults()
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(len(o.Nodes) > 0, "nodes: no size of the cluster is given")
	for _, n := range o.Nodes {
		check(n >= 1 && n <= protocol.NodesMax, "nodes: %d; want 1 to %d", n, protocol.NodesMax)
	}
	check(len(o.Workloads) > 0, "workloads: none is given")
	for _, name := range o.Workloads {
		if _, err := workloads.Lookup(name); err != nil {
			problems = append(problems, err)
		}
	}
	for _, kind := range o.Kinds {
		if !slices.Contains(allKinds, kind) {
			check(false, "unknown kind of fault %q (there are %s)", kind, strings.Join(allKinds, ", "))
		}
	}
	check(o.Length >= time.Second && o.Length <= LengthMax, "length: %v; want 1s to %v", o.Length, LengthMax)
	if o.Style != "" {
		names := make([]string, 0, len(styles))
		for _, s := range styles {
			names = append(names, s.name)
		}
		check(slices.Contains(names, o.Style), "unknown style %q (there are %s)", o.Style, strings.Join(names, ", "))
	}
	if o.Reads != "" {
		if _, err := multipaxos.ParseReads(o.Reads); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// Kinds lists the kinds of faults that plans consist of: those of the schedule file, then those of this package. A
// transfer is drawn as a [FaultForsake].
func Kinds() []string { return slices.Clone(allKinds) }

// OwnKinds lists the kinds of faults that no lab has.
func OwnKinds() (kinds []string) {
	for _, k := range FaultKinds() {
		if k != FaultForsake { // which labs call a transfer
			kinds = append(kinds, string(k))
		}
	}
	return kinds
}

var allKinds = func() (kinds []string) {
	for _, k := range nemesis.Kinds() {
		if k.Name != nemesis.Transfer {
			kinds = append(kinds, k.Name)
		}
	}
	for _, k := range FaultKinds() {
		kinds = append(kinds, string(k))
	}
	return kinds
}()

// scheduleKinds are the kinds that the schedule file has, too.
var scheduleKinds = allKinds[:len(allKinds)-len(FaultKinds())]

// style is a way to draw plans.
type style struct {
	name    string
	share   uint64 // of all plans, relative to the others
	summary string
	swarm   bool // each kind of fault is left out of half of the plans, and the system's own knobs are drawn
	faults  bool
	ranks   bool // messages are ordered by priorities, which faults change
	recipes bool // recipes are played
}

// styles are the ways in which plans are drawn, and how often. No single style finds everything: what a crash hides
// shows only where nothing crashes (Groce and others 2012), and what needs two kinds of faults only where both occur.
var styles = []style{
	{
		name: "calm", share: 5, swarm: true,
		summary: "no faults at all",
	},
	{
		name: "uniform", share: 10, faults: true,
		summary: "all kinds of faults at once, and the system as it comes",
	},
	{
		name: "swarm", share: 30, faults: true, swarm: true,
		summary: "some kinds of faults, and the system's own knobs turned at random",
	},
	{
		name: "priority", share: 10, faults: true, swarm: true, ranks: true,
		summary: "messages in the order of priorities, which change a few times, and few other faults",
	},
	{
		name: "recipes", share: 45, faults: true, swarm: true, recipes: true,
		summary: "hazards: sequences of faults that wait for leaders, leases and votes",
	},
}

// Style is a way in which plans are drawn.
type Style struct {
	Name    string `json:"name"`
	Share   int    `json:"share"` // of all plans, in percent
	Summary string `json:"summary"`
}

// Styles lists the ways in which plans are drawn.
func Styles() []Style {
	var list []Style
	total := uint64(0)
	for _, s := range styles {
		total += s.share
	}
	for _, s := range styles {
		list = append(list, Style{s.name, int(s.share * 100 / total), s.summary})
	}
	return list
}

// dice is the sequence of random numbers that a plan is drawn with.
type dice struct {
	rng   rng
	count uint64
}

func (d *dice) roll() uint64 {
	d.count++
	return d.rng.at(forPlan, d.count, 0)
}

func (d *dice) below(n int) int { return int(below(d.roll(), uint64(n))) }

func (d *dice) chance(percent uint32) bool { return chance(d.roll(), percent*million/100) }

func (d *dice) within(low, high time.Duration) time.Duration { return within(d.roll(), low, high) }

func pick[T any](d *dice, list ...T) T { return list[d.below(len(list))] }

const (
	ms = time.Millisecond
	us = time.Microsecond
)

// Draw makes the plan of a seed. Equal seeds and options give equal plans. The error lists what is wrong with the
// options.
func Draw(seed uint64, o DrawOptions) (*Plan, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("draw plan: %w", err)
	}
	return o.withDefaults().draw(seed)
}

// draw is Draw with options that are valid and have their defaults.
func (o DrawOptions) draw(seed uint64) (*Plan, error) {
	d := &dice{rng: rng{seed}}
	s := drawStyle(d, o.Style)
	p := &Plan{Seed: seed, Style: s.name, Length: o.Length}
	n := pick(d, o.Nodes...)
	p.drawNetwork(d, s)
	p.drawDisk(d, s)
	p.drawNode(d, s)
	if o.Reads != "" {
		p.Node.Reads, _ = multipaxos.ParseReads(o.Reads) // it was validated
		if p.Node.Reads == multipaxos.ReadsLease && p.Node.Lease == multipaxos.LeaseNone {
			p.Node.Lease = multipaxos.LeaseRate
		}
	}
	p.drawLoad(d, s, pick(d, o.Workloads...))
	var kinds []string
	if s.faults {
		kinds = p.drawKinds(d, s, o.Kinds)
	}
	if s.ranks && !d.chance(30) || s.recipes && d.chance(60) {
		kinds = nil // no other faults, which could hide the effect
	}
	p.drawClocks(d, n, kinds, o.Outside)
	if err := p.drawSchedule(n, kinds, o.Outside); err != nil {
		return nil, err
	}
	p.drawFaults(d, kinds, o.Outside)
	if s.ranks && slices.Contains(o.Kinds, kindDemote) {
		p.drawChanges(d)
	}
	if s.recipes {
		p.drawRecipes(d, o.Kinds)
	}
	return p, nil
}

func drawStyle(d *dice, name string) style {
	total := uint64(0)
	for _, s := range styles {
		if s.name == name {
			return s
		}
		total += s.share
	}
	at := below(d.roll(), total)
	for _, s := range styles {
		if at < s.share {
			return s
		}
		at -= s.share
	}
	return styles[0]
}

func (p *Plan) drawNetwork(d *dice, s style) {
	p.Network = Network{
		Datagram: d.chance(35), Delay: pick(d, 100*us, 500*us, 2*ms), Jitter: pick(d, 200*us, ms, 4*ms),
		Reconnect: 20 * ms, DeadAfter: pick(d, 50*ms, 500*ms),
	}
	net := &p.Network
	if d.chance(30) {
		net.Skew = pick(d, ms, 3*ms)
	}
	if s.faults {
		net.TailPPM, net.Tail = pick[uint32](d, 0, 2_000, 20_000), pick(d, 20*ms, 100*ms, 500*ms)
	}
	if s.faults && net.Datagram {
		net.LossPPM, net.DuplicatePPM = pick[uint32](d, 0, 5_000, 50_000), pick[uint32](d, 0, 5_000, 100_000)
	} else if s.faults {
		net.LossPPM = pick[uint32](d, 0, 0, 500)
	}
	if d.chance(10) {
		net.Bandwidth = pick[int64](d, 200_000, 2_000_000)
	}
	if s.ranks {
		net.Datagram = d.chance(70)
		net.Jitter, net.TailPPM = pick(d, 100*us, 500*us), 0
		net.Ranks, net.RankStep = 2+d.below(4), pick(d, ms, 4*ms, 10*ms)
	}
	net.CodecPPM = pick[uint32](d, 0, 0, 0, 0, 0, 0, 20_000, million)
}

func (p *Plan) drawDisk(d *dice, s style) {
	p.Disk = Disk{Sync: pick(d, 50*us, 300*us, ms), Jitter: pick(d, 100*us, ms, 5*ms)}
	if s.faults {
		p.Disk.TailPPM, p.Disk.Tail = pick[uint32](d, 0, 5_000, 50_000), pick(d, 10*ms, 50*ms)
		p.Disk.Bytes = d.chance(4)
	}
	p.Process = Process{RestartMin: ms, RestartMax: pick(d, 5*ms, 50*ms, 300*ms)}
	if s.faults && d.chance(20) {
		p.Process.CrashPPM = pick[uint32](d, 300, 2_000)
	}
}

// drawNode draws the configuration of the machines. Any configuration leaves a candidate enough time for a round trip
// before others campaign; otherwise nobody would ever be elected.
func (p *Plan) drawNode(d *dice, s style) {
	o := &p.Node
	net := &p.Network
	ranked := time.Duration(max(0, net.Ranks-1)) * net.RankStep
	round := 2*(net.Delay+net.Jitter+net.Skew+ranked) + 2*(p.Disk.Sync+p.Disk.Jitter)
	o.LeaseTerm = pick(d, 100*ms, 200*ms, 400*ms, 800*ms)
	o.LeaseRenew = o.LeaseTerm / time.Duration(2+d.below(4))
	o.ElectionTimeout = max(o.LeaseRenew+pick(d, 10*ms, 30*ms, 100*ms), 3*round)
	o.HeartbeatInterval = min(o.ElectionTimeout/3, 60*ms)
	o.BackoffMin = max(pick(d, 5*ms, 20*ms, 100*ms), round)
	o.BackoffMax = 8 * o.BackoffMin
	o.RetryInterval = max(pick(d, 20*ms, 60*ms, 200*ms), round)
	o.Jitter = pick(d, 0.3, 0.6, 1)
	o.DriftBound = pick[int64](d, multipaxos.DriftUnit/100, multipaxos.DriftUnit/10, multipaxos.DriftUnit/3)
	o.MaxOffset = o.LeaseTerm / 8 * time.Duration(1+d.below(4))
	o.Lease = pick(d, multipaxos.LeaseNone, multipaxos.LeaseNone, multipaxos.LeaseRate, multipaxos.LeaseRate,
		multipaxos.LeaseRate, multipaxos.LeaseWall)
	o.Reads = pick(d, multipaxos.ReadsLease, multipaxos.ReadsLease, multipaxos.ReadsLease, multipaxos.ReadsQuorum,
		multipaxos.ReadsLog)
	if o.Lease == multipaxos.LeaseNone && o.Reads == multipaxos.ReadsLease {
		o.Reads = multipaxos.ReadsQuorum
	}
	if !s.swarm {
		return
	}
	o.NoPreVote, o.FirstBallotShortcut = d.chance(30), d.chance(20)
	o.Window = pick(d, 1, 2, 8, 64)
	o.BatchMax = pick(d, 1, 2, 128)
	o.CatchupChunk = pick(d, 2, 16, 256)
	if d.chance(70) {
		o.SnapshotEntries = pick(d, 5, 20, 60)
		o.SnapshotKeep = pick(d, multipaxos.SnapshotOff, 2, 5)
		o.SnapshotChunk = pick(d, 200, 1<<20)
	}
	if d.chance(25) {
		o.PromiseGrace = min(o.ElectionTimeout/4, 10*ms)
	}
	if s.recipes && d.chance(33) {
		o.Jitter = 0.05 // timers that vary widely would hide what needs exact timing
		o.ElectionTimeout = max(o.LeaseRenew+10*ms, 3*round)
		o.HeartbeatInterval = min(o.HeartbeatInterval, o.ElectionTimeout/3)
		o.BackoffMin = round
		o.BackoffMax = 8 * o.BackoffMin
	}
}

func (p *Plan) drawLoad(d *dice, s style, workload string) {
	l := &p.Load
	*l = Load{
		Workload: workload, Clients: 2, ThinkMin: ms, ThinkMax: pick(d, 30*ms, 60*ms, 90*ms),
		Patience: pick(d, 100*ms, 300*ms, time.Second), Delay: pick(d, 100*us, ms),
	}
	if !s.swarm {
		return
	}
	l.Clients = pick(d, 2, 2, 3)
	l.ReadPercent = pick(d, 20, 50, 70)
	l.ActiveKeys = pick(d, 1, 2, 4)
	if d.chance(40) {
		l.RetryPPM, l.RetriesMax = 500_000, 3
	}
}

// drawClocks prefers extreme rates: what endangers leases is a slow leader among fast granters. Clocks that faults
// will move are right until then, because otherwise faults would take them out of their bounds.
func (p *Plan) drawClocks(d *dice, n int, kinds []string, outside bool) {
	p.Clocks = make([]Clock, n)
	if slices.Contains(kinds, nemesis.Clock) {
		return
	}
	drift, half := driftBound(&p.Node), int64(p.Node.MaxOffset)/2
	if outside && d.chance(50) {
		drift, half = drift*5/2, half*3
	}
	for i := range p.Clocks {
		p.Clocks[i] = Clock{Rate: drawRate(d, drift), Offset: time.Duration(drawOffset(d, half))}
	}
}

func drawRate(d *dice, drift int64) int64 {
	return pick(d, 0, 0, drift, drift, int64(below(d.roll(), uint64(drift)+1)))
}

func drawOffset(d *dice, half int64) int64 {
	return pick(d, -half, half, int64(below(d.roll(), uint64(2*half)+1))-half)
}

// drawKinds decides for each kind whether it occurs in a swarm plan.
func (p *Plan) drawKinds(d *dice, s style, wanted []string) []string {
	var kinds []string
	for _, kind := range wanted {
		percent := uint32(50)
		if kind == string(FaultDiskRot) || kind == string(FaultDiskWipe) {
			percent = 8
		}
		if !s.swarm && percent == 50 {
			percent = 85
		}
		if d.chance(percent) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// drawSchedule plans the faults that a lab can play, too.
func (p *Plan) drawSchedule(n int, kinds []string, outside bool) error {
	wanted := []string{}
	for _, k := range scheduleKinds {
		if slices.Contains(kinds, k) && (n > 1 || k != nemesis.Partition) {
			wanted = append(wanted, k)
		}
	}
	o := nemesis.PlanOptions{
		Seed: p.Seed, Nodes: NodeNames(n), Kinds: wanted, Length: p.Length, Term: p.Node.ElectionTimeout,
		Clocks: p.clockBounds(outside),
	}
	if p.Node.Lease != multipaxos.LeaseNone {
		o.LeaseTerm = p.Node.LeaseTerm
	}
	schedule, err := nemesis.Plan(o)
	if err != nil {
		return fmt.Errorf("draw plan: %w", err)
	}
	p.Schedule = *schedule
	if !outside && len(p.Outside()) > 0 { // two overlapping moves can add up to more than is allowed
		p.Schedule.Faults = slices.DeleteFunc(p.Schedule.Faults, func(f nemesis.Fault) bool {
			return f.Kind == nemesis.Clock
		})
	}
	return nil
}

// clockBounds limits clock faults.
func (p *Plan) clockBounds(outside bool) nemesis.ClockBounds {
	factor := 1.0
	if outside {
		factor = 2.5
	}
	switch p.Node.Lease {
	case multipaxos.LeaseRate:
		return nemesis.ClockBounds{Drift: clockshim.Rate(factor * float64(driftBound(&p.Node)))}
	case multipaxos.LeaseWall:
		return nemesis.ClockBounds{Wall: true, MaxStep: time.Duration(factor * float64(p.Node.MaxOffset/2))}
	}
	return nemesis.ClockBounds{Drift: clockshim.Nominal / 2}
}

// drawFaults plans the faults of this package's kinds: only some, because many at once would hide one another and
// leave no node that answers.
func (p *Plan) drawFaults(d *dice, kinds []string, outside bool) {
	var own []FaultKind
	for _, kind := range FaultKinds() {
		if slices.Contains(kinds, string(kind)) {
			own = append(own, kind)
		}
	}
	if len(own) == 0 {
		return
	}
	lost, minority := 0, (p.Nodes()-1)/2 // nodes that lose their disks, and how many may
	for range pick(d, 1, 2, 2, 4, 4, 8) {
		f := Fault{ID: fmt.Sprintf("s%d", len(p.Faults)+1), Kind: pick(d, own...)}
		f.At = d.within(p.Length/20, p.Length*9/10).Round(us)
		f.For = min(d.within(p.Node.ElectionTimeout/8, f.longest(p)), p.Length-f.At).Round(us)
		f.Targets = p.drawTargets(d, f.Kind)
		if !p.drawAmount(d, &f, outside) {
			continue
		}
		if f.Kind == FaultDiskRot || f.Kind == FaultDiskWipe {
			if lost++; lost > minority && !outside {
				continue
			}
		}
		if f.Kind == FaultDiskRot {
			p.Disk.Bytes = true // otherwise there is no real log that could overlook the damage
		}
		p.Faults = append(p.Faults, f)
	}
}

// drawChanges plans the points at which priorities change: all messages of one kind from one node are delayed behind
// the others.
func (p *Plan) drawChanges(d *dice) {
	lowest := time.Duration(p.Network.Ranks) * p.Network.RankStep
	for range pick(d, 1, 2, 2, 3, 5) {
		f := Fault{ID: fmt.Sprintf("s%d", len(p.Faults)+1), Kind: FaultDemote, Messages: drawMessages(d)}
		f.At = d.within(p.Length/20, p.Length*9/10).Round(us)
		f.For = min(d.within(p.Node.ElectionTimeout, p.Length), p.Length-f.At).Round(us)
		f.Amount = int64(lowest * time.Duration(1+d.below(4)))
		f.Targets = []string{pick(d, nemesis.RoleLeader, nemesis.RoleFollower, nemesis.RoleAny)}
		if p.Nodes() == 1 {
			f.Targets = []string{nemesis.RoleAny}
		}
		p.Faults = append(p.Faults, f)
	}
}

// drawMessages draws a kind of message.
func drawMessages(d *dice) string {
	return protocol.MessageKind(1 + d.below(messageKinds-1)).String()
}

// longest limits how long a fault of a kind lasts, so that it does not dominate the run.
func (f *Fault) longest(p *Plan) time.Duration {
	switch f.Kind {
	case FaultCrash, FaultDiskFull:
		return p.Node.ElectionTimeout
	case FaultDuplicate, FaultCorrupt, FaultDelay, FaultDemote:
		return p.Length
	}
	return 2 * p.Node.ElectionTimeout
}

func (p *Plan) drawTargets(d *dice, kind FaultKind) []string {
	switch kind {
	case FaultDiskRot, FaultDiskWipe:
		return []string{p.Schedule.Nodes[d.below(p.Nodes())]}
	case FaultCrash:
		return []string{pick(d, nemesis.RoleAll, nemesis.RoleAll, nemesis.RoleMajority, nemesis.RoleLeader)}
	case FaultForsake:
		return []string{nemesis.RoleLeader}
	}
	roles := []string{nemesis.RoleLeader, nemesis.RoleLeader, nemesis.RoleAny, nemesis.RoleAll}
	if p.Nodes() > 1 {
		roles = append(roles, nemesis.RoleFollower, nemesis.RoleFollowers)
	}
	return []string{pick(d, roles...)}
}

// drawAmount draws the strength of a fault. It reports false if the fault would leave the envelope.
func (p *Plan) drawAmount(d *dice, f *Fault, outside bool) bool {
	switch f.Kind {
	case FaultLoss:
		f.Amount = pick[int64](d, 20_000, 200_000, 600_000)
	case FaultDuplicate:
		f.Amount = pick[int64](d, 50_000, 500_000)
	case FaultCorrupt:
		f.Amount = pick[int64](d, 10_000, 100_000)
	case FaultDelay:
		f.Amount = int64(pick(d, 10*ms, 50*ms, p.Node.ElectionTimeout, 2*p.Node.LeaseTerm))
	case FaultDemote:
		f.Amount = int64(pick(d, 10*ms, 50*ms, p.Node.ElectionTimeout))
		if d.chance(75) {
			f.Messages = drawMessages(d)
		}
	case FaultDiskSlow:
		f.Amount = int64(pick(d, 10*ms, 50*ms, 200*ms))
	case FaultDiskError:
		f.Amount = pick[int64](d, 50_000, 300_000)
	case FaultDiskWipe:
		if outside {
			f.Amount = int64(d.below(2))
		}
	case FaultSuspend:
		return outside || p.Node.Lease != multipaxos.LeaseRate
	}
	return true
}

// ParseKinds reads a list of kinds as the command line has it: names of [Kinds], or all, or none. A transfer, as labs
// call it, is a [FaultForsake].
func ParseKinds(list string) ([]string, error) {
	switch strings.TrimSpace(list) {
	case "all":
		return nil, nil
	case "none":
		return []string{}, nil
	}
	var kinds []string
	var problems []error
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word == nemesis.Transfer {
			word = string(FaultForsake)
		}
		if !slices.Contains(allKinds, word) {
			problems = append(problems, fmt.Errorf("unknown kind of fault %q (there are %s, all, none)", word,
				strings.Join(allKinds, ", ")))
		}
		kinds = append(kinds, word)
	}
	return kinds, errors.Join(problems...)
}
