package sim

import (
	"fmt"
	"time"

	"elenchus/nemesis"
	"elenchus/node/multipaxos"
)

// Outside lists the reasons why a correct system need not survive the plan; with none of them, every failure is a bug.
// The envelope is what the protocol's documentation promises:
//
//   - A node that has lost its disk, or whose disk is damaged, stays away; it never comes back as if it had promised
//     nothing. There are fewer of these than half.
//   - With leases on monotonic clocks, no clock runs faster than another by more than the drift bound, and none stands
//     still.
//   - With leases on wall clocks, each is within half of the largest offset of true time.
//   - Reads are not served from any replica's state without a check.
//
// Everything else (loss, delay, order, damage in transit, crashes at any moment, slow and failing disks, any number of
// nodes down or cut off) a correct system survives, and is live again when it is over.
func (p *Plan) Outside() []string {
	var reasons []string
	out := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }
	if p.Node.Reads == multipaxos.ReadsLocal {
		out("reads are served from any replica's state, which may be stale")
	}
	lost := 0
	for i := range p.Faults {
		f := &p.Faults[i]
		switch f.Kind {
		case FaultDiskRot, FaultDiskWipe:
			lost += p.atMost(f)
			if f.Kind == FaultDiskWipe && f.Amount == 1 {
				out("%s: a node comes back without its disk, and has forgotten its promises", f.ID)
			}
		case FaultSuspend:
			if p.Node.Lease == multipaxos.LeaseRate {
				out("%s: a monotonic clock stands still, and leases are on it", f.ID)
			}
		}
	}
	if most := (p.Nodes() - 1) / 2; lost > most {
		out("up to %d of %d disks are lost", lost, p.Nodes())
	}
	switch p.Node.Lease {
	case multipaxos.LeaseRate:
		bound := driftBound(&p.Node)
		if low, high := p.drift(bound); high-low > allowed(bound, low) {
			out("clocks run from %d to %d ppb fast at one time, and may drift apart by %d", low, high, bound)
		}
	case multipaxos.LeaseWall:
		if offset, most := p.offset(), p.Node.MaxOffset/2; offset > most {
			out("a wall clock may be %v off, and the bound is %v", offset, most)
		}
	}
	return reasons
}

// allowed is how much faster than a clock of rate low another may run: the bound is on the ratio, and rates are
// relative to true time.
func allowed(bound, low int64) int64 { return bound + bound*low/ppb }

// atMost is how many nodes the fault can hit.
func (p *Plan) atMost(f *Fault) int {
	count := 0
	for _, target := range f.Targets {
		switch target {
		case "all", "rest", "followers", "majority", "minority":
			return p.Nodes()
		}
		count++
	}
	return count
}

// rates are those of the slowest and of the fastest clock, at any time in the run.
func (p *Plan) rates() (low, high int64) {
	low, high = p.baseRates()
	for i := range p.Schedule.Faults {
		if f := &p.Schedule.Faults[i]; f.Move.Rate != 0 {
			low, high = min(low, rateOf(f.Move)), max(high, rateOf(f.Move))
		}
	}
	return low, high
}

func (p *Plan) baseRates() (low, high int64) {
	low, high = ppb, -ppb
	for _, c := range p.Clocks {
		low, high = min(low, c.Rate), max(high, c.Rate)
	}
	return low, high
}

// drift is the first pair of rates that clocks have at one time and that lies outside of the bound, or the rates before
// any fault. While two clocks keep to the bound at every moment, they keep to it over every span.
func (p *Plan) drift(bound int64) (low, high int64) {
	baseLow, baseHigh := p.baseRates()
	for i := range p.Schedule.Faults {
		at := &p.Schedule.Faults[i]
		if at.Move.Rate == 0 {
			continue
		}
		low, high = baseLow, baseHigh // a fault may leave any node as it is
		for k := range p.Schedule.Faults {
			f := &p.Schedule.Faults[k]
			if end, ends := f.End(); f.Move.Rate != 0 && f.At <= at.At && (!ends || end > at.At) {
				low, high = min(low, rateOf(f.Move)), max(high, rateOf(f.Move))
			}
		}
		if high-low > allowed(bound, low) {
			return low, high
		}
	}
	return baseLow, baseHigh
}

// offset is the most that any wall clock may be off, if all that moves it in one direction comes together.
func (p *Plan) offset() (most time.Duration) {
	if len(p.Clocks) == 0 {
		return 0
	}
	low, high := p.Clocks[0].Offset, p.Clocks[0].Offset // before any fault
	for _, c := range p.Clocks {
		low, high = min(low, c.Offset), max(high, c.Offset)
	}
	most = max(-low, high)
	for i := range p.Schedule.Faults {
		at := &p.Schedule.Faults[i]
		if at.Kind != nemesis.Clock {
			continue
		}
		back, ahead := low, high
		move := func(by time.Duration) { back, ahead = back+min(0, by), ahead+max(0, by) }
		for k := range p.Schedule.Faults {
			f := &p.Schedule.Faults[k]
			end, ends := f.End()
			if !ends {
				end = p.Length
			}
			if f.Kind != nemesis.Clock || f.At > at.At || end <= at.At {
				continue
			}
			move(f.Move.Step)
			move(f.Move.Strobe)
			if f.Move.Rate != 0 {
				move(advance(end-f.At, rateOf(f.Move)) - (end - f.At))
			}
		}
		most = max(most, -back, ahead)
	}
	return most
}
