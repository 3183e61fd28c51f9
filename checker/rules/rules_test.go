package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"elenchus/results/history"
)

// accounts reads the accounts of nodes, a line each: node, incarnation, time in ms, kind, and whatever of ballot,
// "until=" (ms), "slot=" and the like there is. All clocks show the common time, but for "wall=" (ms). A line with
// "lost" behind the node stands for lines that are lost, one with "stops" is the orderly end of its last incarnation.
func accounts(t *testing.T, text string) Input {
	t.Helper()
	in := Input{Wiped: make(map[string][]time.Duration)}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		var n *Node
		for i := range in.Nodes {
			if in.Nodes[i].Name == words[0] {
				n = &in.Nodes[i]
			}
		}
		if n == nil {
			in.Nodes = append(in.Nodes, Node{Name: words[0]})
			n = &in.Nodes[len(in.Nodes)-1]
		}
		ms := func(text string) time.Duration {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			return time.Duration(v * 1e6)
		}
		if words[1] == "lost" {
			n.Lost = append(n.Lost, history.Loss{Before: len(n.Observations), Lines: 1})
			continue
		}
		if words[1] == "stops" {
			boot := "1"
			if len(n.Observations) > 0 {
				boot = n.Observations[len(n.Observations)-1].Boot
			}
			words = []string{n.Name, boot, "900", history.ObservedStopped}
		}
		o := history.Observation{Node: n.Name, Boot: words[1], Mono: ms(words[2]), Kind: words[3], Lease: "rate"}
		o.Wall = time.Unix(100, int64(o.Mono))
		if strings.HasPrefix(o.Kind, "sent-") {
			o.Sent = new(history.Sent)
		}
		until := time.Duration(0)
		for _, word := range words[4:] {
			name, value, pair := strings.Cut(word, "=")
			switch {
			case !pair:
				o.Ballot = word
			case name == "until":
				until = ms(value)
				o.Until = history.Moment{Mono: until, Wall: time.Unix(100, int64(until))}
				if o.Since.IsZero() {
					o.Since = history.Moment{Mono: until - 100*time.Millisecond}
				}
			case name == "lease":
				o.Lease = value
			case name == "since":
				since := ms(value)
				o.Since = history.Moment{Mono: since, Wall: time.Unix(100, int64(since))}
			default:
				says(t, &o, name, value)
			}
		}
		n.Observations = append(n.Observations, o)
		n.When, n.Until = append(n.When, o.Mono), append(n.Until, until)
		n.Slack = append(n.Slack, time.Millisecond)
	}
	return in
}

// says adds what a line says of slots and messages. Values are hexadecimal digits.
func says(t *testing.T, o *history.Observation, name, value string) {
	t.Helper()
	digest := func(text string) (d history.Digest) {
		if err := d.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	number, err := strconv.ParseUint(value, 10, 64)
	if value == "last" {
		number, err = math.MaxUint64, nil
	}
	switch name {
	case "value":
		o.Value, err = digest(value), nil
	case "state":
		o.State, err = digest(value), nil
	case "values":
		for text := range strings.SplitSeq(value, ",") {
			o.Sent.Values = append(o.Sent.Values, digest(text))
		}
		err = nil
	case "entries":
		for text := range strings.SplitSeq(value, ",") {
			parts := strings.Split(text, ":")
			slot, problem := strconv.ParseUint(parts[0], 10, 64)
			o.Sent.Entries = append(o.Sent.Entries, history.Accepted{Slot: slot, Ballot: parts[1], Value: digest(parts[2])})
			err = problem
		}
	case "first":
		o.First = number
	case "slot":
		o.Slot = number
	case "committed":
		o.Sent.Committed = number
	case "seq":
		o.Sent.Seq = number
	case "wall":
		o.Wall = time.Unix(100, int64(number)*1e6) //nolint:gosec // a few milliseconds
	default:
		t.Fatalf("%s=%s", name, value)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func broken(r Result) string {
	var names []string
	for _, v := range r.Violations {
		names = append(names, fmt.Sprintf("%s@%s", v.Rule, v.Node))
	}
	return strings.Join(names, " ")
}

func TestRules(t *testing.T) {
	const granted = "n1 1 9 lease-granted 1.n2 until=100 \n"
	for name, c := range map[string]struct{ text, want string }{
		"an ordinary life": {`
			n1 1 1 recovered
			n1 1 10 campaign 1.n1
			n1 1 10 ballot 1.n1
			n1 1 12 elected 1.n1
			n1 1 13 lease-held 1.n1 until=112
			n1 1 50 lease-renewed 1.n1 until=150
			n2 1 10 ballot 1.n1
			n2 1 12 lease-granted 1.n1 until=113
			n2 1 49 lease-granted 1.n1 until=151
			n2 1 152 campaign 2.n2
			n2 1 152 ballot 2.n2
			n2 1 155 elected 2.n2`, ""},
		"another's ballot": {`n1 1 10 campaign 1.n2`, "ballot-owner@n1"},
		"a ballot below a promise": {`
			n1 1 9 ballot 3.n2
			n1 1 10 campaign 2.n1`, "ballot-owner@n1"},
		"a ballot used again": {`
			n1 1 9 campaign 3.n1
			n1 1 10 campaign 3.n1`, "ballot-owner@n1"},
		"a ballot that nobody saw used again": {`
			n1 1 9 campaign 3.n1
			n1 2 20 recovered 2.n2
			n1 2 30 campaign 3.n1
			n1 2 30 elected 3.n1`, ""},
		"led in two lives": {`
			n1 1 9 elected 3.n1
			n1 2 20 recovered 3.n1
			n1 2 30 elected 3.n1`, "ballot-owner@n1"},
		"led in another's ballot": {`n1 1 9 elected 3.n2`, "ballot-owner@n1"},
		"a promise that falls": {`
			n1 1 9 ballot 3.n2
			n1 1 10 ballot 3.n1`, "promise-monotone@n1"},
		"a promise that never was on disk": {`
			n1 1 9 ballot 3.n2
			n1 2 20 recovered 2.n2
			n1 2 30 ballot 3.n1`, ""},
		"a leader that forgets its promise": {`
			n1 1 9 elected 3.n1
			n1 2 20 recovered 2.n2`, "recovery@n1"},
		"a promise that was found once": {`
			n1 1 9 recovered 3.n1
			n1 2 20 recovered 2.n2`, "recovery@n1"},
		"a promise within a grant":            {granted + "n1 1 99 ballot 2.n3 \n n1 1 150 deposed 1.n1", "grant-honoured@n1"},
		"a promise after a grant":             {granted + "n1 1 100 ballot 2.n3 \n n1 1 150 deposed 1.n1", ""},
		"a promise that leaves in a grant":    {granted + `n1 1 99 sent-promise 2.n3 first=1 slot=last`, "grant-honoured@n1"},
		"a promise that leaves after a grant": {granted + `n1 1 100 sent-promise 2.n3 first=1 slot=last`, ""},
		"a value that was learned within a grant": {granted + `
			n1 1 99 ballot 2.n3
			n1 1 99 deposed 1.n1
			n1 1 99 chosen 2.n3
			n1 1 150 deposed 1.n1`, ""},
		"a snapshot that was learned within a grant": {granted + `
			n1 1 99 ballot 2.n3
			n1 1 99 snapshot-installed 2.n3 first=1 slot=9
			n1 1 150 deposed 1.n1`, ""},
		"the end of the log, which may hide what was learned": {granted + `n1 1 99 ballot 2.n3`, ""},
		"a campaign within a grant":                           {granted + `n1 1 99 campaign 2.n1`, "grant-honoured@n1"},
		"a grant that was released":                           {granted + "n1 1 50 lease-freed 1.n2 \n n1 1 99 campaign 2.n1", ""},
		"a release that may be lost":                          {granted + "n1 lost \n n1 1 99 campaign 2.n1", ""},
		"a longer grant stays granted": {granted + `
			n1 1 20 lease-granted 1.n2 until=90
			n1 1 95 campaign 2.n1`, "lease-margin@n1 grant-honoured@n1"},
		"a grant of another life may be shorter": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 2 20 lease-granted 1.n2 until=90`, ""},
		"a grant on a wall clock": {`
			n1 1 9 lease-granted 1.n2 until=100 lease=wall
			n1 1 95 campaign 2.n1 lease=wall`, "grant-honoured@n1"},
		"a promise that leaves after the wall clock was set back": {`
			n1 1 9 lease-granted 1.n2 until=100 lease=wall
			n1 1 110 ballot 2.n3
			n1 1 112 sent-promise 2.n3 first=1 slot=last wall=60`, ""},
		"a promise that leaves in a silence after the wall clock was set back": {`
			n1 2 20 recovered 1.n2
			n1 2 20 lease-silence 1.n2 until=120 lease=wall
			n1 2 121 ballot 2.n3
			n1 2 122 sent-promise 2.n3 first=1 slot=last wall=60`, ""},
		"a grant forgotten in a restart": {granted + `
			n1 2 20 recovered 1.n2
			n1 2 97 campaign 2.n1`, "grant-honoured@n1"},
		"within the error of the axis": {granted + `
			n1 2 20 recovered 1.n2
			n1 2 98.5 campaign 2.n1`, ""},
		"a grant that a higher promise ended before the restart": {granted + `
			n1 2 20 recovered 2.n3
			n1 2 40 campaign 3.n1`, ""},
		"a silence that is broken": {`
			n1 2 20 recovered 1.n2
			n1 2 20 lease-silence 1.n2 until=120
			n1 2 119 campaign 2.n1`, "grant-honoured@n1"},
		"a silence that is over": {`
			n1 2 20 recovered 1.n2
			n1 2 20 lease-silence 1.n2 until=120
			n1 2 120 campaign 2.n1`, ""},
		"a grant on a wall clock in another life": {`
			n1 1 9 lease-granted 1.n2 until=100 lease=wall
			n1 2 20 recovered 1.n2
			n1 2 30 campaign 2.n1`, ""},
		"elected within a lease": {`
			n1 1 13 lease-held 1.n1 until=112
			n1 1 50 lease-renewed 1.n1 until=150
			n2 1 147 elected 2.n2`, "lease-exclusive@n1"},
		"elected within the error of the axis": {`
			n1 1 13 lease-held 1.n1 until=112
			n2 1 110.5 elected 2.n2`, ""},
		"elected after a lease was given up": {`
			n1 1 13 lease-held 1.n1 until=112
			n1 1 20 lease-forsaken 1.n1
			n2 1 21 elected 2.n2`, ""},
		"elected after the holder was gone": {`
			n1 1 13 lease-held 1.n1 until=112
			n1 1 20 ended
			n2 1 50 elected 2.n2`, ""},
		"elected after the holder had started again": {`
			n1 1 13 lease-held 1.n1 until=112
			n1 2 20 recovered 1.n1
			n2 1 50 elected 2.n2`, ""},
		"elected in a lower ballot": {`
			n1 1 13 lease-held 3.n1 until=112
			n2 1 50 elected 2.n2`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := accounts(t, c.text)
			if got := broken(Check(in)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Without a common time axis only what a node's own clock shows is judged.
func TestUnplaced(t *testing.T) {
	in := accounts(t, `
		n1 1 13 lease-held 1.n1 until=112
		n2 1 9 lease-granted 1.n1 until=110
		n2 1 50 campaign 2.n2
		n2 1 52 elected 2.n2`)
	for i := range in.Nodes {
		in.Nodes[i].When, in.Nodes[i].Until, in.Nodes[i].Slack = nil, nil, nil
	}
	if r := Check(in); broken(r) != "grant-honoured@n2" || !r.Unplaced || r.Violations[0].Placed {
		t.Errorf("%+v", r)
	}
}

// Clocks excuse what they can explain, and no more.
func TestClocksExcuse(t *testing.T) {
	in := accounts(t, `
		n1 1 13 lease-held 1.n1 until=112
		n2 1 100 elected 2.n2`)
	in.Excess = func(from, to, term time.Duration) time.Duration {
		if from != -87*time.Millisecond || to != 112*time.Millisecond || term != 100*time.Millisecond {
			t.Errorf("asked for %v to %v, a term of %v", from, to, term)
		}
		return 9 * time.Millisecond
	}
	if got := broken(Check(in)); got != "lease-exclusive@n1" {
		t.Errorf("an overlap of 10 ms: %q", got)
	}
	in.Excess = func(time.Duration, time.Duration, time.Duration) time.Duration { return 10 * time.Millisecond }
	if got := broken(Check(in)); got != "" {
		t.Errorf("an overlap that clocks explain: %q", got)
	}
}

// Who may have been killed by then does not hold a lease.
func TestDeaths(t *testing.T) {
	in := accounts(t, `
		n1 1 13 lease-held 1.n1 until=112
		n2 1 50 elected 2.n2`)
	for at, want := range map[time.Duration]string{
		5: "lease-exclusive@n1", 20: "", 49: "", 60: "lease-exclusive@n1",
	} {
		in.Deaths = map[string][]time.Duration{"n1": {at * time.Millisecond}}
		if got := broken(Check(in)); got != want {
			t.Errorf("killed at %d ms: %q", at, got)
		}
	}
}

// A node whose disk was emptied owes nothing.
func TestWiped(t *testing.T) {
	in := accounts(t, `
		n1 1 9 elected 3.n1
		n1 1 9 lease-granted 3.n1 until=100
		n1 1 9 sent-prepare 3.n1 first=1
		n1 2 20 recovered
		n1 2 30 campaign 1.n1
		n1 2 40 campaign 3.n1
		n1 2 40 sent-prepare 3.n1 first=1
		n1 2 40 elected 3.n1`)
	in.Members = 1
	if got := broken(Check(in)); got != "recovery@n1 ballot-owner@n1" {
		t.Errorf("%q", got)
	}
	in.Wiped["n1"] = []time.Duration{15 * time.Millisecond}
	if got := broken(Check(in)); got != "" {
		t.Errorf("after a wipe: %q", got)
	}
	for _, at := range []time.Duration{5, 25} { // before its lines, and when it had started again
		in.Wiped["n1"] = []time.Duration{at * time.Millisecond}
		if got := broken(Check(in)); got != "recovery@n1 ballot-owner@n1" {
			t.Errorf("wiped at %d ms: %q", at, got)
		}
	}
	in.Nodes[0].When, in.Nodes[0].Until, in.Nodes[0].Slack = nil, nil, nil
	if got := broken(Check(in)); got != "" {
		t.Errorf("a wipe before any of its starts: %q", got)
	}
}

// The first violation of a rule is told of, and the others are counted.
func TestViolationsAreCounted(t *testing.T) {
	in := accounts(t, `
		n2 1 30 campaign 1.n1
		n1 1 20 campaign 1.n2
		n1 1 40 campaign 2.n2`)
	r := Check(in)
	if len(r.Violations) != 1 || r.Violations[0].Node != "n1" || r.Violations[0].At != 20*time.Millisecond ||
		r.Violations[0].Others != 2 {
		t.Errorf("%+v", r.Violations)
	}
}

// three is the beginning of an account of three nodes, of which n1 leads ballot 1.n1.
const three = `
	n1 1 1 traced
	n2 1 1 traced
	n3 1 1 traced
	n1 1 10 campaign 1.n1
	n1 1 11 sent-prepare 1.n1 first=1
	n2 1 12 ballot 1.n1
	n2 1 13 sent-promise 1.n1 first=1 slot=last
	n1 1 14 elected 1.n1
`

func TestRulesOfPaxos(t *testing.T) {
	// accepted is slot 1 with value a, which n1 and n2 have accepted in ballot 1.n1.
	const accepted = three + `
		n1 1 15 sent-accept 1.n1 first=1 slot=1 values=a
		n2 1 16 sent-accepted 1.n1 first=1 slot=1
	`
	// second is the election of n3 by n2, which reports what it has accepted.
	const second = accepted + `
		n3 1 20 campaign 2.n3
		n3 1 20 sent-prepare 2.n3 first=1
		n2 1 21 sent-promise 2.n3 first=1 slot=last entries=1:1.n1:a
		n3 1 22 elected 2.n3
	`
	// known is the same election, and n2 says that the slot is chosen and does not report it.
	const known = accepted + `
		n3 1 20 campaign 2.n3
		n3 1 20 sent-prepare 2.n3 first=1
		n2 1 21 sent-promise 2.n3 first=1 slot=last committed=1
		n3 1 22 elected 2.n3
	`
	// apart is slot 1 with value a in ballot 1.n1, which n1 alone has accepted, and value b in ballot 2.n3.
	const apart = three + `
		n1 1 15 sent-accept 1.n1 first=1 slot=1 values=a
		n3 1 20 campaign 2.n3
		n3 1 20 sent-prepare 2.n3 first=1
		n2 1 21 sent-promise 2.n3 first=1 slot=last
		n3 1 22 elected 2.n3
		n3 1 23 sent-accept 2.n3 first=1 slot=1 values=b
	`
	for name, c := range map[string]struct{ text, want string }{
		"one ballot":         {accepted + `n1 1 17 applied 1.n1 slot=1 value=a`, ""},
		"a second ballot":    {second + `n3 1 22 sent-accept 2.n3 first=1 slot=1 values=a`, ""},
		"a promise repeated": {second + `n2 1 23 sent-promise 2.n3 first=1 slot=last entries=1:2.n3:a`, ""},
		"another's ballot":   {`n1 1 10 sent-prepare 1.n2 first=1`, "ballot-owner@n1"},
		"a ballot in two lives": {`
			n1 1 10 sent-prepare 1.n1 first=1
			n1 2 20 recovered
			n1 2 30 sent-prepare 1.n1 first=1`, "ballot-owner@n1"},
		"a vote below a promise": {second + `n2 1 23 sent-accepted 1.n1 first=2 slot=2`, "promise-monotone@n2"},
		"a vote that is forgotten": {accepted + `
			n2 2 30 recovered 1.n1
			n2 2 31 sent-promise 2.n3 first=1 slot=last`, "promise-complete@n2"},
		"the second of two votes that is forgotten": {accepted + `
			n2 1 17 sent-accepted 1.n1 first=2 slot=2
			n2 2 30 recovered 1.n1
			n2 2 31 sent-promise 2.n3 first=1 slot=last entries=1:1.n1:a`, "promise-complete@n2"},
		"a vote that is known to be chosen": {accepted + `
			n2 1 31 sent-promise 2.n3 first=1 slot=last committed=1`, ""},
		"a vote in a slot that another's snapshot covers": {three + `
			n2 1 15 snapshot-installed 1.n1 first=1 slot=100
			n2 1 16 sent-accepted 1.n1 first=50 slot=100
			n2 2 30 recovered 1.n1
			n2 2 31 sent-promise 2.n3 first=1 slot=last`, ""},
		"a vote behind another's snapshot": {three + `
			n2 1 15 snapshot-installed 1.n1 first=1 slot=100
			n2 1 16 sent-accepted 1.n1 first=50 slot=101
			n2 2 30 recovered 1.n1
			n2 2 31 sent-promise 2.n3 first=1 slot=last`, "promise-complete@n2"},
		"a vote after lines that are lost, which may tell of a snapshot": {three + `
			n2 lost
			n2 1 16 sent-accepted 1.n1 first=50 slot=50
			n2 2 30 recovered 1.n1
			n2 2 31 sent-promise 2.n3 first=1 slot=last`, ""},
		"what was reported once and is forgotten": {three + `
			n2 1 21 sent-promise 2.n3 first=1 slot=last entries=1:1.n1:a
			n2 1 31 sent-promise 3.n1 first=1 slot=last`, "promise-complete@n2"},
		"what was reported once and is chosen": {three + `
			n2 1 21 sent-promise 2.n3 first=1 slot=last entries=1:1.n1:a
			n2 1 31 sent-promise 3.n1 first=1 slot=last committed=1`, ""},
		"a vote taken back": {second + `
			n3 1 22 sent-accept 2.n3 first=1 slot=2 values=a,b
			n2 1 23 sent-accepted 2.n3 first=2 slot=2
			n2 1 24 sent-accepted 1.n1 first=1 slot=2`, "accepted-monotone@n2 promise-monotone@n2"},
		"a vote below a promise in a slot of its own": {second + `
			n3 1 22 sent-accept 2.n3 first=1 slot=2 values=a,b
			n2 1 23 sent-accepted 2.n3 first=2 slot=2
			n2 1 24 sent-accepted 1.n1 first=1 slot=1`, "promise-monotone@n2"},
		"a proposal below a promise": {accepted + `
			n1 1 18 ballot 2.n3
			n1 1 19 sent-accept 1.n1 first=2 slot=2 values=b`, "promise-monotone@n1"},
		"a proposal over what was learned": {accepted + `
			n1 1 18 chosen 2.n3 slot=3
			n1 1 19 sent-accept 1.n1 first=2 slot=3 values=b,c`, "accepted-monotone@n1"},
		"a proposal beside what was learned": {accepted + `
			n1 1 18 chosen 2.n3 slot=3
			n1 1 19 sent-accept 1.n1 first=2 slot=2 values=b`, ""},
		"what was learned without leading": {accepted + `
			n1 1 18 deposed 1.n1
			n1 1 18 chosen 2.n3 slot=2
			n1 1 19 sent-accept 1.n1 first=2 slot=2 values=b`, ""},
		"a vote beyond the page": {accepted + `
			n2 1 31 sent-promise 2.n3 first=5 slot=last`, ""},
		"a vote replaced by a higher one": {accepted + `
			n2 1 31 sent-promise 3.n3 first=1 slot=last entries=1:2.n3:a`, ""},
		"a promise that left and is forgotten": {accepted + `
			n2 2 30 recovered`, "recovery@n2"},
		"a grant that left and whose ballot is forgotten": {`
			n2 1 10 sent-lease-grant 3.n1 seq=1
			n2 2 30 recovered 2.n1`, "recovery@n2"},
		"elected without promises": {strings.Replace(accepted, "n2 1 13 sent-promise", "n2 1 13 sent-other", 1),
			"election@n1"},
		"elected before the promises": {strings.Replace(accepted, "n2 1 13 sent-promise", "n2 1 17 sent-promise", 1),
			"election@n1"},
		"elected with a page missing": {strings.Replace(accepted, "slot=last", "slot=7", 1), "election@n1"},
		"a promise that may be lost": {strings.Replace(accepted, "n2 1 13 sent-promise", "n2 lost", 1) +
			"\nn2 1 18 deposed 1.n1", ""},
		"proposed without an election": {`
			n1 1 1 traced
			n1 1 15 sent-accept 1.n1 first=1 slot=1 values=a`, "election@n1"},
		"two values in a ballot": {accepted + `n1 1 18 sent-accept 1.n1 first=1 slot=1 values=b`, "one-value@n1"},
		"two values in a ballot, as reported": {accepted + `
			n2 1 31 sent-promise 2.n3 first=1 slot=last entries=1:1.n1:b`, "one-value@n2"},
		"another value than the promises allow": {second + `n3 1 22 sent-accept 2.n3 first=1 slot=1 values=b`,
			"safe-value@n3"},
		"a value of a lower ballot than is reported": {apart + `
			n2 1 24 sent-accepted 2.n3 first=1 slot=1
			n1 1 30 campaign 3.n1
			n1 1 30 sent-prepare 3.n1 first=1
			n2 1 32 sent-promise 3.n1 first=1 slot=last entries=1:2.n3:b
			n1 1 33 elected 3.n1
			n1 1 34 sent-accept 3.n1 first=1 slot=1 values=a`, "safe-value@n1"},
		"a value of a lower ballot than the proposer has": {apart + `
			n1 1 24 sent-accepted 2.n3 first=1 slot=1
			n1 1 30 campaign 3.n1
			n1 1 30 sent-prepare 3.n1 first=1
			n2 1 32 sent-promise 3.n1 first=1 slot=last
			n1 1 33 elected 3.n1
			n1 1 34 sent-accept 3.n1 first=1 slot=1 values=a`, "safe-value@n1"},
		"the value that was chosen, and whoever promises knows it": {
			known + `n3 1 23 sent-accept 2.n3 first=1 slot=1 values=a`, ""},
		"another than was chosen, and whoever promises knows it": {
			known + `n3 1 23 sent-accept 2.n3 first=1 slot=1 values=b`, "safe-value@n3"},
		"another value, and a promise may be lost": {second + `
			n1 lost
			n1 1 40 deposed 1.n1
			n3 1 22 sent-accept 2.n3 first=1 slot=1 values=b`, ""},
		"another value of an own ballot that a crash hid": {accepted + `
			n3 1 20 campaign 2.n3
			n3 1 20 sent-prepare 2.n3 first=1
			n3 2 30 recovered 2.n3
			n3 2 30 traced
			n3 2 31 campaign 3.n3
			n3 2 31 sent-prepare 3.n3 first=1
			n2 1 32 sent-promise 3.n3 first=1 slot=last entries=1:1.n1:a
			n3 2 33 elected 3.n3
			n3 2 33 sent-accept 3.n3 first=1 slot=1 values=b`, ""},
		"chosen by one": {three + `
			n1 1 15 sent-accept 1.n1 first=1 slot=1 values=a
			n1 1 16 chosen 1.n1 slot=1`, "chosen-justified@n1"},
		"chosen before the votes": {accepted + `n1 1 13 applied 1.n1 slot=1 value=a`, "chosen-justified@n1"},
		"chosen before the votes, as the second says who is asked": {accepted + `
			n1 1 17 applied 1.n1 slot=1 value=a
			n3 1 12 chosen 1.n1 slot=1`, "chosen-justified@n3"},
		"chosen in a lower ballot": {second + `
			n3 1 22 sent-accept 2.n3 first=1 slot=1 values=a
			n3 1 24 chosen 2.n3 slot=1`, ""},
		"another value than the chosen one": {accepted + `n3 1 30 applied 1.n1 slot=1 value=b`,
			"chosen-justified@n3 one-value@n3"},
		"two values chosen": {second + `
			n3 1 17 sent-accepted 1.n1 first=1 slot=1
			n3 1 22 sent-accept 2.n3 first=1 slot=1 values=b
			n1 1 23 sent-accepted 2.n3 first=1 slot=1
			n2 1 23 sent-accepted 2.n3 first=1 slot=1`, "agreement@n3 safe-value@n3"},
		"two values chosen, and nobody says who proposed the second": {accepted + `
			n3 1 17 sent-accepted 1.n1 first=1 slot=1
			n1 1 23 sent-accepted 2.n3 first=1 slot=1
			n2 1 23 sent-accepted 2.n3 first=1 slot=1
			n1 1 24 applied 2.n3 slot=1 value=b`, "agreement@n1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := Check(accounts(t, c.text+stopped))
			if got := broken(r); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			for _, v := range r.Violations {
				if slices.Contains(aboutSlots, v.Rule) && v.Slot == 0 {
					t.Errorf("%s names no slot: %+v", v.Rule, v)
				}
			}
		})
	}
}

// aboutSlots are the rules of which a violation is always about a slot.
var aboutSlots = []string{AcceptedMonotone, PromiseComplete, OneValue, SafeValue, ChosenJustified, Agreement}

// What was looked at is counted.
func TestCounts(t *testing.T) {
	r := Check(accounts(t, three+`
		n2 1 20 lease-granted 1.n1 until=120
		n2 1 20 sent-lease-grant 1.n1 seq=1
		n2 2 30 recovered 1.n1
	`))
	if r.Lines != 11 || r.Incarnations != 4 || r.Elections != 1 || r.Messages != 3 || r.Grants != 1 || r.Unplaced {
		t.Errorf("%+v", r)
	}
}

// stopped is the orderly end of three nodes.
const stopped = `
	n1 stops
	n2 stops
	n3 stops
`

// A proposer that was killed may have accepted a value whose proposal has no line, because whoever made it was killed,
// too.
func TestHiddenProposals(t *testing.T) {
	// hidden is slot 1 with value a, which n1 alone has accepted. Then n3 leads, and it and n2 are killed. That they
	// accepted value b has no line. When n2 has started again it leads, too, and proposes b.
	const hidden = three + `
		n1 1 15 sent-accept 1.n1 first=1 slot=1 values=a
		n3 1 20 campaign 2.n3
		n3 1 20 sent-prepare 2.n3 first=1
		n2 1 21 sent-promise 2.n3 first=1 slot=last
		n3 1 22 elected 2.n3
		n2 2 30 recovered 2.n3
		n2 2 30 traced
		n2 2 31 campaign 3.n2
		n2 2 31 sent-prepare 3.n2 first=1
		n1 1 32 sent-promise 3.n2 first=1 slot=last entries=1:1.n1:a
		n2 2 33 elected 3.n2
		n2 2 34 sent-accept 3.n2 first=1 slot=1 values=b
	`
	for name, c := range map[string]struct{ text, want string }{
		"both were killed":            {hidden, ""},
		"one had ended in order":      {hidden + "n3 stops", "safe-value@n2"},
		"the proposer was not killed": {strings.ReplaceAll(hidden, "n2 2", "n2 1"), "safe-value@n2"},
		"another value is known":      {strings.Replace(hidden, "entries=1:1.n1:a", "entries=1:2.n3:c", 1), "safe-value@n2"},
		"the ballot was on no disk": {strings.Replace(hidden, "recovered 2.n3", "recovered 1.n1", 1),
			"recovery@n2 safe-value@n2"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := broken(Check(accounts(t, c.text+"\n n1 stops \n n2 stops"))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The votes of the last moments before a kill can lack their lines, but not those in slots that the node knew to be
// chosen by then, nor those that it can only have cast before or after.
func TestVotesBeforeAKill(t *testing.T) {
	const chosen = three + `
		n1 1 15 sent-accept 1.n1 first=1 slot=1 values=a
		n1 1 16 chosen 1.n1 slot=1
	`
	// again is n2 when it was killed and started again.
	const again = three + `
		n2 2 20 recovered 1.n1
		n2 2 20 traced
	`
	// second is n3 as the leader of ballot 2.n3, in which nobody says that he accepts anything.
	const second = `
		n3 1 30 campaign 2.n3
		n3 1 30 sent-prepare 2.n3 first=1
		n2 2 31 sent-promise 2.n3 first=1 slot=last
		n3 1 32 elected 2.n3
		n3 1 33 sent-accept 2.n3 first=1 slot=1 values=a
		n3 1 34 chosen 2.n3 slot=1
	`
	for name, c := range map[string]struct {
		text     string
		unplaced bool
		want     string
	}{
		"right before the kill": {text: chosen},
		"in a slot that the node knows to be chosen": {text: chosen + "n2 1 17 applied 1.n1 slot=1 value=a",
			want: "chosen-justified@n1"},
		"in a slot of the snapshot that the node started from": {text: chosen + "n2 1 14 snapshot-restored 1.n1 slot=1",
			want: "chosen-justified@n1"},
		"when the node had long been seen without its vote": {text: chosen + "n2 1 500 lease-refused 1.n1",
			want: "chosen-justified@n1"},
		"before the node started again": {text: again + `
			n1 1 15 sent-accept 1.n1 first=1 slot=1 values=a
			n1 1 25 chosen 1.n1 slot=1
			n2 stops`},
		"in what was proposed when the node had started again": {text: again + `
			n1 1 24 sent-accept 1.n1 first=1 slot=1 values=a
			n1 1 25 chosen 1.n1 slot=1
			n2 stops`, want: "chosen-justified@n1"},
		"in a ballot that the disk had not promised": {text: again + second + "n2 stops", unplaced: true,
			want: "chosen-justified@n3"},
		"in a ballot that the disk had promised": {text: strings.Replace(again, "recovered 1.n1", "recovered 2.n3", 1) +
			second + "n2 stops", unplaced: true},
	} {
		t.Run(name, func(t *testing.T) {
			in := accounts(t, c.text+"\n n1 stops \n n3 stops")
			for i := range in.Nodes {
				if n := &in.Nodes[i]; c.unplaced {
					n.When, n.Until, n.Slack = nil, nil, nil
				}
			}
			if got := broken(Check(in)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A value may have been chosen in an earlier ballot of which nobody says anything, by those that were killed, unless
// they promised a later one and reported nothing.
func TestChosenBeforeKills(t *testing.T) {
	const lives = `
		n1 1 10 traced
		n2 1 10 traced
		n1 2 20 recovered 1.n1
		n2 2 20 recovered 1.n1
		n1 2 21 traced
		n2 2 21 traced
		n3 1 21 traced
		n3 1 50 applied 2.n3 slot=1 value=b
	`
	const report = "n2 2 30 sent-promise 2.n3 first=1 slot=last"
	for name, c := range map[string]struct{ text, want string }{
		"by two that were killed":         {lives, ""},
		"one of them reports nothing":     {lives + report, "chosen-justified@n3"},
		"one of them knows it":            {lives + report + " committed=1", ""},
		"one of them may report more":     {lives + strings.Replace(report, "last", "1", 1), ""},
		"one of them may have lost lines": {lives + report + "\n n2 lost", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := broken(Check(accounts(t, c.text+stopped))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLeaseBasis(t *testing.T) {
	const asked = three + `
		n1 1 20 lease-asked 1.n1 until=120
		n1 1 20 sent-lease-ask 1.n1 seq=1
		n2 1 21 lease-granted 1.n1 until=121
		n2 1 21 sent-lease-grant 1.n1 seq=1
		n1 1 40 lease-asked 1.n1 until=140
		n1 1 40 sent-lease-ask 1.n1 seq=2
	`
	for name, c := range map[string]struct{ text, want string }{
		"granted":            {asked + `n1 1 23 lease-held 1.n1 until=120`, ""},
		"longer than it was": {asked + `n1 1 43 lease-renewed 1.n1 until=140`, "lease-basis@n1"},
		"before it was":      {asked + `n1 1 18 lease-held 1.n1 until=120`, "lease-basis@n1"},
		"renewed": {asked + `
			n2 1 42 sent-lease-grant 1.n1 seq=2
			n1 1 43 lease-renewed 1.n1 until=140`, ""},
		"a grant that may be lost": {asked + `
			n3 lost
			n3 1 43 deposed
			n1 1 43 lease-renewed 1.n1 until=140`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := broken(Check(accounts(t, c.text))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStates(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"the same":          {"n1 1 10 applied 1.n1 slot=4 state=a\nn2 1 20 applied 1.n1 slot=4 state=a", ""},
		"another":           {"n1 1 10 applied 1.n1 slot=4 state=a\nn2 1 20 applied 1.n1 slot=4 state=b", "state-hash@n2"},
		"after other slots": {"n1 1 10 applied 1.n1 slot=4 state=a\nn2 1 20 applied 1.n1 slot=5 state=b", ""},
		"another in a second life": {"n1 1 10 applied 1.n1 slot=4 state=a\nn1 2 20 applied 1.n1 slot=4 state=b",
			"state-hash@n1"},
		"not said": {"n1 1 10 applied 1.n1 slot=4 state=a\nn2 1 20 applied 1.n1 slot=4", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := broken(Check(accounts(t, c.text))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
