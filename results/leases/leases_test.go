package leases

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"elenchus/results/clocks"
	"elenchus/results/history"
)

// script writes a node's observations; times are in tenths of a second since the run began.
type script struct {
	start time.Time
	obs   []history.Observation
	boot  int
}

const tenth = 100 * time.Millisecond

func (s *script) see(at int, kind, ballot string, until int) *script {
	o := history.Observation{Mono: time.Duration(at) * tenth, Wall: s.start.Add(time.Duration(at) * tenth),
		Boot: fmt.Sprint(s.boot), Kind: kind, Ballot: ballot, Lease: "rate"}
	if until > 0 {
		o.Until = history.Moment{Mono: time.Duration(until) * tenth}
	}
	s.obs = append(s.obs, o)
	return s
}

func (s *script) restart() *script { s.boot++; return s }

func (s *script) story(dead ...time.Duration) Story {
	return New("n1", s.obs, clocks.NewAxis(s.start, clocks.Track{}, s.obs), dead, time.Minute)
}

func show(spans []Span) string {
	var out []string
	for _, p := range spans {
		out = append(out, fmt.Sprintf("%s %d-%d", p.Ballot, p.From/tenth, p.To/tenth))
	}
	return strings.Join(out, ", ")
}

func TestLeasesThatAreHeld(t *testing.T) {
	const held, renewed, lost, forsaken = history.ObservedLeaseHeld, history.ObservedLeaseRenewed,
		history.ObservedLeaseLost, history.ObservedLeaseForsaken
	for name, tt := range map[string]struct {
		play func(s *script)
		dead []time.Duration
		want string
	}{
		"renewed until it is forsaken": {func(s *script) {
			s.see(10, held, "1.n1", 20).see(13, renewed, "1.n1", 23).see(16, forsaken, "1.n1", 23)
		}, nil, "1.n1 10-16"},
		"runs out, whatever is noticed later": {func(s *script) {
			s.see(10, held, "1.n1", 20).see(45, lost, "1.n1", 20).see(50, held, "1.n1", 60)
		}, nil, "1.n1 10-20, 1.n1 50-60"},
		"forsaken after it ran out": {func(s *script) {
			s.see(10, held, "1.n1", 20).see(30, forsaken, "1.n1", 20)
		}, nil, "1.n1 10-20"},
		"another ballot": {func(s *script) {
			s.see(10, held, "1.n1", 20).see(12, forsaken, "1.n1", 20).see(15, held, "4.n1", 25)
		}, nil, "1.n1 10-12, 4.n1 15-25"},
		"killed while it held": {func(s *script) {
			s.see(10, held, "1.n1", 20).restart().see(40, history.ObservedRecovered, "", 0)
		}, []time.Duration{14 * tenth}, "1.n1 10-14"},
		"killed, and nobody knows when": {func(s *script) {
			s.see(10, held, "1.n1", 20).see(12, history.ObservedApplied, "", 0).restart().
				see(15, history.ObservedRecovered, "", 0)
		}, nil, "1.n1 10-12"},
		"killed for good": {func(s *script) {
			s.see(10, held, "1.n1", 20)
		}, []time.Duration{13 * tenth}, "1.n1 10-13"},
		"an earlier kill was another's end": {func(s *script) {
			s.see(10, held, "1.n1", 20)
		}, []time.Duration{5 * tenth}, "1.n1 10-20"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{start: time.Unix(1000, 0)}
			tt.play(s)
			if got := show(s.story(tt.dead...).Holds); got != tt.want {
				t.Errorf("held %s, want %s", got, tt.want)
			}
		})
	}
}

func TestLeasesThatAreHonoured(t *testing.T) {
	s := &script{start: time.Unix(1000, 0)}
	s.see(10, history.ObservedLeaseGranted, "1.n2", 20).see(13, history.ObservedLeaseGranted, "1.n2", 23)
	s.see(15, history.ObservedLeaseFreed, "1.n2", 23)
	s.see(30, history.ObservedLeaseGranted, "2.n3", 40)
	s.restart().see(35, history.ObservedLeaseSilence, "2.n3", 45).see(50, history.ObservedLeaseGranted, "2.n3", 60)
	s.see(55, history.ObservedLeaseGranted, "3.n2", 65)
	got := s.story(32 * tenth)
	if want := "1.n2 10-15, 2.n3 30-32, 2.n3 50-55, 3.n2 55-65"; show(got.Honours) != want {
		t.Errorf("honours %s, want %s", show(got.Honours), want)
	}
	if want := "2.n3 35-45"; show(got.Silent) != want {
		t.Errorf("silent %s, want %s", show(got.Silent), want)
	}
	if !Leased([]Story{{}, got}) || Leased([]Story{{}}) {
		t.Error("leases are not told from none")
	}
}

func TestClashes(t *testing.T) {
	hold := func(node string, from, to int) Story {
		return Story{Node: node, Holds: []Span{{From: time.Duration(from) * tenth, To: time.Duration(to) * tenth}}}
	}
	for name, tt := range map[string]struct {
		stories []Story
		err     time.Duration
		want    int
	}{
		"one after the other": {[]Story{hold("n1", 0, 10), hold("n2", 10, 20)}, 0, 0},
		"at once":             {[]Story{hold("n1", 0, 10), hold("n2", 9, 20)}, 0, 1},
		"within the error":    {[]Story{hold("n1", 0, 10), hold("n2", 9, 20)}, tenth, 0},
		"all three":           {[]Story{hold("n1", 0, 10), hold("n2", 5, 20), hold("n3", 8, 9)}, 0, 3},
	} {
		if got := Clashes(tt.stories, tt.err); len(got) != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	c := Clashes([]Story{hold("n1", 0, 10), hold("n2", 5, 20)}, 0)[0]
	if c.From != 5*tenth || c.To != 10*tenth {
		t.Errorf("%+v", c)
	}
}

func TestLeaderships(t *testing.T) {
	start := time.Unix(1000, 0)
	var obs []history.Observation
	see := func(at int, boot, kind, ballot string) {
		obs = append(obs, history.Observation{Wall: start.Add(time.Duration(at) * time.Second), Boot: boot,
			Kind: kind, Ballot: ballot})
	}
	see(-9, "1", history.ObservedElected, "1")
	see(-8, "1", history.ObservedDeposed, "1")
	see(-1, "1", history.ObservedElected, "2")
	see(5, "1", history.ObservedDeposed, "2")
	see(7, "1", history.ObservedElected, "3")
	see(8, "1", history.ObservedElected, "4")
	see(12, "1", history.ObservedApplied, "")
	see(20, "2", history.ObservedRecovered, "")
	see(25, "2", history.ObservedElected, "5")
	got := ""
	for _, l := range leaderships(incarnations(obs, clocks.NewAxis(start, clocks.Track{}, obs), nil), 30*time.Second) {
		got += fmt.Sprintf("%s %v…%v, ", l.Ballot, l.From, l.To)
	}
	if want := "2 -1s…5s, 3 7s…8s, 4 8s…12s, 5 25s…30s, "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Whose end is on record held nothing any longer, and led nobody.
func TestEndOfAProcess(t *testing.T) {
	s := &script{start: time.Unix(1000, 0)}
	s.see(1, history.ObservedElected, "1.n1", 0).see(2, history.ObservedLeaseHeld, "1.n1", 9).see(5, history.ObservedEnded, "", 0)
	story := s.story()
	if got := show(story.Holds); got != "1.n1 2-5" {
		t.Errorf("held %s", got)
	}
	if got := show(story.Leads); got != "1.n1 1-5" {
		t.Errorf("led %s", got)
	}
}
