package nemesis

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// problem is a defect of a fault and its place: a field of its line, or one of its targets.
type problem struct {
	field        string // "at", "for", "kind", "shape" or "target"
	group, index int    // of the target
	msg          string
}

func (f Fault) timeProblems(length time.Duration) []problem {
	var problems []problem
	add := func(field, format string, args ...any) {
		problems = append(problems, problem{field: field, msg: fmt.Sprintf(format, args...)})
	}
	end, reverted := f.End()
	switch {
	case f.At < 0:
		add("at", "fires at %v: before the run begins", f.At)
	case f.At >= length:
		add("at", "fires at %v: the run is over after %v", f.At, length)
	case f.For < 0:
		add("for", "lasts %v: it must be more than nothing", f.For)
	case reverted && end > length:
		add("for", "lasts until %v: the run is over after %v (without \"for\" it lasts until the final heal)",
			end, length)
	}
	return problems
}

// targetProblems lists the problems of kind, shape and targets on a cluster with these nodes.
func (f Fault) targetProblems(nodes []string) []problem {
	if problems := f.formProblems(); problems != nil {
		return problems
	}
	c := targetCheck{fault: f, nodes: nodes}
	for g, group := range f.Groups {
		for i, target := range group {
			c.target(g, i, target)
		}
	}
	if c.problems == nil {
		c.sizes()
	}
	if c.problems == nil {
		c.effect()
	}
	return c.problems
}

// formProblems checks only the kind, the shape and the number of groups.
func (f Fault) formProblems() []problem {
	one := func(field, format string, args ...any) []problem {
		return []problem{{field: field, msg: fmt.Sprintf(format, args...)}}
	}
	if _, known := lookupKind(f.Kind); !known {
		return one("kind", "%v", unknownWord("fault", f.Kind, kindNames()))
	}
	name, n := f.Kind, len(f.Groups)
	fits, want := n == 1, "one group of targets"
	switch {
	case f.Kind == Clock:
		name = "clock " + f.Shape
		if !slices.Contains(moveNames, f.Shape) {
			return one("shape", "%v", unknownWord("way to move a clock", f.Shape, moveNames))
		}
	case f.Kind != Partition:
		if f.Shape != "" {
			return one("shape", "%s has no shapes: %q is out of place", f.Kind, f.Shape)
		}
	default:
		name = f.Shape
		switch f.Shape {
		case Split:
			fits, want = n >= 2, "at least two groups: A | B"
		case Halves:
			fits = n == 0 || n == 1 && slices.Equal(f.Groups[0], []string{RoleLeader})
			want = "nothing, or \"leader\""
		case Ring:
			fits, want = n <= 1, "nothing, or all nodes in order"
		case Bridge:
			fits, want = n == 1 || n == 3, "the bridge, or the bridge and two sides: C between A | B"
		case OneWay:
			fits, want = n == 2, "two groups: A -> B"
		case Isolate:
		default:
			return one("shape", "%v", unknownWord("shape of partition", f.Shape, shapeNames))
		}
	}
	if !fits {
		return one("shape", "%s takes %s", name, want)
	}
	for g, group := range f.Groups {
		if len(group) == 0 {
			return []problem{{field: "shape", group: g, msg: fmt.Sprintf("%s: group %d is empty", name, g+1)}}
		}
	}
	return nil
}

// targetCheck checks the targets of one fault.
type targetCheck struct {
	fault    Fault
	nodes    []string
	problems []problem
}

func (c *targetCheck) add(group, index int, format string, args ...any) {
	c.problems = append(c.problems, problem{"target", group, index, fmt.Sprintf(format, args...)})
}

// target checks one target by itself, and that it was not named before.
func (c *targetCheck) target(g, i int, target string) {
	repeatable := target == RoleAny || target == RoleFollower
	switch {
	case !isRole(target) && !slices.Contains(c.nodes, target):
		known := append(slices.Clone(c.nodes), roleNames...)
		if near := Nearest(target, known); near != "" {
			c.add(g, i, "unknown node %q (did you mean %q?)", target, near)
		} else {
			c.add(g, i, "unknown node %q (there are %s)", target, strings.Join(c.nodes, ", "))
		}
	case c.fault.Shape == Ring && isRole(target):
		c.add(g, i, "ring takes the names of all nodes in order, not %q", target)
	case !repeatable && c.before(g, i, target):
		c.add(g, i, "%q is named twice: a node can be in one place only", target)
	}
}

// before reports whether a target was already named.
func (c *targetCheck) before(g, i int, target string) bool {
	for _, group := range c.fault.Groups[:g] {
		if slices.Contains(group, target) {
			return true
		}
	}
	return slices.Contains(c.fault.Groups[g][:i], target)
}

// size returns how many of n nodes a target takes. RoleRest takes whatever is left and counts as none.
func size(target string, n int) int {
	switch target {
	case RoleAll:
		return n
	case RoleFollowers:
		return n - 1
	case RoleMinority:
		return (n - 1) / 2
	case RoleMajority:
		return n/2 + 1
	case RoleRest:
		return 0
	default:
		return 1
	}
}

// sizes checks that there are enough nodes for all targets.
func (c *targetCheck) sizes() {
	n, total := len(c.nodes), 0
	restGroup, restIndex := -1, 0
	for g, group := range c.fault.Groups {
		for i, target := range group {
			if target == RoleRest {
				restGroup, restIndex = g, i
				continue
			}
			s := size(target, n)
			if s == 0 {
				c.add(g, i, "%q is nobody in a cluster of %d", target, n)
			}
			if total += s; total > n && total-s <= n {
				c.add(g, i, "the targets up to %q come to %d nodes, but there are only %d", target, total, n)
			}
		}
	}
	switch {
	case restGroup < 0:
	case total == 0:
		c.add(restGroup, restIndex, "\"rest\" needs other targets beside it: write \"all\" if all are meant")
	case total >= n:
		c.add(restGroup, restIndex, "\"rest\" is nobody: the other targets are all %d nodes", n)
	}
}

// effect checks that a partition would cut anything at all.
func (c *targetCheck) effect() {
	f, n := c.fault, len(c.nodes)
	if f.Kind != Partition {
		return
	}
	shape := func(format string, args ...any) {
		c.problems = append(c.problems, problem{field: "shape", msg: fmt.Sprintf(format, args...)})
	}
	switch f.Shape {
	case Halves, Isolate, Split, OneWay:
		if n < 2 {
			shape("%s cuts nothing in a cluster of %d", f.Shape, n)
		}
	case Ring:
		if n < 3 {
			shape("ring cuts nothing in a cluster of %d: it takes 3", n)
		}
		if len(f.Groups) == 1 && len(f.Groups[0]) != n {
			shape("ring names %d nodes of %d: name all of them, or none", len(f.Groups[0]), n)
		}
	case Bridge:
		bridge := 0
		for _, target := range f.Groups[0] {
			bridge += size(target, n)
			if target == RoleRest {
				bridge = n
			}
		}
		if len(f.Groups) == 1 && n-bridge < 2 {
			shape("bridge cuts nothing: it leaves %d nodes to be kept apart, and two are needed", max(0, n-bridge))
		}
	}
}
