package sim

import (
	"fmt"
	"time"

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
	low, high := p.rates()
	offset := time.Duration(0)
	for _, c := range p.Clocks {
		offset = max(offset, c.Offset.Abs())
	}
	for i := range p.Faults {
		f := &p.Faults[i]
		switch f.Kind {
		case FaultDiskRot, FaultDiskWipe:
			lost += p.atMost(f)
			if f.Kind == FaultDiskWipe && f.Amount == 1 {
				out("%s: a node comes back without its disk, and has forgotten its promises", f.ID)
			}
		case FaultClockStep:
			offset = max(offset, time.Duration(f.Amount).Abs())
		case FaultSuspend:
			if p.Node.Lease == multipaxos.LeaseRate {
				out("%s: a monotonic clock stands still, and leases are on it", f.ID)
			}
		}
	}
	if most := (p.Nodes() - 1) / 2; lost > most {
		out("up to %d of %d disks are lost", lost, p.Nodes())
	}
	// The bound is on the ratio: high is relative to true time, and so is low.
	if bound := driftBound(&p.Node); p.Node.Lease == multipaxos.LeaseRate && (high-low) > bound+bound*low/ppb {
		out("clocks drift apart by up to %d ppb, and the bound is %d", high-low, bound)
	}
	if most := p.Node.MaxOffset / 2; p.Node.Lease == multipaxos.LeaseWall && offset > most {
		out("a wall clock is up to %v off, and the bound is %v", offset, most)
	}
	return reasons
}

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
	low, high = ppb, -ppb
	for _, c := range p.Clocks {
		low, high = min(low, c.Rate), max(high, c.Rate)
	}
	for i := range p.Faults {
		if f := &p.Faults[i]; f.Kind == FaultClockRate {
			low, high = min(low, f.Amount), max(high, f.Amount)
		}
	}
	return low, high
}
