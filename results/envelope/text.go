package envelope

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"elenchus/results"
)

// Save writes the comparison, the picture and the summary into the directory of a run, replacing older ones.
func (s Sweep) Save(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", File, err)
	}
	var table bytes.Buffer
	if err := s.Table(&table); err != nil {
		return err
	}
	return errors.Join(results.WriteFile(filepath.Join(dir, File), append(data, '\n')),
		results.WriteFile(filepath.Join(dir, PictureFile), s.SVG()),
		results.WriteFile(filepath.Join(dir, SummaryFile), table.Bytes()))
}

// signs mark the findings in a table, next to the counts.
var signs = map[Finding]string{HeldThere: "·", Broke: "✗", NotObserved: "?", BrokeInside: "BUG", NotProbed: "-"}

// Table writes the sweep for a terminal: the heat map as text, and its interpretation.
func (s Sweep) Table(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", s.title())
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i := len(s.Plan.Drifts) - 1; i >= 0; i-- {
		d := s.Plan.Drifts[i]
		fmt.Fprintf(tw, "%s", s.Plan.DriftLabel(d))
		for _, bound := range s.Plan.Bounds {
			fmt.Fprintf(tw, "\t%s", tableCell(s.At(bound, d)))
		}
		fmt.Fprintln(tw, "\t")
	}
	name := "leader's clock slower / bound"
	if s.Plan.Mode == Wall {
		name = "leader's clock behind / bound"
	}
	fmt.Fprint(tw, name)
	for _, bound := range s.Plan.Bounds {
		fmt.Fprintf(tw, "\t%s", s.Plan.BoundLabel(bound))
	}
	fmt.Fprintln(tw, "\t")
	_ = tw.Flush() // writing to a strings.Builder never fails
	fmt.Fprintln(&b, "\nstale answers of probes:  [ ] inside the envelope  · held  ✗ broke  ? not observed  - not probed")
	for _, line := range s.Agreement.Text {
		fmt.Fprintf(&b, "\n%s", line)
	}
	fmt.Fprintln(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func tableCell(c Cell) string {
	text := signs[c.Finding()]
	if c.Probes() > 0 {
		text = fmt.Sprintf("%d/%d %s", c.Stale, c.Probes(), text)
	}
	if c.Inside {
		return "[" + text + "]"
	}
	return text
}
