package clocks

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"elenchus/results/history"
)

// host is a host whose clocks are known, because they are made up: a sum of stretches, each with its rates, the wall
// clock set at the beginning of some.
type host struct {
	mono, wall int64 // at the beginning of the first stretch
	stretches  []stretch
}

type stretch struct {
	from       time.Duration
	mono, wall float64 // rates
	set        time.Duration
}

func (h host) read(at time.Duration) (mono, wall int64) {
	mono, wall = h.mono, h.wall
	for i, s := range h.stretches {
		to := at
		if i+1 < len(h.stretches) {
			to = min(at, h.stretches[i+1].from)
		}
		if at < s.from {
			break
		}
		wall += int64(s.set)
		mono += int64(s.mono * float64(to-s.from))
		wall += int64(s.wall * float64(to-s.from))
	}
	return mono, wall
}

var began = time.Unix(1_795_271_503, 524_837_688)

// crooked returns a host whose monotonic clock is slow from 4 s to 8 s, and whose wall clock is set back at 6 s and is
// fast from then on.
func crooked() host {
	return host{mono: 77e9, wall: began.UnixNano() + 3e6 - 20e9, stretches: []stretch{
		{from: -20 * time.Second, mono: 1, wall: 1},
		{from: 4 * time.Second, mono: .8, wall: 1},
		{from: 6 * time.Second, mono: .8, wall: 1.5, set: -2 * time.Second},
		{from: 8 * time.Second, mono: 1, wall: 1.5},
	}}
}

// ask measures the host as a prober would, over a network whose ways are unequally long. At returns when the host
// really read its clocks, for each sample.
func ask(h host, rng *rand.Rand, from, to, every time.Duration) (lines []history.ClockLine, at []time.Duration) {
	lines = append(lines, history.ClockLine{Node: "n1", Event: history.ClockOpened, Detail: "made up"})
	way := func() time.Duration { return 30*time.Microsecond + time.Duration(rng.ExpFloat64()*2e5) }
	for t := from; t < to; t += every {
		read := t + way()
		mono, wall := h.read(read)
		lines = append(lines, history.ClockLine{Node: "n1", Sent: t, Received: read + way(), Mono: mono, Wall: wall})
		at = append(at, read)
	}
	return lines, at
}

func measured(t *testing.T, h host) (Track, []time.Duration) {
	t.Helper()
	lines, at := ask(h, rand.New(rand.NewPCG(1, 2)), 0, 12*time.Second, 100*time.Millisecond)
	tracks := Tracks(lines)
	if len(tracks) != 1 || len(tracks[0].Points) != len(at) {
		t.Fatalf("%d tracks", len(tracks))
	}
	return tracks[0], at
}

// The bound of an estimate holds whatever the network does: the clock's true offset is never outside.
func TestTheTruthIsWithinTheError(t *testing.T) {
	h := crooked()
	track, at := measured(t, h)
	for i, p := range track.Points {
		if off := p.At - at[i]; off > p.Error || -off > p.Error {
			t.Fatalf("read at %v, estimated %v ± %v", at[i], p.At, p.Error)
		}
	}
	zero := track.Zero(Wall, began)
	if o := track.Points[3].Offset(Wall, zero); o.Value < 3*time.Millisecond-o.Error ||
		o.Value > 3*time.Millisecond+o.Error || o.Error <= 0 {
		t.Errorf("the wall clock is 3 ms ahead, not %v ± %v", o.Value, o.Error)
	}
}

func TestRates(t *testing.T) {
	track, _ := measured(t, crooked())
	for _, tt := range []struct {
		clock Clock
		at    time.Duration
		rate  float64
	}{
		{Mono, 2, 1}, {Mono, 4, .8}, {Mono, 6, .8}, {Mono, 10, 1},
		{Wall, 2, 1}, {Wall, 4, 1}, {Wall, 6, 1.5}, {Wall, 10, 1.5},
	} {
		found := false
		for _, r := range track.Rates(tt.clock, time.Second) {
			if r.From/time.Second != tt.at {
				continue
			}
			found = true
			if math.Abs(r.Rate-tt.rate) > r.Error || r.Error > .01 || r.Error <= 0 {
				t.Errorf("%v at %d s: %+v, want %v", tt.clock, tt.at, r, tt.rate)
			}
		}
		if !found {
			t.Errorf("%v: no rate at %d s", tt.clock, tt.at)
		}
	}
}

// A clock that is set in the middle of a stretch did not run fast or slow.
func TestRateOfAClockThatIsSet(t *testing.T) {
	track, _ := measured(t, host{mono: 1e9, wall: began.UnixNano(), stretches: []stretch{
		{from: -time.Second, mono: 1, wall: 1}, {from: 5300 * time.Millisecond, mono: 1, wall: 1, set: time.Hour},
	}})
	for _, r := range track.Rates(Wall, time.Second) {
		if math.Abs(r.Rate-1) > r.Error {
			t.Errorf("%+v", r)
		}
	}
	if v, at := track.Deviation(Wall); v.Value < time.Hour-v.Error || at < 5*time.Second || !track.Moved() {
		t.Errorf("set by an hour: %+v at %v", v, at)
	}
	if v, _ := track.Deviation(Mono); v.Least() > time.Millisecond {
		t.Errorf("the monotonic clock was left alone: %+v", v)
	}
}

func TestClocksThatDidNotMove(t *testing.T) {
	track, _ := measured(t, host{mono: 5, wall: began.UnixNano() - 9e9, stretches: []stretch{
		{from: 0, mono: 1.00004, wall: 1.00004}, // a bad crystal, and a wall clock that nobody has ever set
	}})
	if track.Moved() {
		t.Error("moved")
	}
	r, ok := track.Overall(Mono)
	if ppm, err := r.PPM(); !ok || math.Abs(ppm-40) > err || err > 100 {
		t.Errorf("%v ± %v ppm, %v", ppm, err, ok)
	}
	// A question that took long proves nothing, and is not what is told of the clock.
	track, _ = measured(t, host{mono: 5, wall: began.UnixNano(), stretches: []stretch{{mono: 1, wall: 1}}})
	slow := track.Points[50]
	slow.At, slow.Error = slow.At+15*time.Millisecond, 20*time.Millisecond
	track.Points[50] = slow
	track.Points = slices.Delete(slices.Delete(track.Points, 51, 55), 46, 50) // and has no better one beside it
	if v, _ := track.Deviation(Mono); v.Error > 5*time.Millisecond {
		t.Errorf("the deviation is told by a sample that says nothing: %+v", v)
	}
	if (Track{}).Moved() {
		t.Error("a clock that nobody measured has moved")
	}
	if _, ok := (Track{}).Overall(Mono); ok {
		t.Error("a clock that nobody measured has a rate")
	}
}

func TestTracksTellOfGaps(t *testing.T) {
	lines := []history.ClockLine{
		{Node: "n1", Event: history.ClockOpened, Detail: "how"},
		{Node: "n1", Sent: 1, Received: 3, Mono: 1, Wall: 1},
		{Node: "n2", Event: history.ClockMissing, Detail: "no program"},
		{Node: "n1", Sent: 10, Received: 10, Event: history.ClockLost, Detail: "reset"},
		{Node: "n1", Sent: 12, Received: 12, Event: history.ClockLost, Detail: "refused"},
		{Node: "n1", Sent: 20, Received: 20, Event: history.ClockOpened, Detail: "how"},
		{Node: "n1", Sent: 30, Received: 30, Event: history.ClockLost, Detail: "the end"},
		{Node: "n3", Sent: 40, Received: 50, Mono: 1, Wall: 1},
	}
	got := fmt.Sprint(Tracks(lines))
	want := "[{n1 [{2ns 1ns 1 1}] [{10ns 20ns reset} {30ns 50ns the end}] how } {n2 [] []  no program} " +
		"{n3 [{45ns 5ns 1 1}] []  }]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What a node writes is placed where it happened, though its clocks are slow, fast and set meanwhile, and every
// incarnation counts its monotonic clock from elsewhere.
func TestAxis(t *testing.T) {
	h := crooked()
	track, _ := measured(t, h)
	var obs []history.Observation
	var truth []time.Duration
	lives := [][2]time.Duration{{-3e9, 5e9}, {5.5e9, 9e9}, {9.5e9, 14e9}}
	for boot, part := range lives {
		start, _ := h.read(part[0])
		for at := part[0]; at < part[1]; at += 90 * time.Millisecond {
			mono, wall := h.read(at)
			obs = append(obs, history.Observation{Boot: fmt.Sprint(boot), Lease: "rate",
				Mono: time.Duration(mono - start), Wall: time.Unix(0, wall)})
			truth = append(truth, at)
		}
	}
	axis := NewAxis(began, track, obs)
	if !axis.Measured() {
		t.Error("not measured")
	}
	near := func(what string, got, want, slack time.Duration) {
		t.Helper()
		if d := got - want; d > slack || -d > slack {
			t.Errorf("%s: placed at %v, was at %v", what, got, want)
		}
	}
	for i, o := range obs {
		slack := 2 * time.Millisecond
		if truth[i] > 12*time.Second || truth[i] < 0 { // nobody measured that
			slack = 20 * time.Millisecond
		}
		near("observation", axis.At(o), truth[i], slack)
	}
	for i, o := range obs {
		if truth[i] < 4*time.Second || truth[i] > 6*time.Second || o.Boot != "0" {
			continue
		}
		// A term of one second of a clock that runs at 0.8 ends after 1.25 s.
		until := history.Moment{Mono: o.Mono + time.Second, Wall: o.Wall.Add(time.Second)}
		near("deadline", axis.Moment(o, until), truth[i]+1250*time.Millisecond, 2*time.Millisecond)
	}
}

// A deadline on the wall clock is over when the clock first shows it, and comes later when the clock is set back.
func TestAxisOfWallLeases(t *testing.T) {
	h := crooked()
	track, _ := measured(t, h)
	mono, wall := h.read(5500 * time.Millisecond)
	o := history.Observation{Boot: "1", Lease: "wall", Mono: time.Duration(mono), Wall: time.Unix(0, wall)}
	axis := NewAxis(began, track, []history.Observation{o})
	end := axis.Moment(o, history.Moment{Wall: o.Wall.Add(time.Second)})
	// Half a second until 6 s, then two seconds again and the other half, at a rate of 1.5.
	want := 6*time.Second + 2500*time.Millisecond*2/3
	if slack := 100 * time.Millisecond; end < want-slack || end > want+slack {
		t.Errorf("ends at %v, want %v", end, want)
	}
}

func TestAxisWithoutSamples(t *testing.T) {
	o := history.Observation{Lease: "rate", Mono: 5 * time.Second, Wall: began.Add(3 * time.Second)}
	axis := NewAxis(began, Track{}, []history.Observation{o})
	if at := axis.At(o); at != 3*time.Second || axis.Measured() {
		t.Errorf("placed at %v", at)
	}
	until := history.Moment{Mono: 6 * time.Second, Wall: began.Add(9 * time.Second)}
	if at := axis.Moment(o, until); at != 4*time.Second {
		t.Errorf("ends at %v, should count on the monotonic clock", at)
	}
	o.Lease = "wall"
	if at := axis.Moment(o, until); at != 9*time.Second {
		t.Errorf("ends at %v, should count on the wall clock", at)
	}
}

// Where somebody knows when an observation was made, nothing that clocks show counts against it.
func TestTrueTimes(t *testing.T) {
	start := time.Unix(1000, 0)
	track := Track{Points: []Point{
		{At: 0, Mono: int64(5 * time.Second), Wall: start.UnixNano()},
		{At: 2 * time.Second, Mono: int64(6 * time.Second), Wall: start.UnixNano()}, // half as fast
	}}
	o := history.Observation{Mono: time.Second, Wall: start.Add(time.Hour), Boot: "1", Lease: "rate", True: time.Second}
	o.Until = history.Moment{Mono: 1250 * time.Millisecond}
	axis := NewAxis(start, track, []history.Observation{o})
	if got := axis.At(o); got != time.Second {
		t.Errorf("at %v", got)
	}
	if got := axis.Moment(o, o.Until); got != 1500*time.Millisecond {
		t.Errorf("until %v", got)
	}
}

// A clock that stood still got less far, and its rate does not show it.
func TestAdvance(t *testing.T) {
	const ms = time.Millisecond
	var track Track
	for at := time.Duration(0); at <= 1000*ms; at += 50 * ms {
		mono := at - max(0, min(at, 500*ms)-400*ms)
		track.Points = append(track.Points, Point{At: at, Error: ms, Mono: int64(mono)})
	}
	if r, ok := track.Advance(Mono, 210*ms, 790*ms); !ok || r.From != 200*ms || r.To != 800*ms ||
		math.Abs(r.Rate-5.0/6) > 1e-9 || math.Abs(r.Error-2.0/600) > 1e-9 {
		t.Errorf("%+v, %v", r, ok)
	}
	if r, ok := track.RateIn(Mono, 210*ms, 790*ms); !ok || r.Rate != 1 {
		t.Errorf("its rate: %+v, %v", r, ok)
	}
	for _, none := range [][2]time.Duration{{700 * ms, 1500 * ms}, {2000 * ms, 3000 * ms}, {310 * ms, 320 * ms}} {
		if r, ok := track.Advance(Mono, none[0], none[1]); ok {
			t.Errorf("from %v to %v: %+v", none[0], none[1], r)
		}
	}
	if r, ok := (Track{}).Advance(Mono, 0, ms); ok {
		t.Errorf("nobody measured it: %+v", r)
	}
}
