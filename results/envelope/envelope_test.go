package envelope

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

const percent = Unit / 100

func ratePlan() Plan {
	return Plan{Mode: Rate, Term: time.Second, Probes: 2,
		Bounds: []int64{0, 10 * percent, 20 * percent}, Drifts: []int64{0, 10 * percent, 20 * percent, 70 * percent}}
}

func TestPlansListAllProblems(t *testing.T) {
	for _, p := range []Plan{ratePlan(),
		{Mode: Wall, Term: time.Second, Probes: 1, Bounds: []int64{5e7}, Drifts: []int64{0, 1e8, 2e9}}} {
		if err := p.Validate(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	cases := map[string]Plan{
		"unknown mode":                      {Mode: "sundial"},
		"term of the leases":                {Mode: Rate},
		"1 to 1000 probes":                  {Mode: Rate, Term: 1, Probes: 1001},
		"1 to 24 bounds":                    {Mode: Rate, Term: 1, Probes: 1},
		"the drifts must rise":              {Mode: Rate, Term: 1, Probes: 1, Bounds: []int64{0}, Drifts: []int64{2, 1}},
		"no two be the same":                {Mode: Rate, Term: 1, Probes: 1, Bounds: []int64{3, 3}, Drifts: []int64{1}},
		"-10% is not among possible bounds": {Mode: Rate, Term: 1, Probes: 1, Bounds: []int64{-10 * percent}},
		"200% is not among":                 {Mode: Rate, Term: 1, Probes: 1, Bounds: []int64{2 * Unit}},
		"×9 is not among possible drifts":   {Mode: Rate, Term: 1, Probes: 1, Drifts: []int64{8 * Unit}},
		"2s is not among possible bounds":   {Mode: Wall, Term: time.Second, Probes: 1, Bounds: []int64{2e9}},
		"no two clocks are the same":        {Mode: Wall, Term: time.Second, Probes: 1, Bounds: []int64{0, 1}},
	}
	for want, p := range cases {
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
}

func TestTheArithmetic(t *testing.T) {
	rate := Plan{Mode: Rate, Term: time.Second}
	long := Plan{Mode: Rate, Term: time.Hour}
	wall := Plan{Mode: Wall, Term: time.Second}
	for _, c := range []struct {
		plan         Plan
		bound, drift int64
		inside       bool
		window       time.Duration
	}{
		{rate, 10 * percent, 10 * percent, true, 0},
		{rate, 10 * percent, 0, true, -100 * time.Millisecond},
		{rate, 0, 25 * percent, false, 250 * time.Millisecond},
		{rate, 0, 1, false, 1},
		{long, 0, 4 * Unit, false, 4 * time.Hour},
		{long, percent, 3 * percent, false, 72 * time.Second},
		{wall, 100e6, 100e6, true, 0},
		{wall, 100e6, 160e6, false, 60 * time.Millisecond},
	} {
		if in, w := c.plan.Inside(c.bound, c.drift), c.plan.Window(c.bound, c.drift); in != c.inside || w != c.window {
			t.Errorf("%+v, bound %d, drift %d: inside %v, window %v; want %v, %v", c.plan, c.bound, c.drift, in, w, c.inside,
				c.window)
		}
		if got := c.plan.Window(c.bound, c.drift) <= 0; got != c.inside {
			t.Errorf("%+v: inside and window contradict each other", c)
		}
	}
}

func TestLabels(t *testing.T) {
	p := ratePlan()
	if a, b := p.BoundLabel(10*percent), p.DriftLabel(15*percent); a != "10%" || b != "×1.15" {
		t.Errorf("%s, %s", a, b)
	}
	p.Mode = Wall
	if a, b := p.BoundLabel(100e6), p.DriftLabel(2e9); a != "100ms" || b != "2s" {
		t.Errorf("%s, %s", a, b)
	}
}

// attack is a script of operations on one register: a leader n1 on host a, which is cut off at 1 s and healed at 4 s.
type attack struct{ ops []history.Operation }

func (a *attack) op(node string, f history.Func, call, ret int, outcome history.Type, by string) *attack {
	a.ops = append(a.ops, history.Operation{Node: node, Op: history.Op{Func: f}, Phase: history.PhaseMain, Outcome: outcome,
		By:   history.Witness{Leader: by},
		Call: time.Duration(call) * time.Millisecond, Return: time.Duration(ret) * time.Millisecond})
	return a
}

func (a *attack) read(call int, outcome history.Type, by string) *attack {
	return a.op("a", history.Read, call, call+1, outcome, by)
}

func (a *attack) write(call int, outcome history.Type, by string) *attack {
	return a.op("b", history.Write, call, call+1, outcome, by)
}

func TestOutcomesOfProbes(t *testing.T) {
	const ok, fail, unknown = history.OK, history.Fail, history.Unknown
	script := func() *attack { return new(attack).write(900, ok, "n1").read(950, ok, "n1") }
	cases := []struct {
		name    string
		ops     *attack
		decided verdict.Status
		void    string
		want    Outcome
		why     string
		margin  time.Duration
	}{
		{"held", script().read(1500, ok, "n1").write(1600, ok, "n2").read(1700, unknown, ""), verdict.Valid, "", Held, "",
			100 * time.Millisecond},
		{"held, refused at the end", script().read(1500, ok, "n1").write(1600, ok, "n2").read(1700, fail, ""), verdict.Valid, "",
			Held, "", 100 * time.Millisecond},
		{"both at once, and nothing stale was read", script().write(1600, ok, "n2").read(1700, ok, "n1"), verdict.Valid, "", Held,
			"", -100 * time.Millisecond},
		{"stale", script().write(1600, ok, "n2").read(1900, ok, "n1"), verdict.Violated, "", Stale, "", -300 * time.Millisecond},
		{"stale all the same", script().read(1900, ok, "n1"), verdict.Violated, "the clock went back", Stale, "", 0},
		{"did not come off", script().read(1500, ok, "n1").write(1600, ok, "n2").read(1700, fail, ""), verdict.Valid,
			"the cut failed", Void, "the cut failed", 100 * time.Millisecond},
		{"not decided", script().read(1500, ok, "n1").write(1600, ok, "n2").read(1700, fail, ""), verdict.Unknown, "", Void,
			"not decided", 100 * time.Millisecond},
		{"nothing was read after the cut", script().write(1600, ok, "n2").read(1700, fail, ""), verdict.Valid, "", Void,
			"did not answer after", 0},
		{"another answered", script().read(1500, ok, "n2").write(1600, ok, "n2").read(1700, fail, ""), verdict.Valid, "", Void,
			"did not answer after", 0},
		{"held, and a read without an answer was under way", script().read(1500, ok, "n1").write(1600, ok, "n2").
			op("a", history.Read, 1550, 1650, unknown, ""), verdict.Valid, "", Held, "", 100 * time.Millisecond},
		{"nobody took over", script().read(1500, ok, "n1").write(1600, unknown, "").read(1700, fail, ""), verdict.Valid, "", Void,
			"no write was acknowledged", 0},
		{"nobody asked any more", script().read(1500, ok, "n1").write(1600, ok, "n2"), verdict.Valid, "", Void, "no read was under way",
			100 * time.Millisecond},
		{"it led again after the heal", script().read(1500, ok, "n1").write(1600, ok, "n2").read(1700, fail, "").
			read(4100, ok, "n1"), verdict.Valid, "", Held, "", 100 * time.Millisecond},
	}
	p := Probe{Leader: "a", Self: "n1", Cut: time.Second, Healed: 4 * time.Second}
	for _, c := range cases {
		p.Void = c.void
		classifier := NewClassifier(p)
		for i := range c.ops.ops {
			classifier.Observe(&c.ops.ops[i])
		}
		got := classifier.Trial(c.decided)
		if got.Outcome != c.want || !strings.Contains(got.Why, c.why) || (c.why == "") != (got.Why == "") ||
			got.Margin.Round(10*time.Millisecond) != c.margin {
			t.Errorf("%s: %s %q, margin %v", c.name, got.Outcome, got.Why, got.Margin)
		}
	}
}

// trials are some in every cell of the plan: so many stale and held ones as of says.
func trials(p Plan, of func(bound, drift int64) (stale, held, void int)) []Trial {
	var out []Trial
	for _, b := range p.Bounds {
		for _, d := range p.Drifts {
			add := func(n int, o Outcome) {
				for range n {
					t := Trial{Probe: Probe{Number: len(out) + 1, Bound: b, Drift: d}, Outcome: o}
					t.LastOld, t.FirstNew = time.Second, 1050*time.Millisecond-p.Window(b, d)
					t.Margin = t.FirstNew - t.LastOld
					out = append(out, t)
				}
			}
			stale, held, void := of(b, d)
			add(stale, Stale)
			add(held, Held)
			add(void, Void)
		}
	}
	return out
}

func TestObservationAndArithmetic(t *testing.T) {
	asPredicted := func(b, d int64) (int, int, int) {
		switch {
		case d <= b:
			return 0, 2, 0
		case d-b < 20*percent: // the window is too short
			return 0, 2, 1
		}
		return 1, 1, 0
	}
	cases := []struct {
		name  string
		of    func(b, d int64) (int, int, int)
		agree bool
		want  []string
	}{
		{"as predicted", asPredicted, true, []string{"Observation and arithmetic agree.", "Inside, in 6 cells, 12 probes: no stale",
			"Outside, 4 cells broke, in 4 of 8 probes.", "nothing was observed, in 4 probes: ×1.1 at a bound of 0% (window 100ms); " +
				"×1.2 at a bound of 10% (window 100ms)", "does not make them safe", "2 attacks did not come off"}},
		{"a bug", func(b, d int64) (int, int, int) {
			if b == 20*percent && d == 0 {
				return 1, 1, 0
			}
			return asPredicted(b, d)
		}, false, []string{"contradicts the arithmetic: leases broke in 1 cell inside", "1 stale answer."}},
		{"far outside and not seen", func(b, d int64) (int, int, int) {
			if d == 70*percent && b == 0 {
				return 0, 2, 0
			}
			return asPredicted(b, d)
		}, false, []string{"does not confirm the arithmetic: in 1 cell far outside"}},
		{"nothing", func(_, _ int64) (int, int, int) { return 0, 0, 1 }, false,
			[]string{"Too little was probed", "12 cells not probed"}},
		{"interrupted", func(b, d int64) (int, int, int) {
			if b == 20*percent {
				return 0, 0, 0
			}
			return asPredicted(b, d)
		}, false, []string{"Only part was attacked, in ", "there, observation and arithmetic agree", "cells not probed"}},
		{"only inside", func(b, d int64) (int, int, int) {
			if d > b {
				return 0, 0, 0
			}
			return 0, 1, 0
		}, false, []string{"Too little was probed"}},
	}
	for _, c := range cases {
		s := Judge("run", "local", "", ratePlan(), trials(ratePlan(), c.of))
		text := strings.Join(s.Agreement.Text, " ")
		if s.Agreement.Agree != c.agree {
			t.Errorf("%s: agree is %v: %s", c.name, s.Agreement.Agree, text)
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in %s", c.name, want, text)
			}
		}
		cells := 0
		for _, n := range s.Agreement.Cells {
			cells += n
		}
		if cells != 12 || len(s.Cells) != 12 {
			t.Errorf("%s: %d cells, %v", c.name, len(s.Cells), s.Agreement.Cells)
		}
	}
}

func TestTheClosestCallIsOfAllProbes(t *testing.T) {
	p := ratePlan()
	list := trials(p, func(_, _ int64) (int, int, int) { return 0, 2, 1 })
	list[1].Margin, list[2].Margin = 7*time.Millisecond, time.Millisecond // of the first cell; the third is void
	if c := Judge("", "", "", p, list).At(0, 0); c.Closest == nil || *c.Closest != 7*time.Millisecond {
		t.Errorf("%+v", c)
	}
}

func TestTheTable(t *testing.T) {
	s := Judge("run", "local", "", ratePlan(), trials(ratePlan(), func(b, d int64) (int, int, int) {
		switch {
		case d <= b:
			return 0, 2, 0
		case d == 70*percent:
			return 2, 0, 0
		}
		return 0, 1, 0
	}))
	var b strings.Builder
	if err := s.Table(&b); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"×1.7    2/2 ✗    2/2 ✗    2/2 ✗", "×1.1    0/1 ?  [0/2 ·]  [0/2 ·]", "0%      10%      20%"} {
		if !strings.Contains(b.String(), row) {
			t.Errorf("no %q in\n%s", row, &b)
		}
	}
}

// The picture is one XML document with a cell, and the line, for everything there is, whatever the names are.
func TestThePicture(t *testing.T) {
	for _, p := range []Plan{ratePlan(),
		{Mode: Wall, Term: time.Second, Probes: 1, Bounds: []int64{5e7, 1e8}, Drifts: []int64{0, 1e8, 2e9}}} {
		s := Judge("run", "<script>&", "a \"shim\"", p, trials(p, func(b, d int64) (int, int, int) {
			return int(min(1, max(0, d-b))), 1, 0
		}))
		svg := s.SVG()
		dec := xml.NewDecoder(strings.NewReader(string(svg)))
		texts, tags := []string{}, map[string]int{}
		for {
			token, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			switch token := token.(type) {
			case xml.StartElement:
				tags[token.Name.Local]++
			case xml.CharData:
				texts = append(texts, string(token))
			}
		}
		if want := 1 + len(p.Bounds)*len(p.Drifts); tags["title"] != want || tags["script"] > 0 || tags["path"] != 2 {
			t.Errorf("%v, want %d titles", tags, want)
		}
		for _, label := range []string{p.BoundLabel(p.Bounds[1]), p.DriftLabel(p.Drifts[2]), "1/2", s.Agreement.Text[0]} {
			if !slices.Contains(texts, label) {
				t.Errorf("no %q in %q", label, texts)
			}
		}
	}
}

func TestProbesAreReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), ProbesFile)
	want := []Probe{{Number: 1, Key: "p1", Leader: "a", Self: "n1", Cut: 5}, {Number: 2, Void: "no leader"}}
	var text []byte
	for _, p := range want {
		line, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, line...), '\n')
	}
	read := func(content []byte) ([]Probe, error) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadProbes(path)
	}
	for _, torn := range []string{"", `{"n":3,"bou`} {
		if got, err := read(append(slices.Clone(text), torn...)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q at the end: %v, %v", torn, got, err)
		}
	}
	for _, bad := range []string{"{}x\n", `{"m":1}` + "\n"} {
		if _, err := read(append([]byte(bad), text...)); err == nil || !strings.Contains(err.Error(), ProbesFile+":1") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
