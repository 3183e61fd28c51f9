package nemesis

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
)

// Roles holds the roles of nodes at the moment at which a fault fires.
type Roles struct {
	Leader string // empty if unknown
}

// Cut is one direction of a connection: To drops packets from From.
type Cut struct{ From, To string }

// Resolved is a fault whose roles have been replaced by nodes.
type Resolved struct {
	// Fault is the fault with node names only: Halves has become a Split, Ring and Bridge have their order and
	// their sides. It is a valid fault of the same schedule, and resolving it again changes nothing.
	Fault Fault

	// Targets lists the nodes aimed at, in the order of the schedule's nodes. For a partition these are the nodes
	// cut off: for Split all groups but the largest, for OneWay the smaller side, for Ring all nodes, for Bridge
	// the bridge.
	Targets []string

	Cuts  []Cut    // cuts of a partition, ordered; nil for other kinds
	Notes []string // decisions made on the way: "no leader is known: n3 stands in"
}

// ErrNobody means that a resolved fault has no effect: "split leader | n2" while n2 leads.
var ErrNobody = errors.New("nobody is left to aim at")

// Resolve replaces roles by nodes. Random choices come from a stream determined by the seed and the fault's ID, and
// do not depend on which faults were resolved before. A fault uses no node twice: named nodes come first, then the
// leader, then nodes drawn one by one, then minority and majority, followers, and finally rest. If the leader is
// unknown, a random node stands in for it; the notes say so.
//
// The fault must be valid for these nodes. The error is [ErrNobody], or says that the leader is not one of the
// nodes.
func (f Fault) Resolve(nodes []string, seed uint64, roles Roles) (Resolved, error) {
	if roles.Leader != "" && !slices.Contains(nodes, roles.Leader) {
		return Resolved{}, fmt.Errorf("resolve %s: the leader %q is not one of the nodes", f.ID, roles.Leader)
	}
	r := resolver{nodes: nodes, random: stream(seed, "resolve/"+f.ID), leader: roles.Leader}
	groups := r.groups(f.Groups)
	played := f
	switch f.Shape {
	case Halves:
		played.Shape, groups = Split, r.halves(groups)
	case Ring:
		if len(groups) == 0 {
			groups = [][]string{r.shuffled(nodes)}
		}
	case Bridge:
		if len(groups) == 1 {
			rest := r.shuffled(r.untaken())
			groups = [][]string{groups[0], r.ordered(rest[:len(rest)/2]), r.ordered(rest[len(rest)/2:])}
		}
	}
	played.Groups = groups
	for i, group := range groups {
		if len(group) == 0 {
			return Resolved{}, fmt.Errorf("resolve %s (%s): group %d: %w", f.ID, f.Detail(), i+1, ErrNobody)
		}
	}
	resolved := Resolved{Fault: played, Targets: r.ordered(played.aim()), Notes: r.notes}
	if f.Kind == Partition {
		resolved.Cuts = played.cuts(nodes)
	}
	return resolved, nil
}

// stream returns a random number generator for one purpose, independent of those for other purposes.
func stream(seed uint64, purpose string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// resolver resolves one fault.
type resolver struct {
	nodes  []string
	random *rand.Rand
	leader string
	taken  []string
	notes  []string
}

// groups resolves groups of targets, in the order of precedence that Resolve promises.
func (r *resolver) groups(targets [][]string) [][]string {
	out := make([][]string, len(targets))
	for rank := range ranks {
		for g, group := range targets {
			for _, target := range group {
				if rankOf(target) == rank {
					out[g] = append(out[g], r.resolve(target)...)
				}
			}
		}
	}
	for g := range out {
		// Order carries meaning, as in a ring, only if all nodes were named individually.
		if slices.ContainsFunc(targets[g], isRole) {
			out[g] = r.ordered(out[g])
		}
	}
	return out
}

// ranks is the number of ranks of targets.
const ranks = 6

// rankOf returns a target's place in the order of resolution, from 0.
func rankOf(target string) int {
	switch target {
	case RoleLeader:
		return 1
	case RoleAny, RoleFollower:
		return 2
	case RoleMinority, RoleMajority:
		return 3
	case RoleFollowers, RoleAll:
		return 4
	case RoleRest:
		return 5
	}
	return 0 // a node
}

// resolve returns the nodes for one target, and marks them as taken.
func (r *resolver) resolve(target string) []string {
	n := len(r.nodes)
	switch target {
	case RoleLeader:
		return r.take(r.leading())
	case RoleAny:
		return r.draw(1, r.untaken())
	case RoleFollower:
		return r.draw(1, r.following())
	case RoleFollowers:
		return r.take(r.following()...)
	case RoleMinority, RoleMajority:
		return r.draw(size(target, n), r.untaken())
	case RoleAll, RoleRest:
		return r.take(r.untaken()...)
	default:
		return r.take(target)
	}
}

// leading returns the leader, or a stand-in if it is unknown.
func (r *resolver) leading() string {
	if r.leader == "" {
		r.leader = r.nodes[r.random.IntN(len(r.nodes))]
		r.notes = append(r.notes, fmt.Sprintf("no leader is known: %s stands in", r.leader))
	}
	return r.leader
}

func (r *resolver) untaken() []string {
	return slices.DeleteFunc(slices.Clone(r.nodes), func(node string) bool { return slices.Contains(r.taken, node) })
}

// following returns the nodes that are not taken and do not lead.
func (r *resolver) following() []string {
	leader := r.leading()
	return slices.DeleteFunc(r.untaken(), func(node string) bool { return node == leader })
}

// take marks nodes as taken and returns those that were not taken before.
func (r *resolver) take(nodes ...string) []string {
	var got []string
	for _, node := range nodes {
		if !slices.Contains(r.taken, node) {
			r.taken = append(r.taken, node)
			got = append(got, node)
		}
	}
	return got
}

// draw draws count nodes from a set at random, or all if there are fewer.
func (r *resolver) draw(count int, from []string) []string {
	shuffled := r.shuffled(from)
	return r.take(shuffled[:min(count, len(shuffled))]...)
}

func (r *resolver) shuffled(nodes []string) []string {
	out := slices.Clone(nodes)
	r.random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// ordered sorts nodes into the order of the schedule.
func (r *resolver) ordered(nodes []string) []string {
	return slices.DeleteFunc(slices.Clone(r.nodes), func(node string) bool { return !slices.Contains(nodes, node) })
}

// halves draws the smaller half, starting with the leader if requested.
func (r *resolver) halves(groups [][]string) [][]string {
	var small []string
	if len(groups) == 1 {
		small = groups[0]
	}
	small = append(small, r.draw(len(r.nodes)/2-len(small), r.untaken())...)
	return [][]string{r.ordered(small), r.take(r.untaken()...)}
}

// aim returns the nodes that a resolved fault is aimed at, see Resolved.Targets.
func (f Fault) aim() []string {
	var nodes []string
	switch f.Shape {
	case Split, OneWay:
		largest := len(f.Groups) - 1
		for g, group := range f.Groups {
			if len(group) > len(f.Groups[largest]) {
				largest = g
			}
		}
		for g, group := range f.Groups {
			if g != largest {
				nodes = append(nodes, group...)
			}
		}
		return nodes
	default:
		return f.Groups[0]
	}
}

// cuts returns the directions that a resolved partition cuts, in the order of nodes.
func (f Fault) cuts(nodes []string) []Cut {
	place := map[string]int{}
	for g, group := range f.Groups {
		for i, node := range group {
			place[node] = g + 1
			if f.Shape == Ring {
				place[node] = i
			}
		}
	}
	var cuts []Cut
	for _, from := range nodes {
		for _, to := range nodes {
			if from != to && f.severs(place[from], place[to], len(nodes)) {
				cuts = append(cuts, Cut{from, to})
			}
		}
	}
	return cuts
}

// severs reports whether a partition of this shape cuts packets from a node in one place to a node in another.
// Places are group numbers from 1, or 0 for no group; for a ring they are positions.
func (f Fault) severs(from, to, n int) bool {
	switch f.Shape {
	case Isolate:
		return from != 0 || to != 0
	case Split:
		return from != 0 && to != 0 && from != to
	case OneWay:
		return from == 1 && to == 2
	case Bridge:
		return from > 1 && to > 1 && from != to
	default:
		return !ringNeighbours(from, to, n)
	}
}

// ringNeighbours reports whether the nodes at two positions of a majorities ring of n hear each other. Every node
// must hear a majority, itself included, and no two nodes the same one. Half of a node's neighbours sit on either
// side; if their number is odd, it hears one more across the ring. With n odd, one node hears one more than it
// must, because no regular graph exists.
func ringNeighbours(a, b, n int) bool {
	neighbours := n / 2 // of a node that hears a bare majority
	distance := min((a-b+n)%n, (b-a+n)%n)
	switch {
	case distance <= neighbours/2:
		return true
	case neighbours%2 == 0:
		return false
	case n%2 == 0:
		return distance == n/2
	default:
		low, high := min(a, b), max(a, b)
		return high-low == n/2 && low <= n/2
	}
}
