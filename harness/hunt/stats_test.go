package hunt

import (
	"math"
	"testing"
	"time"
)

func seconds(list ...float64) (times []Time) {
	for _, s := range list {
		times = append(times, Time{time.Duration(math.Abs(s) * float64(time.Second)), s < 0})
	}
	return times
}

// Twenty observations: the 6th and the 15th are the 95.9 % interval of any table.
func TestMedianOfTwenty(t *testing.T) {
	var list []float64
	for i := range 20 {
		list = append(list, float64(20-i))
	}
	e := Median(seconds(list...))
	if e.Median.At != 10*time.Second || e.Low.At != 6*time.Second || e.High.At != 15*time.Second ||
		e.Worst.At != 20*time.Second || math.Abs(e.Confidence-0.9586) > 1e-4 {
		t.Errorf("estimated %+v", e)
	}
}

func TestMedianOfFew(t *testing.T) {
	if e := Median(seconds(3, 1, 2)); e.Low.At != time.Second || e.High.At != 3*time.Second || e.Confidence != 0.75 {
		t.Errorf("of three %+v", e)
	}
	if e := Median(seconds(4)); e.Low != e.High || e.Confidence != 0 {
		t.Errorf("of one %+v", e)
	}
	if e := Median(nil); e != (Estimate{}) {
		t.Errorf("of none %+v", e)
	}
	// Six are the fewest with 95 %: 1 - 2/2^6.
	if e := Median(seconds(6, 5, 4, 3, 2, 1)); e.Low.At != time.Second || e.High.At != 6*time.Second ||
		math.Abs(e.Confidence-0.96875) > 1e-9 {
		t.Errorf("of six %+v", e)
	}
}

// What was not found within 5 s is above everything that was, even what took 7 s to notice.
func TestCensoredTimesAreLast(t *testing.T) {
	e := Median(seconds(-5, 7, 1))
	if e.Median.At != 7*time.Second || !e.Worst.Censored || e.Worst.String() != ">5.0" {
		t.Errorf("estimated %+v", e)
	}
}

func TestRate(t *testing.T) {
	for _, test := range []struct {
		k, n      int
		low, high float64
	}{{10, 10, 0.722, 1}, {0, 10, 0, 0.278}, {5, 10, 0.237, 0.763}, {0, 0, 0, 1}} {
		low, _, high := Rate(test.k, test.n)
		if math.Abs(low-test.low) > 1e-3 || math.Abs(high-test.high) > 1e-3 {
			t.Errorf("%d of %d: %v … %v", test.k, test.n, low, high)
		}
	}
}
