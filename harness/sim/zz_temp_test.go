package sim

import (
	"math/rand/v2"
	"os"
	"testing"
	"strings"

	"elenchus/checker/rules"
	"elenchus/results/history"
)

// cut drops the last lines of lives that ended in a crash, as an unwritten buffer would.
func cut(rng *rand.Rand, n *rules.Node) int {
	dropped := 0
	obs := n.Observations
	keep := make([]bool, len(obs))
	for i := range keep { keep[i] = true }
	for i := range obs {
		if obs[i].Kind != history.ObservedEnded { continue }
		keep[i] = false
		k := rng.IntN(30)
		for j := i-1; j >= 0 && k > 0 && obs[j].Boot == obs[i].Boot; j-- {
			if s := obs[j].Kind; s == "sent-prepare" || s == "sent-promise" || strings.HasPrefix(s, "sent-lease") || s == "traced" { break }
			keep[j] = false
			k--
			dropped++
		}
	}
	var o []history.Observation
	w, u, s := n.When[:0:0], n.Until[:0:0], n.Slack[:0:0]
	for i := range obs {
		if keep[i] { o = append(o, obs[i]); w = append(w, n.When[i]); u = append(u, n.Until[i]); s = append(s, n.Slack[i]) }
	}
	n.Observations, n.When, n.Until, n.Slack = o, w, u, s
	return dropped
}

func TestTempCut(t *testing.T) {
	w := New(Options{Record: true, Trace: true, ClientsOnly: true})
	rng := rand.New(rand.NewPCG(1, 2))
	counts := map[string]int{}
	found := map[string]int{}
	dropped := 0
	for seed := *rulesFirst; seed < *rulesFirst+*rulesSeeds; seed++ {
		p, err := Draw(seed, DrawOptions{})
		if err != nil { t.Fatal(err) }
		r, err := w.Run(p)
		if err != nil { t.Fatal(err) }
		in := reported(t, w, p, r.History)
		if os.Getenv("CUT") != "" {
			for i := range in.Nodes { dropped += cut(rng, &in.Nodes[i]) }
		}
		if os.Getenv("UNPLACED") != "" {
			for i := range in.Nodes { in.Nodes[i].When, in.Nodes[i].Until, in.Nodes[i].Slack = nil, nil, nil }
		}
		got := rules.Check(in)
		ghost := "-"
		if r.Hidden == nil { r.Hidden = r.Violation }
		if r.Hidden != nil { ghost = r.Hidden.Invariant }
		own := "-"
		for _, v := range got.Violations {
			found[v.Rule]++
			if own = v.Rule; own == ghost { break }
		}
		counts[ghost+" / "+own]++
		if own != "-" && (ghost == "-" || os.Getenv("SHOW") != "") { t.Errorf("seed %d: ghost %v: %+v", seed, r.Hidden, got.Violations) }
	}
	t.Logf("dropped %d; %v; found %v", dropped, counts, found)
}
