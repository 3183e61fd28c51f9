package rules

import (
	"testing"
	"time"
)

// bounded are accounts of nodes that read under leases, whose clocks may differ by a tenth or by 20 ms.
func bounded(t *testing.T, text string) Input {
	t.Helper()
	in := accounts(t, text)
	in.LeaseReads, in.Bounds = true, &Bounds{Drift: 0.1, Offset: 20 * time.Millisecond}
	return in
}

func TestMargins(t *testing.T) {
	const asked = `
		n1 1 10 lease-asked 1.n1 since=10 until=110
		n1 1 10 sent-lease-ask 1.n1 seq=1
	`
	const onWall = `
		n1 1 10 lease-asked 1.n1 since=10 until=110 lease=wall
		n1 1 10 sent-lease-ask 1.n1 seq=1
	`
	for name, c := range map[string]struct{ text, want string }{
		"long enough": {asked + `
			n2 1 12 lease-granted 1.n1 since=12 until=122
			n2 1 12 sent-lease-grant 1.n1 seq=1`, ""},
		"without the drift": {asked + `
			n2 1 12 lease-granted 1.n1 since=12 until=112
			n2 1 12 sent-lease-grant 1.n1 seq=1`, "lease-margin@n2"},
		"a grant of which nobody says what was asked for": {`
			n2 1 12 lease-granted 1.n1 since=12 until=112
			n2 1 12 sent-lease-grant 1.n1 seq=1`, ""},
		"the end is not known": {asked + `n2 1 12 sent-lease-grant 1.n1 seq=1`, ""},
		"long enough by wall clocks": {onWall + `
			n2 1 12 lease-granted 1.n1 since=12 until=130 lease=wall
			n2 1 12 sent-lease-grant 1.n1 seq=1`, ""},
		"without the offset": {onWall + `
			n2 1 12 lease-granted 1.n1 since=12 until=129 lease=wall
			n2 1 12 sent-lease-grant 1.n1 seq=1`, "lease-margin@n2"},
		"silent for long enough":                {asked + `n2 2 40 lease-silence 1.n1 since=40 until=150`, ""},
		"silent without the drift":              {asked + `n2 2 40 lease-silence 1.n1 since=40 until=140`, "lease-margin@n2"},
		"silent for long enough by wall clocks": {onWall + `n2 2 40 lease-silence 1.n1 since=40 until=180 lease=wall`, ""},
		"silent without all offsets": {onWall + `
			n2 2 40 lease-silence 1.n1 since=40 until=170 lease=wall`, "lease-margin@n2"},
		"silent, and nobody says for what": {`n2 2 40 lease-silence 1.n1 since=40 until=41`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := bounded(t, c.text)
			if got := broken(Check(in)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			in.Bounds = nil
			if got := broken(Check(in)); got != "" {
				t.Errorf("bounds that nobody knows are broken: %q", got)
			}
		})
	}
}

func TestReadsUnderLeases(t *testing.T) {
	const held = `n1 1 13 lease-held 1.n1 until=112
	`
	for name, c := range map[string]struct{ text, want string }{
		"while it lasts":               {held + `n1 1 111 served 1.n1 slot=3`, ""},
		"when it is over":              {held + `n1 1 112 served 1.n1 slot=3`, "lease-read@n1"},
		"after it was extended":        {held + "n1 1 60 lease-renewed 1.n1 until=160\nn1 1 150 served 1.n1", ""},
		"after it was noticed as lost": {held + "n1 1 100 lease-lost 1.n1 until=112\nn1 1 111 served 1.n1", ""},
		"after it was given up":        {held + "n1 1 50 lease-forsaken 1.n1\nn1 1 60 served 1.n1", "lease-read@n1"},
		"without any":                  {`n1 1 50 served 1.n2 slot=3`, "lease-read@n1"},
		"of an earlier life":           {held + "n1 2 50 recovered 1.n1\nn1 2 60 served 1.n1", "lease-read@n1"},
		"when lines are missing":       {held + "n1 lost\nn1 1 150 served 1.n1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := bounded(t, c.text)
			if got := broken(Check(in)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			in.LeaseReads = false
			if got := broken(Check(in)); got != "" {
				t.Errorf("reads that need no lease are accused: %q", got)
			}
		})
	}
}
