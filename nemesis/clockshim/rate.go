package clockshim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Rate is the speed of a clock, in parts per billion of the real one: 2 * [Nominal] is twice as fast.
type Rate int64

// The limits of rates, and Nominal, the rate of the real clock.
const (
	MinRate Rate = 1
	Nominal Rate = 1_000_000_000
	MaxRate Rate = 10*Nominal - 1
)

// ErrRate reports a rate outside the limits.
var ErrRate = errors.New("impossible rate")

// ParseRate parses a factor, "0.9", with at most nine decimals, or parts per billion, "900000000ppb".
func ParseRate(s string) (Rate, error) {
	var r Rate
	if digits, ok := strings.CutSuffix(s, "ppb"); ok {
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parse rate %q: %w", s, err)
		}
		r = Rate(n)
	} else {
		whole, decimals, _ := strings.Cut(s, ".")
		if len(decimals) > 9 {
			return 0, fmt.Errorf("parse rate %q: more than nine decimals", s)
		}
		w, err := strconv.ParseInt(whole, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("parse rate %q: %w", s, err)
		}
		d, err := strconv.ParseUint(decimals+"000000000"[len(decimals):], 10, 32)
		if err != nil {
			return 0, fmt.Errorf("parse rate %q: %w", s, err)
		}
		r = Rate(w) * Nominal
		if strings.HasPrefix(whole, "-") {
			r -= Rate(d)
		} else {
			r += Rate(d)
		}
	}
	return r, r.validate()
}

// String formats the rate as a factor with nine decimals, which [ParseRate] accepts.
func (r Rate) String() string {
	sign, n := "", uint64(r)
	if r < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%09d", sign, n/uint64(Nominal), n%uint64(Nominal))
}

// validate rejects rates outside the limits.
func (r Rate) validate() error {
	switch {
	case r < MinRate:
		return fmt.Errorf("%w: %s, but a clock that does not go forward is none", ErrRate, r)
	case r > MaxRate:
		return fmt.Errorf("%w: %s, but ten times the real one is the limit", ErrRate, r)
	}
	return nil
}
