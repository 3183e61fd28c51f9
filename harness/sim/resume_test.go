package sim

import (
	"encoding/json"
	"strings"
	"testing"
)

// A fingerprint is of one campaign: its state, on disk meanwhile, is taken up by the same options alone.
func TestResumeWantsTheSameOptions(t *testing.T) {
	campaign := Campaign{From: 1, To: 2, Draw: DrawOptions{Nodes: []int{3}, Kinds: []string{}, Style: "calm"}}
	first, err := campaign.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	var again Summary
	if err := json.Unmarshal(state, &again); err != nil {
		t.Fatal(err)
	}
	campaign.Resume = &again
	if err := campaign.Validate(); err != nil {
		t.Errorf("the same options: %v", err)
	}
	for name, change := range map[string]func(*DrawOptions){
		"nodes": func(o *DrawOptions) { o.Nodes = []int{5} },
		"kinds": func(o *DrawOptions) { o.Kinds = nil },
		"reads": func(o *DrawOptions) { o.Reads = "log" },
	} {
		other := campaign
		change(&other.Draw)
		if err := other.Validate(); err == nil || !strings.Contains(err.Error(), "resume: ") {
			t.Errorf("other %s: got %v, want a refusal", name, err)
		}
	}
}
