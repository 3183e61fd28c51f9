package rules

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"elenchus/results/history"
)

// accounts reads the accounts of nodes, a line each: node, incarnation, time in ms, kind, and whatever of ballot,
// "until=" (ms), "slot=", "lost" and the like there is. All clocks show the common time.
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
		"a promise within a grant": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 1 99 ballot 2.n3
			n1 1 150 deposed 1.n1`, "grant-honoured@n1"},
		"a promise after a grant": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 1 100 ballot 2.n3
			n1 1 150 deposed 1.n1`, ""},
		"a value that was learned within a grant": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 1 99 ballot 2.n3
			n1 1 99 deposed 1.n1
			n1 1 99 chosen 2.n3
			n1 1 150 deposed 1.n1`, ""},
		"the end of the log, which may hide what was learned": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 1 99 ballot 2.n3`, ""},
		"a campaign within a grant": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 1 99 campaign 2.n1`, "grant-honoured@n1"},
		"a grant that was released": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 1 50 lease-freed 1.n2
			n1 1 99 campaign 2.n1`, ""},
		"a release that may be lost": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 lost
			n1 1 99 campaign 2.n1`, ""},
		"a longer grant stays granted": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 1 20 lease-granted 1.n2 until=90
			n1 1 95 campaign 2.n1`, "lease-margin@n1 grant-honoured@n1"},
		"a grant of another life may be shorter": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 2 20 lease-granted 1.n2 until=90`, ""},
		"a grant on a wall clock": {`
			n1 1 9 lease-granted 1.n2 until=100 lease=wall
			n1 1 95 campaign 2.n1 lease=wall`, "grant-honoured@n1"},
		"a grant forgotten in a restart": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 2 20 recovered 1.n2
			n1 2 97 campaign 2.n1`, "grant-honoured@n1"},
		"within the error of the axis": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 2 20 recovered 1.n2
			n1 2 98.5 campaign 2.n1`, ""},
		"a grant that a higher promise ended before the restart": {`
			n1 1 9 lease-granted 1.n2 until=100
			n1 2 20 recovered 2.n3
			n1 2 40 campaign 3.n1`, ""},
		"a silence that is broken": {`
			n1 2 20 recovered 1.n2
			n1 2 20 lease-silence 1.n2 until=120
			n1 2 119 campaign 2.n1`, "grant-honoured@n1"},
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
		n1 2 20 recovered
		n1 2 30 campaign 1.n1`)
	if got := broken(Check(in)); got != "recovery@n1" {
		t.Errorf("%q", got)
	}
	in.Wiped["n1"] = []time.Duration{15 * time.Millisecond}
	if got := broken(Check(in)); got != "" {
		t.Errorf("after a wipe: %q", got)
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
		"a vote that is known to be chosen": {accepted + `
			n2 1 31 sent-promise 2.n3 first=1 slot=last committed=1`, ""},
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
	} {
		t.Run(name, func(t *testing.T) {
			if got := broken(Check(accounts(t, c.text+stopped))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// stopped is the orderly end of three nodes.
const stopped = `
	n1 1 900 stopped
	n2 1 900 stopped
	n3 1 900 stopped
`

// The votes of the last moments before a kill can lack their lines, but not those in slots that the node knew to be
// chosen by then.
func TestVotesBeforeAKill(t *testing.T) {
	const text = three + `
		n1 1 15 sent-accept 1.n1 first=1 slot=1 values=a
		n1 1 16 chosen 1.n1 slot=1
		n1 1 900 stopped
		n3 1 900 stopped
	`
	if got := broken(Check(accounts(t, text))); got != "" {
		t.Errorf("n2 may have accepted it right before it was killed: %q", got)
	}
	if got := broken(Check(accounts(t, text+"n2 1 17 applied 1.n1 slot=1 value=a"))); got != "chosen-justified@n1" {
		t.Errorf("n2 knows the slot to be chosen, and has not accepted it: %q", got)
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
