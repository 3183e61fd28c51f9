package clockshim

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for in, want := range map[string]Rate{
		"1": Nominal, "0.5": 500_000_000, "2": 2_000_000_000, "1.000001": 1_000_001_000, "0.000000001": 1,
		"9.999999999": MaxRate, "900000000ppb": 900_000_000, "1.": Nominal,
	} {
		got, err := ParseRate(in)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
		if again, err := ParseRate(got.String()); again != got || err != nil {
			t.Errorf("%v does not read what it prints: %d, %v", got, again, err)
		}
	}
	for _, in := range []string{
		"", "x", "-1", "-0.5", "0", "0ppb", "-5ppb", "10", "1000000000", "10000000000ppb", "1e3", "0.0000000001",
		"1.-5", "NaN", "99999999999999999999", ".5.5", "1.+5", "99999999999999999999ppb",
	} {
		if got, err := ParseRate(in); err == nil {
			t.Errorf("%q is %d", in, got)
		}
	}
}

func TestChangeNamesAllProblems(t *testing.T) {
	err := Change{MonoRate: -1, WallRate: 10 * Nominal, MonoStep: -time.Second, WallStep: math.MinInt64}.Validate()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 4 {
		t.Fatalf("want four problems, got: %v", err)
	}
	for _, want := range []error{ErrRate, ErrBackward, ErrRange} {
		if !errors.Is(err, want) {
			t.Errorf("%v is missing in: %v", want, err)
		}
	}
	if err := (Change{MonoStep: -time.Second, Force: true}).Validate(); err != nil {
		t.Errorf("forced step refused: %v", err)
	}
}

func randomChange(rng *rand.Rand) Change {
	rate := func() Rate { return MinRate + Rate(rng.Int64N(int64(MaxRate-MinRate)))>>rng.IntN(34) }
	var c Change
	if rng.IntN(4) == 0 {
		c.Reset = true
	}
	if rng.IntN(2) == 0 {
		c.MonoRate = rate()
	}
	if rng.IntN(2) == 0 {
		c.WallRate = rate()
	}
	if rng.IntN(3) == 0 {
		c.MonoStep = time.Duration(rng.Int64N(int64(time.Hour)))
	}
	if rng.IntN(3) == 0 {
		c.WallStep = time.Duration(rng.Int64N(int64(time.Hour))) - time.Hour/2
	}
	return c
}

// Whatever is changed, in whatever order: a clock moves at the instant of a change by the step and by nothing else,
// the monotonic ones never go back, and a wall clock that was reset is the real one.
func TestClocksAreContinuous(t *testing.T) {
	real := realClocks{mono: 5e12, offsets: [numLines]int64{lineWall: 1_795_000_000e9, lineBoot: 3e12, lineTAI: 1_795_000_037e9}}
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 1))
		value := func(s slot, i int, mono int64) int64 {
			if s.lines[i].real() {
				return real.line(i, mono)
			}
			return s.lines[i].value(mono - s.at)
		}
		s := slot{}
		for at := real.mono; at < real.mono+20e12; at += 1 + rng.Int64N(1e12) {
			c := randomChange(rng)
			next, err := c.next(s, real, at)
			if err != nil {
				t.Fatalf("seed %d: %+v: %v", seed, c, err)
			}
			for i := range next.lines {
				want, step := value(s, i, at), int64(c.MonoStep)
				if i == lineWall || i == lineTAI {
					step = int64(c.WallStep)
					if c.Reset {
						want = real.line(i, at)
					}
				}
				if got := value(next, i, at); got != want+step {
					t.Fatalf("seed %d: %s at %d: %d, want %d after %+v", seed, lineNames[i], at, got, want+step, c)
				}
			}
			if err := next.validate(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			s = next
		}
	}
}

func TestOverflowSaturates(t *testing.T) {
	l := line{base: maxClock, rate: MaxRate}
	if got := l.value(math.MaxInt64); got != math.MaxInt64 {
		t.Errorf("got %d", got)
	}
	if got := (line{rate: MaxRate}).value(9e17); got != 8_999_999_999_100_000_000 {
		t.Errorf("28 years at the highest rate are %d", got)
	}
	if got := (line{base: 7, rate: Nominal}).value(-5); got != 7 {
		t.Errorf("before its instant a clock shows %d", got)
	}
}

func FuzzDecode(f *testing.F) {
	seed := func(p page) {
		w := p.encode()
		b := make([]byte, 0, Size)
		for _, x := range w {
			b = binary.NativeEndian.AppendUint64(b, x)
		}
		f.Add(b)
	}
	seed(page{})
	next, err := Change{MonoRate: Nominal / 2, WallStep: time.Hour}.next(slot{}, realClocks{mono: 9, offsets: [4]int64{1e18, 0, 1, 2e18}}, 12)
	if err != nil {
		f.Fatal(err)
	}
	seed(page{seq: 2, slots: [2]slot{1: next}})
	seed(page{seq: 3, slots: [2]slot{1: next}})
	f.Fuzz(func(t *testing.T, b []byte) {
		var w words
		for i := range min(len(w), len(b)/8) {
			w[i] = binary.NativeEndian.Uint64(b[8*i:])
		}
		p, err := decode(&w)
		if err != nil {
			if !errors.Is(err, ErrControlFile) {
				t.Fatalf("not marked: %v", err)
			}
			return
		}
		for _, mono := range []int64{0, 1, math.MaxInt64} {
			_ = p.state(realClocks{mono: mono})
		}
		again := p.encode()
		if q, err := decode(&again); err != nil || q != p {
			t.Fatalf("%+v does not survive: %+v, %v", p, q, err)
		}
	})
}
