package multipaxos

import (
	"math/bits"
	"slices"

	"elenchus/node/protocol"
)

// members is the cluster configuration, with ids in ascending order.
type members struct {
	ids    []protocol.NodeID
	self   int // index of this node in ids
	quorum int
}

func newMembers(ids []protocol.NodeID, self protocol.NodeID) members {
	return members{ids: ids, self: slices.Index(ids, self), quorum: protocol.Majority(len(ids))}
}

// index returns the position of id, or false if it is not a member.
func (c *members) index(id protocol.NodeID) (int, bool) {
	i := slices.Index(c.ids, id)
	return i, i >= 0
}

// nodeSet is a set of member indices. Votes are counted in sets so that a repeated message counts once.
type nodeSet uint16

func (s nodeSet) with(index int) nodeSet { return s | 1<<index }
func (s nodeSet) has(index int) bool     { return s&(1<<index) != 0 }
func (s nodeSet) len() int               { return bits.OnesCount16(uint16(s)) }
