package shrink

import (
	"math/rand/v2"
	"testing"

	"elenchus/harness/sim"
)

// Whatever is sketched can be played, is the same for the same draws, and has few operations.
func TestSketches(t *testing.T) {
	world := sim.New(sim.Options{})
	lively := 0
	for seed := uint64(1); seed <= 12; seed++ {
		plan, err := sim.Draw(seed, sim.DrawOptions{Style: "recipes"})
		if err != nil {
			t.Fatal(err)
		}
		frozen, r, err := world.Frozen(plan)
		if err != nil {
			t.Fatal(err)
		}
		v := &sim.Violation{At: r.Simulated / 2, Answer: &sim.Answer{Operation: 3, Before: -1}}
		s := &shrinker{origin: plan}
		for k := range uint64(40) {
			p := s.sketch(frozen, v, rand.New(rand.NewPCG(seed, k)))
			if len(p.Load.Script) > callsMax+2 || faults(p) > faults(frozen) {
				t.Fatalf("seed %d, sketch %d: %d operations, %d faults", seed, k, len(p.Load.Script), faults(p))
			}
			if live(p) {
				lively++
			}
			first, err := world.Run(p)
			if err != nil {
				t.Fatalf("seed %d, sketch %d: %v", seed, k, err)
			}
			again, err := world.Run(s.sketch(frozen, v, rand.New(rand.NewPCG(seed, k))))
			if err != nil || first.Hash != again.Hash {
				t.Fatalf("seed %d, sketch %d: %v, or another run", seed, k, err)
			}
		}
	}
	if lively < 50 {
		t.Errorf("only %d sketches have roles or triggers", lively)
	}
}
