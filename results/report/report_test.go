package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"elenchus/results"
	"elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/report"
	"elenchus/results/verdict"
)

var keep = flag.String("keep", "", "write the sample runs below this directory instead of a temporary one")

// pageBytesMax is what a page may weigh, however many operations a run had.
const pageBytesMax = 400 << 10

var hrefs = regexp.MustCompile(`href="([^"]*)"`)

func TestSamples(t *testing.T) {
	root := *keep
	if root == "" {
		root = t.TempDir()
	}
	for name, want := range map[string]int{"valid": verdict.ExitValid, "violated": verdict.ExitViolated} {
		t.Run(name, func(t *testing.T) {
			s := sample{violated: name == "violated", length: 30 * time.Second, workers: 20,
				think: 40 * time.Millisecond}
			run := s.make(t, filepath.Join(root, name))
			v, err := run.LoadVerdict()
			if err != nil || v.ExitCode() != want {
				t.Errorf("%s, %+v, %v", v.Word(), v, err)
			}
			data, err := os.ReadFile(run.Report())
			if err != nil {
				t.Fatal(err)
			}
			page := string(data)
			harmless(t, page)
			drawings := wellDrawn(t, page)
			for _, part := range []string{v.Word(), run.Name(), "elenchus check " + run.Name(), "--seed 42",
				"isolate n3", "3.n3", "holds the lease of 1.n1", "n2 honours the lease of 1.n1", "answered</span>"} {
				if !strings.Contains(page, part) {
					t.Errorf("the page does not have %q", part)
				}
			}
			// Only where the leader's clocks were slow did two hold a lease, and only there are clocks drawn.
			for part, when := range map[string]bool{
				"n2 (ballot 5.n2) and n3 (ballot 3.n3) both believed to hold the lease": s.violated,
				`class="two"`: s.violated, `class="c-mono"`: s.violated, "Clocks moved: ": s.violated,
				"No clock moved: ": !s.violated, "1,495 samples": true, `class="closeup"`: s.violated,
			} {
				if strings.Contains(page, part) != when {
					t.Errorf("the page has %q: %v", part, !when)
				}
			}
			if want := 1 + 2*btoi(s.violated); drawings < want { // timeline; clocks, and close-ups of findings
				t.Errorf("%d drawings, want at least %d", drawings, want)
			}
			links := hrefs.FindAllStringSubmatch(page, -1)
			for _, m := range links {
				rel, err := url.PathUnescape(m[1])
				if err != nil {
					t.Error(err)
				}
				if _, err := os.Stat(run.Path(rel)); err != nil {
					t.Errorf("broken link: %v", err)
				}
			}
			if len(links) < 20 {
				t.Errorf("only %d links", len(links))
			}
			for _, f := range v.Safety.Findings {
				if !strings.Contains(page, f.Summary) {
					t.Errorf("the page does not have the finding %q", f.Summary)
				}
			}
		})
	}
}

// harmless verifies that a page stands by itself and has no markup but its own.
func harmless(t *testing.T, page string) {
	t.Helper()
	for _, bad := range []string{"<script", "http://", "https://", "ZgotmplZ", "<img", "javascript:", "<no value>",
		"%!"} {
		if i := strings.Index(page, bad); i >= 0 {
			t.Errorf("the page has %q: …%s…", bad, page[max(0, i-60):min(len(page), i+60)])
		}
	}
	if len(page) > pageBytesMax {
		t.Errorf("the page has %d bytes", len(page))
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

var svgs = regexp.MustCompile(`(?s)<svg .*?</svg>`)

// wellDrawn verifies that the drawings of a page are whole and that everything on them is inside, and counts them.
func wellDrawn(t *testing.T, page string) int {
	t.Helper()
	found := svgs.FindAllString(page, -1)
	for _, svg := range found {
		var width, height float64
		dec := xml.NewDecoder(strings.NewReader(svg))
		for {
			token, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("drawing is not well-formed: %v", err)
			}
			e, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			at := make(map[string]float64)
			for _, a := range e.Attr {
				v, err := strconv.ParseFloat(a.Value, 64)
				switch {
				case a.Name.Local == "viewBox":
					if _, err := fmt.Sscanf(a.Value, "0 0 %g %g", &width, &height); err != nil {
						t.Fatalf("view box %q: %v", a.Value, err)
					}
				case err == nil && !math.IsNaN(v) && !math.IsInf(v, 0):
					at[a.Name.Local] = v
				case a.Name.Local == "d" && strings.ContainsAny(a.Value, "NI"):
					t.Errorf("path leads nowhere: %s", a.Value)
				}
			}
			// Two pixels more are for bands at the end that are as narrow as can be seen.
			right := max(at["x"]+at["width"], at["x2"], at["cx"])
			low := max(at["y"]+at["height"], at["y2"], at["cy"])
			if right > width+2 || low > height || at["width"] < 0 || at["height"] < 0 || at["x"] < 0 || at["y"] < 0 {
				t.Errorf("%s %v is outside of %g × %g", e.Name.Local, at, width, height)
			}
		}
	}
	return len(found)
}

const evil = `"><script>alert(1)</script><img src=x onerror='alert(1)'></svg></style>{{.}}`

// poison puts evil into every string that v reaches.
func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() {
			v.SetString(evil)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			poison(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i))
		}
	}
}

func TestHostileText(t *testing.T) {
	m := sample{length: time.Minute}.manifest()
	in := report.Input{
		Name: "x", Manifest: m, Checked: true, Problems: []string{"x"},
		Verdict: verdict.Verdict{
			Safety: verdict.Safety{
				Checks: []verdict.Check{{}}, Reasons: []string{"x"},
				Findings: []verdict.Finding{{Details: []string{"x"}, At: time.Second, Operations: []int{0, 1, 7}}, {}, {}, {}, {}},
			},
			Liveness: verdict.Liveness{Reasons: []string{"x"}, Faults: []verdict.FaultLiveness{{LongestSilence: 5}}},
			Coverage: verdict.Coverage{
				Reasons: []string{"x"}, Operations: []verdict.OperationCount{{}, {}}, Faults: []verdict.FaultCount{{}},
			},
			Harness: verdict.Harness{Reasons: []string{"x"}},
		},
		Operations: []history.Operation{{Return: 2 * time.Second, ReturnSeq: 1}, {ID: 1, Return: 3 * time.Second, ReturnSeq: 2},
			{ID: 2, Return: 3 * time.Second, ReturnSeq: 3}},
		Faults: []history.FaultEvent{{Targets: []string{"x"}, Evidence: []string{"x"}, End: time.Second}},
		Nodes:  []report.Node{{Observations: make([]history.Observation, 3)}, {Observations: make([]history.Observation, 3)}},
		Clocks: []clocks.Track{{Points: make([]clocks.Point, 1), Gaps: []clocks.Gap{{To: time.Second}}}, {Missing: "x"},
			{Gaps: []clocks.Gap{{}}}},
		Files: []report.File{{}},
	}
	poison(reflect.ValueOf(&in).Elem())
	m.Config.Options = map[string]string{evil: evil}
	in.Faults[0].Step, in.Faults[0].Status = history.FaultApply, history.FaultInstalled
	for i := range in.Nodes {
		for j, kind := range []string{history.ObservedElected, history.ObservedLeaseHeld, history.ObservedLeaseGranted} {
			o := &in.Nodes[i].Observations[j]
			o.Kind, o.Lease, o.Wall, o.Until = kind, "rate", m.Started, history.Moment{Mono: time.Second}
		}
		in.Nodes[i].Name += strconv.Itoa(i)
	}
	in.Faults[0].Targets = []string{in.Nodes[0].Name, evil}
	in.Faults[0].Kind += "clock"
	in.Clocks[1].Missing = evil
	for i := range in.Operations {
		in.Operations[i].Outcome = history.OK
		in.Operations[i].Op.Func = history.Read
		in.Operations[i].Node = in.Nodes[0].Name
	}
	in.Files = append(in.Files, report.File{Path: "javascript:alert(1)"},
		report.File{Path: "nodes/" + evil + "/node.log"})
	var page bytes.Buffer
	if err := report.Render(&page, in); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	for _, part := range []string{`class="two"`, `class="closeup"`, `class="honours"`, `class="other"`,
		"Not measured", `class="gap"`} {
		if !strings.Contains(text, part) {
			t.Errorf("the page has no %s to be poisoned", part)
		}
	}
	if n := strings.Count(text, "&lt;script&gt;"); n < 90 {
		t.Errorf("the text shows in %d places only: the test does not reach the page", n)
	}
	text = strings.ReplaceAll(text, `javascript:alert(1)</a>`, "") // the file's name as text is fine
	text = strings.ReplaceAll(text, `./javascript:alert`, "")      // and so is a link to a file in this directory
	harmless(t, text)
}

// A page of very many operations, faults and files is as small as another.
func TestPageIsBounded(t *testing.T) {
	m := sample{length: 10 * time.Minute}.manifest()
	in := report.Input{Name: "big", Manifest: m}
	for i := range 100_000 {
		at := time.Duration(i) * 6 * time.Millisecond
		op := history.Operation{Phase: history.PhaseMain, Outcome: history.OK, Call: at,
			Return: at + 3*time.Millisecond, ReturnSeq: 1}
		if i%3 == 0 {
			op.Outcome = history.Unknown
		}
		in.Operations = append(in.Operations, op)
	}
	for i := range 10_000 {
		in.Files = append(in.Files, report.File{Path: fmt.Sprintf("nodes/n1/wal/%06d.wal", i)})
	}
	busy(&in)
	var page bytes.Buffer
	if err := report.Render(&page, in); err != nil {
		t.Fatal(err)
	}
	harmless(t, page.String())
	if wellDrawn(t, page.String()) != 2 {
		t.Error("timeline and clocks are not drawn")
	}
	if !strings.Contains(page.String(), "NOT CHECKED") || !strings.Contains(page.String(), "see the directory") {
		t.Error("a run without a verdict, or files that are not listed, are not said to be")
	}
}

// busy has nine nodes pass a lease round ten thousand times, all with clocks that go astray.
func busy(in *report.Input) {
	for n := range 9 {
		node := report.Node{Name: fmt.Sprintf("n%d", n+1)}
		track := clocks.Track{Node: node.Name}
		for i := range 6000 {
			at := time.Duration(i) * 100 * time.Millisecond
			mono := at + time.Duration(n*i)*time.Millisecond
			wall := in.Manifest.Started.Add(mono)
			track.Points = append(track.Points, clocks.Point{At: at, Error: time.Millisecond, Mono: int64(1 + mono),
				Wall: wall.UnixNano()})
			kind := history.ObservedLeaseGranted
			if i%9 == n {
				kind = history.ObservedLeaseHeld
			}
			node.Observations = append(node.Observations, history.Observation{Boot: "1", Kind: kind, Lease: "rate",
				Ballot: fmt.Sprint(i), Mono: mono, Wall: wall, Until: history.Moment{Mono: mono + 150*time.Millisecond}})
		}
		in.Nodes, in.Clocks = append(in.Nodes, node), append(in.Clocks, track)
	}
}

func TestLoadToleratesGaps(t *testing.T) {
	run, err := results.Create(t.TempDir(), "x", sampleStart)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Write(run.Dir, nil); err == nil {
		t.Error("a report without a manifest")
	}
	if err := run.SaveManifest(sample{}.manifest()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(run.Faults(), []byte("garbage\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	line, err := history.AppendLine(nil, history.ClockLine{Node: "n1", Sent: 1, Received: 2, Mono: 1, Wall: 1})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		string(line) + "garbage\n":       "clocks.jsonl:2: ",
		string(line) + string(line[:20]): "clocks.jsonl ends in the middle of a line",
	} {
		if err := os.WriteFile(run.Clocks(), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := report.Load(run)
		if err != nil || len(in.Clocks) != 1 || len(in.Clocks[0].Points) != 1 {
			t.Errorf("what is before the damage is lost: %+v, %v", in.Clocks, err)
		}
		if !strings.Contains(strings.Join(in.Problems, "\n"), want) {
			t.Errorf("the damage is not told: %q", in.Problems)
		}
	}
	if err := report.Write(run.Dir, nil); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(run.Report())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"This page has gaps", "history.jsonl", "faults.jsonl:1: ", "observations.jsonl"} {
		if !strings.Contains(string(page), part) {
			t.Errorf("the page does not say %q", part)
		}
	}
}

func TestSummary(t *testing.T) {
	v := verdict.Verdict{
		Run: "20261121T032217.512Z-register-seed42",
		Safety: verdict.Safety{
			Status: verdict.Violated,
			Checks: []verdict.Check{{Checker: "linearizability", Status: verdict.Violated},
				{Checker: "lists", Status: verdict.None},
				{Checker: "agreement", Status: verdict.Valid}},
			Findings: []verdict.Finding{{Summary: "The write of 5 was lost\x1b[2J."},
				{Name: "stale read", Summary: "b.", Causes: []verdict.Cause{{Name: "clocks drifted apart", Says: "n1's was slow."}}},
				{Name: "lease-basis", Title: "a lease without a majority", Summary: "c.",
					Causes: []verdict.Cause{{Name: "clocks drifted apart", Says: "n1's was slow."}}}, {Summary: "d."}, {Summary: "e."}},
		},
		Liveness: verdict.Liveness{
			Status: verdict.Valid, Recovery: 1234 * time.Millisecond,
			Faults: []verdict.FaultLiveness{{ID: "f1", ReadSilence: time.Second, UpdateSilence: time.Millisecond},
				{ID: "f2", UpdateSilence: 2100 * time.Millisecond}},
		},
		Coverage: verdict.Coverage{
			Status: verdict.Sufficient, UnderFault: 812, Leaders: 1,
			Operations: []verdict.OperationCount{{OK: 5120, Fail: 12, Unknown: 3}},
			Faults:     []verdict.FaultCount{{Kind: "kill", Installed: 3, InEffect: 7250 * time.Millisecond}},
		},
		Harness: verdict.Harness{Status: verdict.Failed,
			Reasons: []string{"first", "second", "third", "fourth", "fifth", "sixth"}},
	}
	const want = `VIOLATED  20261121T032217.512Z-register-seed42

  safety    violated     linearizability violated, agreement valid, 5 findings
  liveness  valid        recovered in 1.23 s; longest under a fault without a read 1 s (f1), without an update 2.1 s (f2)
  coverage  sufficient   5,120 ok, 12 fail, 3 unknown; 3 faults (kill 7.25 s), 812 ok under them; 1 leadership
  harness   failed       first
                         second
                         third
                         fourth
                         2 more reasons

  ✗ The write of 5 was lost�[2J.
  ✗ Stale read. b.
    → n1's was slow.
  ✗ A lease without a majority (lease-basis). c.
    → Clocks drifted apart, as above.
  and 2 more findings

  repeat    elenchus run --seed 42
  report    runs/x/index.html
`
	var got bytes.Buffer
	if err := report.Summary(&got, "runs/x", v, &results.Manifest{Repeat: "elenchus run --seed 42"},
		false); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
	got.Reset()
	if err := report.Summary(&got, "runs/x", v, nil, true); err != nil {
		t.Fatal(err)
	}
	plain := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(got.String(), "")
	if without := strings.Replace(want, "  repeat    elenchus run --seed 42\n", "",
		1); plain != without || plain == got.String() {
		t.Errorf("with colours:\n%q", got.String())
	}
}

// A run that is valid says what it went through all the same.
func TestRemarks(t *testing.T) {
	v := verdict.Verdict{
		Run: "x", Harness: verdict.Harness{Status: verdict.Healthy}, Liveness: verdict.Liveness{Status: verdict.Valid},
		Safety: verdict.Safety{Status: verdict.Valid,
			Checks: []verdict.Check{{Checker: "protocol", Status: verdict.Valid}}},
		Coverage: verdict.Coverage{Status: verdict.Sufficient,
			TwoLeases:    &verdict.TwoLeases{Times: 2, Longest: 12300 * time.Microsecond, At: 4500 * time.Millisecond},
			DeposedReads: &verdict.DeposedReads{Way: "lease", Attempted: 3, Answered: 1}},
	}
	says := func() (text, html string) {
		var plain, page bytes.Buffer
		if err := report.Summary(&plain, "runs/x", v, nil, false); err != nil {
			t.Fatal(err)
		}
		if err := report.Render(&page, report.Input{Manifest: &results.Manifest{}, Checked: true, Verdict: v}); err != nil {
			t.Fatal(err)
		}
		return plain.String(), page.String()
	}
	text, html := says()
	for _, want := range []string{
		"  remark    two nodes both believed to hold a lease, 2 times, for up to 12.3 ms, first at 4.500 s: no longer than " +
			"the clocks explain\n",
		"  remark    1 read was answered by leaders that had been deposed, and none of the answers was stale\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if !strings.Contains(html, "Two nodes both believed to hold a lease") || !strings.Contains(html, "1 read was answered by leaders") {
		t.Error("the page says nothing of it")
	}
	v.Safety.Status = verdict.Violated
	if text, _ := says(); strings.Contains(text, "remark") {
		t.Errorf("findings tell of it, and it says\n%s", text)
	}
	v.Safety.Status, v.Coverage.TwoLeases, v.Coverage.DeposedReads.Answered = verdict.Valid, nil, 0
	if text, html := says(); strings.Contains(text, "remark") || strings.Contains(html, "believed to hold") {
		t.Errorf("nothing happened, and it says\n%s", text)
	}
}
