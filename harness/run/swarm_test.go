package run

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func nothing(string) (string, bool) { return "", false }

func TestSwarmIsDrawnFromTheSeed(t *testing.T) {
	different := 0
	for seed := range uint64(50) {
		a, b := Swarm(seed, nothing), Swarm(seed, nothing)
		if !slices.Equal(a, b) {
			t.Fatalf("seed %d gives %v, and %v", seed, a, b)
		}
		if !slices.Equal(a, Swarm(seed+swarmCycle, nothing)) {
			different++
		}
	}
	if different < 45 {
		t.Errorf("only %d of 50 seeds differ from another of the same way to read", different)
	}
}

// All ways to serve reads have come after one cycle, and everything else that there is after a few.
func TestSwarmComesAround(t *testing.T) {
	ways := map[string]bool{}
	for seed := range swarmCycle {
		way := map[string]string{}
		for _, c := range Swarm(seed, nothing) {
			way[c.Option] = c.Value
		}
		ways[way["reads"]+"/"+way["lease"]] = true
	}
	want := []string{"lease/rate", "lease/wall", "log/none", "quorum/none"}
	if got := slices.Sorted(maps.Keys(ways)); !slices.Equal(got, want) {
		t.Errorf("ways to read: %v; want %v", got, want)
	}
	seen := map[string]bool{}
	for seed := range uint64(200) {
		for _, c := range Swarm(seed, nothing) {
			seen[c.Option+"="+c.Value] = true
			if c.Option == "nemesis" {
				for kind := range strings.SplitSeq(c.Value, ",") {
					seen[kind] = true
				}
			}
		}
	}
	for _, want := range []string{"nodes=3", "nodes=4", "nodes=5", "workload=append", "workload=register", "workload=session", "retry=50%",
		"window=1", "node-flag=--snapshot-entries=20", "node-flag=--pre-vote=false", "hunt-elections=true",
		"drift-bound=25%", "partition", "kill", "pause", "clock", "transfer"} {
		if !seen[want] {
			t.Errorf("%s was never drawn", want)
		}
	}
}

// Everything that the nodes do about others that are silent goes with their election timeout.
func TestSwarmKeepsPace(t *testing.T) {
	for seed := range uint64(100) {
		times := map[string]time.Duration{}
		for _, c := range Swarm(seed, nothing) {
			option, value := c.Option, c.Value
			if option == "node-flag" {
				option, value, _ = strings.Cut(strings.TrimPrefix(c.Value, "--"), "=")
			}
			if d, err := time.ParseDuration(value); err == nil {
				times[option] = d
			}
		}
		election := times["election-timeout"]
		for option, most := range map[string]time.Duration{
			"lease-renew": election / 2, "retry-interval": election / 2, "backoff": election / 2,
			"link-silence": 4 * election,
		} {
			if times[option] > most {
				t.Errorf("seed %d: --%s %v goes with an election timeout of %v", seed, option, times[option], election)
			}
		}
		if times["lease-renew"]*2 > times["lease-term"] {
			t.Errorf("seed %d: a lease of %v is renewed every %v", seed, times["lease-term"], times["lease-renew"])
		}
	}
}

// What the user has said is not drawn, and the rest goes with it.
func TestSwarmGoesWithWhatIsSaid(t *testing.T) {
	said := map[string]string{"lease": "none", "nodes": "3", "schedule": "my.schedule", "node-flag": "--batch=2"}
	for seed := range uint64(60) {
		for _, c := range Swarm(seed, func(option string) (string, bool) { v, ok := said[option]; return v, ok }) {
			if _, ok := said[c.Option]; ok {
				t.Errorf("seed %d draws --%s %s", seed, c.Option, c.Value)
			}
			switch c.Option {
			case "reads":
				if c.Value == "lease" {
					t.Errorf("seed %d reads under leases, of which there are none", seed)
				}
			case "lease-term", "drift-bound", "max-offset", "nemesis", "hunt":
				t.Errorf("seed %d draws --%s %s", seed, c.Option, c.Value)
			}
		}
	}
}

// An option that tunes a kind of fault has that kind injected, whatever the seed would leave out.
func TestSwarmInjectsWhatIsTuned(t *testing.T) {
	for seed := range uint64(60) {
		for option, tuned := range map[string]struct{ value, kinds string }{
			"clock-drift": {"20%", "clock"}, "clock-step": {"2s", "clock"}, "hunts": {"stun, resign", "pause partition transfer"},
		} {
			for _, c := range Swarm(seed, func(name string) (string, bool) { return tuned.value, name == option }) {
				drawn := strings.Split(c.Value, ",")
				for kind := range strings.FieldsSeq(tuned.kinds) {
					if c.Option == "nemesis" && !slices.Contains(drawn, kind) {
						t.Errorf("seed %d, --%s %s: --nemesis %s has no %s", seed, option, tuned.value, c.Value, kind)
					}
				}
				if slices.Sort(drawn); c.Option == "nemesis" && len(slices.Compact(drawn)) != strings.Count(c.Value, ",")+1 {
					t.Errorf("seed %d: --nemesis %s names a kind twice", seed, c.Value)
				}
			}
		}
	}
}

// A hunt that was chosen is possible with whatever is drawn: with no seed it is refused.
func TestSwarmReadsAsHuntsNeed(t *testing.T) {
	for hunts, want := range map[string]string{
		"slow": "lease rate", "back": "lease wall", "deaf,slow": "lease rate", "deaf": "lease ", "stun": "",
	} {
		ways := make(map[string]bool)
		for seed := range uint64(12) {
			drawn := make(map[string]string)
			for _, c := range Swarm(seed, func(name string) (string, bool) { return hunts, name == "hunts" }) {
				drawn[c.Option] = c.Value
			}
			way := drawn["reads"] + " " + drawn["lease"]
			if ways[way] = true; !strings.HasPrefix(way, want) {
				t.Errorf("seed %d, --hunts %s: %s", seed, hunts, way)
			}
		}
		if hunts == "stun" && len(ways) < 4 {
			t.Errorf("a hunt that needs no leases has only %v", ways)
		}
	}
	// Two hunts of which each needs other clocks: that is told where they are planned.
	if c := Swarm(0, func(name string) (string, bool) { return "slow,back", name == "hunts" }); len(c) == 0 {
		t.Error("nothing drawn")
	}
}
