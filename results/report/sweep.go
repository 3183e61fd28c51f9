package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"elenchus/results"
	"elenchus/results/envelope"
	"elenchus/results/verdict"
)

//go:embed sweep.html
var sweepSource string

var sweepTemplate = template.Must(template.New("sweep").Funcs(template.FuncMap{
	"what":  what,
	"count": plural, "size": size, "href": href,
}).Parse(headSource + sweepSource))

// SweepInput is what the page of a sweep is made from.
type SweepInput struct {
	Name     string // of the run
	Manifest *results.Manifest
	Verdict  verdict.Verdict
	Sweep    envelope.Sweep
	Files    []File
}

// sweepPage is what the template shows.
type sweepPage struct {
	SweepInput
	Style    template.CSS
	Word     string
	Class    string
	Headline string
	Axes     []axis
	Check    string
	Picture  template.HTML
	Text     []string
	Attacks  []attackRow
}

// attackRow is one attack, in words. A time that is not known, or has no meaning, is empty.
type attackRow struct {
	Number                        int
	Bound, Drift                  string
	Inside                        bool
	Outcome                       envelope.Outcome
	Class                         string
	Leader                        string
	Moved, Cut, LastOld, FirstNew string
	Margin                        string
	Says                          string
}

// RenderSweep writes the page of a sweep.
func RenderSweep(w io.Writer, in SweepInput) error {
	p := sweepPage{
		SweepInput: in, Style: template.CSS(pageStyle), Word: in.Verdict.Word(), Class: wordClass(in.Verdict.ExitCode()),
		Axes: axes(in.Verdict, false), Check: "elenchus check " + in.Name,
		Picture: template.HTML(in.Sweep.SVG()), // it escapes what it draws
	}
	if text := in.Sweep.Agreement.Text; len(text) > 0 {
		p.Headline, p.Text = text[0], text[1:]
	}
	for _, t := range in.Sweep.Trials {
		p.Attacks = append(p.Attacks, newAttackRow(in.Sweep.Plan, t))
	}
	if len(p.Files) > filesMax {
		p.Files = p.Files[:filesMax]
	}
	if err := sweepTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("render report: %w", err)
	}
	return nil
}

func newAttackRow(p envelope.Plan, t envelope.Trial) attackRow {
	at := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return seconds(d)
	}
	row := attackRow{
		Number: t.Number, Bound: p.BoundLabel(t.Bound), Drift: p.DriftLabel(t.Drift), Inside: p.Inside(t.Bound, t.Drift),
		Outcome: t.Outcome, Leader: t.Leader, Moved: at(t.Moved), Cut: at(t.Alone), LastOld: at(t.LastOld),
		FirstNew: at(t.FirstNew), Says: t.Clock,
	}
	switch {
	case t.Outcome == envelope.Void:
		row.Class, row.Says = "none", t.Why
	case t.Outcome == envelope.Held:
		row.Class = "good"
	case row.Inside:
		row.Class = "bad"
	default: // which is what the arithmetic predicts there
		row.Class = "open"
	}
	if t.LastOld > 0 && t.FirstNew > 0 && t.Outcome != envelope.Void {
		row.Margin = seconds(t.Margin)
	}
	return row
}

// WriteSweep makes the page of a sweep that was judged, and puts it into its directory.
func WriteSweep(run results.Run, m *results.Manifest, v verdict.Verdict, s envelope.Sweep) error {
	in := SweepInput{Name: run.Name(), Manifest: m, Verdict: v, Sweep: s}
	var err error
	if in.Files, err = files(run); err != nil {
		return err
	}
	var page bytes.Buffer
	if err := RenderSweep(&page, in); err != nil {
		return err
	}
	return results.WriteFile(run.Report(), page.Bytes())
}
