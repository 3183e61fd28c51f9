package run

import (
	"maps"
	"strings"
	"testing"
	"time"

	"elenchus/harness/system"
)

func TestReadsAreUnderALeaseByDefault(t *testing.T) {
	var o Options
	if err := o.Validate(3); err != nil {
		t.Fatal(err)
	}
	want := system.Lease{Mode: "rate", Term: time.Second, Renew: 300 * time.Millisecond, DriftBound: "1%"}
	if o.Reads != "lease" || o.Lease != want {
		t.Errorf("reads %s under %+v, want %+v", o.Reads, o.Lease, want)
	}
}

func TestAllThatIsWrongIsListedAtOnce(t *testing.T) {
	o := Options{Reads: "sometimes", Window: -1, PromiseGrace: -1, Lease: system.Lease{Mode: "wall", DriftBound: "1%"}}
	err := o.Validate(3)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`"sometimes": there are lease`, "window", "promise grace", "--drift-bound is for"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

// What was said of the nodes and of the clients, and only that, is in the manifest by name.
func TestSettingsAreKept(t *testing.T) {
	o := Options{ElectionTimeout: time.Second, Window: 8, NodeFlags: []string{"--batch=1", "--heartbeat=50ms"},
		Retry: 0.5, Keys: 2}
	want := map[string]string{"election-timeout": "1s", "window": "8", "node-flags": "--batch=1 --heartbeat=50ms",
		"retry": "50%", "keys": "2"}
	if got := o.settings(); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
