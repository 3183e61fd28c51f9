package clocks

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"elenchus/results/history"
)

// shaken returns a host whose clocks are moved as faults do it: the wall clock is set and set back again, by up to an
// hour, and the rates change.
func shaken(rng *rand.Rand) host {
	h := host{mono: rng.Int64N(1e14), wall: began.UnixNano() + rng.Int64N(2e9) - 1e9,
		stretches: []stretch{{from: -20 * time.Second, mono: 1, wall: 1}}}
	for at := span(rng, time.Second, 3*time.Second); at < 11*time.Second; {
		rate, set := 1.0, time.Duration(0)
		switch rng.IntN(3) {
		case 0:
			rate = .8 + .4*rng.Float64()
		case 1:
			set = span(rng, -time.Hour, time.Hour)
		default:
			set = span(rng, -time.Second, time.Second)
		}
		to := at + span(rng, 50*time.Millisecond, 2*time.Second)
		h.stretches = append(h.stretches, stretch{from: at, mono: rate, wall: rate, set: set},
			stretch{from: to, mono: 1, wall: 1, set: -set})
		at = to + span(rng, 50*time.Millisecond, 2*time.Second)
	}
	return h
}

func span(rng *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(rng.Int64N(int64(to-from)))
}

// sampled measures a host on a busy machine: many answers come late, and others are missing altogether.
func sampled(h host, rng *rand.Rand) Track {
	t := Track{Node: "n1"}
	late := rng.IntN(3)
	for at := 800 * time.Millisecond; at < 13*time.Second; at += span(rng, 60*time.Millisecond, 140*time.Millisecond) {
		err := span(rng, 50*time.Microsecond, 700*time.Microsecond)
		if rng.IntN(4) < late {
			err = span(rng, time.Millisecond, 30*time.Millisecond)
		}
		mono, wall := h.read(at + span(rng, -err, err))
		t.Points = append(t.Points, Point{At: at, Error: err, Mono: mono, Wall: wall})
	}
	return t
}

// written are the observations of a node that is started again and again, and when it really made them.
func written(h host, rng *rand.Rand, says bool) (obs []history.Observation, truth []time.Duration) {
	at := -span(rng, 0, 2*time.Second)
	for boot := 1; at < 13*time.Second; boot++ {
		start, wall := h.read(at)
		if says {
			obs = append(obs, history.Observation{Boot: fmt.Sprint(boot), Kind: history.ObservedClock, Wall: time.Unix(0, wall),
				Origin: start})
			truth = append(truth, at)
		}
		for end := at + span(rng, 10*time.Millisecond, 5*time.Second); at < end && at < 14*time.Second; {
			mono, wall := h.read(at)
			obs = append(obs, history.Observation{Boot: fmt.Sprint(boot), Mono: time.Duration(mono - start),
				Wall: time.Unix(0, wall)})
			truth = append(truth, at)
			at += span(rng, time.Millisecond, 50*time.Millisecond)
		}
		at += span(rng, 10*time.Millisecond, time.Second)
	}
	return obs, truth
}

// Wherever an observation is placed, it was made there, give or take the slack: rules about several nodes rely on it.
func TestTheTruthIsWithinTheSlack(t *testing.T) {
	const worlds = 400
	for _, says := range []bool{true, false} {
		var off []string
		var known, all int
		for seed := range uint64(worlds) {
			rng := rand.New(rand.NewPCG(seed, 7))
			h := shaken(rng)
			track := sampled(h, rng)
			obs, truth := written(h, rng, says)
			placed := NewAxis(began, track, obs).Place(obs)
			for i := range obs {
				if all++; placed.Slack[i] < time.Second {
					known++
				}
				if d := (placed.When[i] - truth[i]).Abs(); d > placed.Slack[i] {
					off = append(off, fmt.Sprintf("seed %d, life %s: made at %v, placed at %v ± %v", seed, obs[i].Boot, truth[i],
						placed.When[i], placed.Slack[i]))
					break
				}
			}
		}
		t.Logf("says its origin: %v: %d of %d placed to a second", says, known, all)
		if len(off) > 0 {
			t.Errorf("says its origin: %v: %d of %d:\n%s", says, len(off), worlds, strings.Join(off[:min(len(off), 10)], "\n"))
		}
		if says && known < all*9/10 {
			t.Errorf("only %d of %d are placed to a second", known, all)
		}
	}
}
