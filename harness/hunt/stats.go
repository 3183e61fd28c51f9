package hunt

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"
)

// confidence is the probability that intervals are to have at least.
const confidence = 0.95

// Time is a measured time, or a lower bound of one that was not reached within the budget (censored).
type Time struct {
	At       time.Duration `json:"at_ns"`
	Censored bool          `json:"censored,omitempty"` // the time is more than At
}

// String shows the time in seconds: "0.42", or ">60".
func (t Time) String() string {
	s := t.At.Seconds()
	digits := 2
	if s >= 10 {
		digits = 0
	} else if s >= 1 {
		digits = 1
	}
	text := strconv.FormatFloat(s, 'f', digits, 64)
	if t.Censored {
		return ">" + text
	}
	return text
}

// Estimate is a median with its confidence interval.
type Estimate struct {
	Median Time `json:"median"`
	Worst  Time `json:"worst"`

	// Low and High are order statistics between which the true median lies with probability Confidence, at least 95 %
	// if there are enough observations. The interval assumes nothing of how times are distributed.
	Low        Time    `json:"low"`
	High       Time    `json:"high"`
	Confidence float64 `json:"confidence"`
}

// Median returns the median of the times with a confidence interval that follows from counting: each time is below
// the true median with probability one half (Conover, Practical Nonparametric Statistics, §3.2). A censored time is
// greater than all that are not.
func Median(times []Time) Estimate {
	if len(times) == 0 {
		return Estimate{}
	}
	sorted := slices.Clone(times)
	slices.SortFunc(sorted, func(a, b Time) int {
		if a.Censored != b.Censored {
			if b.Censored {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.At, b.At)
	})
	n := len(sorted)
	skip, covers := intervalSkip(n)
	return Estimate{
		Median: sorted[(n-1)/2], Worst: sorted[n-1],
		Low: sorted[skip], High: sorted[n-1-skip], Confidence: covers,
	}
}

// intervalSkip returns how many observations at either end lie outside of the interval, and the interval's
// confidence.
func intervalSkip(n int) (skip int, covers float64) {
	tail := 0.0 // the probability that fewer than skip+1 of n are below the median
	covers = 1 - 2*binomial(n, 0)
	for k := 0; 2*(k+1) < n; k++ {
		tail += binomial(n, k)
		next := 1 - 2*(tail+binomial(n, k+1))
		if next < confidence {
			return k, 1 - 2*tail
		}
		skip, covers = k+1, next
	}
	return skip, covers
}

// binomial is the probability of k heads among n fair coins.
func binomial(n, k int) float64 {
	p := math.Exp2(-float64(n))
	for i := range k {
		p *= float64(n-i) / float64(i+1)
	}
	return p
}

// Rate returns the share of k among n with its 95 % confidence interval (Wilson 1927), which is also sensible if k is
// 0 or n.
func Rate(k, n int) (low, share, high float64) {
	if n == 0 {
		return 0, 0, 1
	}
	const z = 1.959964
	p, m := float64(k)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, middle-half), p, min(1, middle+half)
}
