package checker

import (
	"testing"
	"time"

	"elenchus/results/history"
)

// A sentence that says what came first must not name the same instant twice.
func TestInstantsAreToldApart(t *testing.T) {
	for _, test := range []struct {
		a, b         time.Duration
		wantA, wantB string
	}{
		{11785 * time.Millisecond, 11792 * time.Millisecond, "11.785 s", "11.792 s"},
		{8951100 * time.Microsecond, 8951300 * time.Microsecond, "8.951100 s", "8.951300 s"},
		{7, 9, "0.000000007 s", "0.000000009 s"},
		{5 * time.Second, 5 * time.Second, "5.000 s", "5.000 s"},
		{5 * time.Second, history.Forever, "5.000 s", "the end"},
	} {
		if a, b := instants(test.a, test.b); a != test.wantA || b != test.wantB {
			t.Errorf("instants(%d, %d) = %q, %q; want %q, %q", test.a, test.b, a, b, test.wantA, test.wantB)
		}
	}
}
