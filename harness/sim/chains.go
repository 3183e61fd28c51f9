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

// messageKind returns the kind of message with that name.
func messageKind(name string) (protocol.MessageKind, bool) {
	for kind := protocol.MessageKind(1); kind.Valid(); kind++ {
		if kind.String() == name {
			return kind, true
		}
	}
	return 0, false
}

// chain is the index of a chain of messages: those of one kind from one node to another.
func chain(from, to int, kind protocol.MessageKind) int {
	return (from*nodesMax+to)*messageKinds + int(kind)
}

// rankChains draws the rank of every chain, if the plan has ranks or faults that demote.
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

// demote delays messages from a node by more or by less than before.
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
