package checker

import (
	"math/rand/v2"
	"strings"
	"testing"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

func TestDurability(t *testing.T) {
	for name, tt := range map[string]struct {
		main, final func(*script)
		want        verdict.Status
	}{
		"kept":         {func(s *script) { s.do(0, write(1)).do(0, write(2)) }, func(s *script) { s.do(0, read(), 2).do(1, read(), 2) }, verdict.Valid},
		"lost":         {func(s *script) { s.do(0, write(1)).do(0, write(2)) }, func(s *script) { s.do(0, read(), 1).do(1, read(), 1) }, verdict.Violated},
		"lost, absent": {func(s *script) { s.do(0, write(1)) }, func(s *script) { s.do(0, read()) }, verdict.Violated},
		"one is stale": {func(s *script) { s.do(0, write(1)).do(0, write(2)) }, func(s *script) { s.do(0, read(), 1).do(1, read(), 2) }, verdict.Valid},
		"concurrent": {func(s *script) {
			s.call(0, write(1)).call(1, write(2)).ret(0, history.OK, true).ret(1, history.OK, true)
		},
			func(s *script) { s.do(2, read(), 1) }, verdict.Valid},
		"not acknowledged": {func(s *script) { s.do(0, write(1)).call(1, write(2)).ret(1, history.Unknown, false) },
			func(s *script) { s.do(2, read(), 1) }, verdict.Valid},
		"no final reads": {func(s *script) { s.do(0, write(1)) }, func(*script) {}, verdict.None},
	} {
		s := newScript(t, "x")
		tt.main(s)
		n := len(s.ops)
		tt.final(s)
		for i := n; i < len(s.ops); i++ {
			s.ops[i].Phase = history.PhaseFinal
		}
		c, findings := checkDurability(s.ops)
		if c.Status != tt.want || (len(findings) > 0) != (tt.want == verdict.Violated) {
			t.Errorf("%s: %s, want %s: %+v", name, c.Status, tt.want, findings)
		}
		for _, f := range findings {
			if f.Name != nameLost || !strings.HasSuffix(f.Summary, "from before it.") {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// What the durability check calls lost is impossible.
func TestDurabilityFindingsAreViolations(t *testing.T) {
	found := 0
	for seed := range uint64(8000) {
		g := generated{clients: 3, steps: 30, unknown: 0.1, wrong: 0.1, funcs: []history.Func{history.Read, history.Write,
			history.CAS}}
		ops := g.make(rand.New(rand.NewPCG(seed, 19)))
		for i := len(ops) - 3; i < len(ops); i++ {
			if i >= 0 {
				ops[i].Phase = history.PhaseFinal
			}
		}
		if _, findings := checkDurability(ops); len(findings) > 0 {
			found++
			if untightened(SplitByKey(ops)[0].Ops) {
				t.Fatalf("seed %d: %q, but legal:\n%s", seed, findings[0].Summary, accounts(ops))
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d findings", found)
	}
}
