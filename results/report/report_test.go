package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"elenchus/results"
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
			for _, part := range []string{v.Word(), run.Name(), "elenchus check " + run.Name(), "--seed 42",
				"isolate n3", "3.n3"} {
				if !strings.Contains(page, part) {
					t.Errorf("the page does not have %q", part)
				}
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
				Findings: []verdict.Finding{{Details: []string{"x"}, At: time.Second}, {}, {}, {}, {}},
			},
			Liveness: verdict.Liveness{Reasons: []string{"x"}, Faults: []verdict.FaultLiveness{{LongestSilence: 5}}},
			Coverage: verdict.Coverage{
				Reasons: []string{"x"}, Operations: []verdict.OperationCount{{}, {}}, Faults: []verdict.FaultCount{{}},
			},
			Harness: verdict.Harness{Reasons: []string{"x"}},
		},
		Operations: []history.Operation{{Return: 2 * time.Second, ReturnSeq: 1}},
		Faults:     []history.FaultEvent{{Targets: []string{"x"}, Evidence: []string{"x"}, End: time.Second}},
		Nodes:      []report.Node{{Observations: []history.Observation{{}}}},
		Files:      []report.File{{}},
	}
	poison(reflect.ValueOf(&in).Elem())
	m.Config.Options = map[string]string{evil: evil}
	in.Faults[0].Step, in.Faults[0].Status = history.FaultApply, history.FaultInstalled
	in.Nodes[0].Observations[0].Kind = history.ObservedElected
	in.Nodes[0].Observations[0].Wall = m.Started
	in.Operations[0].Outcome = history.OK
	in.Files = append(in.Files, report.File{Path: "javascript:alert(1)"},
		report.File{Path: "nodes/" + evil + "/node.log"})
	var page bytes.Buffer
	if err := report.Render(&page, in); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	if n := strings.Count(text, "&lt;script&gt;"); n < 40 {
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
	var page bytes.Buffer
	if err := report.Render(&page, in); err != nil {
		t.Fatal(err)
	}
	harmless(t, page.String())
	if !strings.Contains(page.String(), "NOT CHECKED") || !strings.Contains(page.String(), "see the directory") {
		t.Error("a run without a verdict, or files that are not listed, are not said to be")
	}
}

func TestLoadToleratesGaps(t *testing.T) {
	run, err := results.Create(t.TempDir(), "x", sampleStart)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Write(run.Dir); err == nil {
		t.Error("a report without a manifest")
	}
	if err := run.SaveManifest(sample{}.manifest()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(run.Faults(), []byte("garbage\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := report.Write(run.Dir); err != nil {
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
			Findings: []verdict.Finding{{Summary: "The write of 5 was lost\x1b[2J."}, {Summary: "b."},
				{Summary: "c."}, {Summary: "d."}, {Summary: "e."}},
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
  ✗ b.
  ✗ c.
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
