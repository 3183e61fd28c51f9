package sim

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A timer that is set to an instant fires at the first nanosecond of true time at which the clock shows it.
func TestClockUntilIsTheFirstInstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c nodeClock
		now := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "start"))
		c.restart(now)
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			now += time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "later"))
			before := c.monoAt(now)
			c.setRate(now, rapid.Int64Range(-ppb/2+1, ppb).Draw(t, "rate"))
			if after := c.monoAt(now); after != before {
				t.Fatalf("a change of the rate moves the clock from %v to %v", before, after)
			}
		}
		at := c.monoAt(now) + time.Duration(rapid.Int64Range(-1000, int64(time.Hour)).Draw(t, "in"))
		due := c.until(now, at)
		if due < now || c.monoAt(due) < at {
			t.Fatalf("due at %v, when the clock shows %v and not %v", due, c.monoAt(due), at)
		}
		if due > now && c.monoAt(due-1) >= at {
			t.Fatalf("due at %v, and the clock showed %v before that", due, at)
		}
	})
}

func TestFrozenClockStandsStill(t *testing.T) {
	var c nodeClock
	c.restart(time.Second)
	c.setRate(time.Second, ppb/10)
	c.freeze(2 * time.Second)
	stopped := c.monoAt(2 * time.Second)
	if got := c.monoAt(time.Minute); got != stopped {
		t.Errorf("it went on to %v from %v", got, stopped)
	}
	if wall := c.reading(time.Minute).Wall; wall != wallEpoch+int64(time.Minute) {
		t.Errorf("the wall clock shows %d", wall)
	}
	c.thaw(time.Minute)
	if got, want := c.monoAt(time.Minute+time.Second), stopped+time.Second*11/10; got != want {
		t.Errorf("after a second it shows %v, want %v", got, want)
	}
}
