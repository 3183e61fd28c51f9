package sim

import (
	"time"

	"elenchus/node/protocol"
)

// messageKinds is one more than the highest number of a kind of message.
var messageKinds = func() int {
	kind := protocol.MessageKind(1)
	for kind.Valid() {
		kind++
	}
	return int(kind)
}()

// messageKind is the kind of that name.
func messageKind(name string) (protocol.MessageKind, bool) {
	for kind := protocol.MessageKind(1); kind.Valid(); kind++ {
		if kind.String() == name {
			return kind, true
		}
	}
	return 0, false
}

// chain is the place of a chain of messages: those of one kind from one node to one other.
func chain(from, to int, kind protocol.MessageKind) int {
	return (from*nodesMax+to)*messageKinds + int(kind)
}

// rankChains gives every chain its rank, if the plan wants ranks or demotes somebody.
func (w *World) rankChains() {
	w.chains = nil
	demotes := false
	for i := range w.plan.Faults {
		demotes = demotes || w.plan.Faults[i].Kind == FaultDemote
	}
	net := &w.plan.Network
	if net.Ranks == 0 && !demotes {
		return
	}
	if w.ranked == nil {
		w.ranked = make([]time.Duration, nodesMax*nodesMax*messageKinds)
	}
	w.chains = w.ranked
	clear(w.chains)
	for from := range w.n {
		for to := range w.n {
			for kind := protocol.MessageKind(1); kind.Valid(); kind++ {
				draw := w.rng.at(forRank, uint64(from)<<8|uint64(to), uint64(kind))
				w.chains[chain(from, to, kind)] = time.Duration(below(draw, uint64(max(1, net.Ranks)))) * net.RankStep
			}
		}
	}
}

// demote makes messages from a node take longer, or no longer.
func (w *World) demote(from int, f *Fault, sign time.Duration) {
	only, one := messageKind(f.Messages)
	for to := range w.n {
		for kind := protocol.MessageKind(1); kind.Valid(); kind++ {
			if !one || kind == only {
				w.chains[chain(from, to, kind)] += sign * time.Duration(f.Amount)
			}
		}
	}
}
