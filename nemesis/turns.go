package nemesis

import (
	"context"
	"strings"
	"sync"
	"time"
)

// turns makes the hunts of a plan wait for one another. How long faults take by themselves depends on how busy the
// machine is. Where it is, faults that are planned close to each other would pile up, until everybody is cut off from
// everybody, and what a hunt is about could never happen.
type turns struct {
	mu sync.Mutex
	of map[string]*turn // by fault ID; faults that are part of no hunt have none
}

// turn is that of one hunt.
type turn struct {
	from, to time.Duration // planned
	left     int           // faults that are not over
	next     *turn
	open     chan struct{} // closed when the hunt may begin, and shift is known
	shift    time.Duration // by how much all of it is later than planned
}

// huntOf returns the name that the faults of one hunt have in common, or "".
func huntOf(id string) string {
	name, _, isHunt := strings.Cut(id, "-")
	if !isHunt {
		return ""
	}
	return name
}

// newTurns returns the turns of faults in the order of their times.
func newTurns(faults []Fault) *turns {
	t := &turns{of: make(map[string]*turn)}
	byName := make(map[string]*turn)
	var last *turn
	for _, f := range faults {
		name := huntOf(f.ID)
		if name == "" {
			continue
		}
		own := byName[name]
		if own == nil {
			own = &turn{from: f.At, open: make(chan struct{})}
			byName[name] = own
			if last == nil {
				close(own.open)
			} else {
				last.next = own
			}
			last = own
		}
		own.left++
		own.to = max(own.to, f.At+f.For)
		t.of[f.ID] = own
	}
	return t
}

// wait waits until the turn of a fault has come, and returns by how much it is later than planned.
func (t *turns) wait(ctx context.Context, f Fault) (shift time.Duration, err error) {
	own := t.turn(f)
	if own == nil {
		return 0, nil
	}
	select {
	case <-own.open:
		return own.shift, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// over ends the part of a fault in its hunt. The next hunt begins as long after the end of the last part as was
// planned.
func (t *turns) over(f Fault, now time.Duration) {
	own := t.turn(f)
	if own == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if own.left--; own.left > 0 || own.next == nil {
		return
	}
	own.next.shift = max(0, now-own.to)
	close(own.next.open)
}

func (t *turns) turn(f Fault) *turn {
	if t == nil {
		return nil
	}
	return t.of[f.ID]
}
