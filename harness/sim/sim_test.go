package sim

import (
	"testing"
)

func TestFirst(t *testing.T) {
	w := New(Options{Checker: NoChecker{}})
	var total Stats
	for seed := uint64(1); seed <= 300; seed++ {
		p, err := Draw(seed, DrawOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.Run(p)
		if err != nil {
			t.Fatal(err)
		}
		total.Add(&r.Stats)
		if r.Violation != nil {
			t.Errorf("seed %d: %v", seed, r.Violation)
		}
	}
	t.Logf("%+v", total)
}
