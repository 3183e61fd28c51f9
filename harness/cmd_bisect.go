package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/run"
	"elenchus/harness/sim/bisect"
	"elenchus/results/verdict"
)

// bisected is the moment of no return, for scripts.
type bisected struct {
	Of string `json:"of"`
	*bisect.Result
}

// bisectAction finds the moment of no return of a run.
func bisectAction(c *cli.Context, found *simulated) error {
	opts := bisect.Options{
		Points: c.Int("points"), Samples: c.Int("samples"), Resolution: c.Duration("resolution"), Workers: c.Int("workers"),
	}
	ui := run.NewUI(c.App.ErrWriter)
	opts.Progress = func(played int) { ui.Status("%s played", verdict.Count(played, "future")) }
	ui.Step("%s from each of %s at least, up to the failure", verdict.Count(opts.Samples, "future"),
		verdict.Count(opts.Points, "point"))
	result, err := bisect.Run(c.Context, found.plan, opts)
	switch {
	case errors.Is(err, bisect.ErrPasses):
		if c.Bool("json") {
			return printJSON(c, bisected{Of: found.name})
		}
		fmt.Fprintf(c.App.Writer, "%s does not fail: it has no moment of no return\n", found.name)
		return nil
	case err != nil:
		return err
	}
	if c.Bool("json") {
		err = printJSON(c, bisected{found.name, result})
	} else {
		err = printBisected(c, found, result)
	}
	if result.Interrupted {
		return errors.Join(err, exitError{code: verdict.ExitHarness, msg: fmt.Sprintf("interrupted after %s: the moment "+
			"of no return was not found, and the point in progress is not counted", verdict.Count(len(result.Points), "point"))})
	}
	return errors.Join(err, exitError{code: verdict.ExitViolated})
}

// barWidth is how long a share of 1 is in the table.
const barWidth = 32

func printBisected(c *cli.Context, found *simulated, r *bisect.Result) error {
	out := c.App.Writer
	fmt.Fprintf(out, "%s fails: %v\n\n", found.name, r.Violation)
	if len(r.Points) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "time\tP(fail)\t95 %\tother failures\t\t")
	for _, p := range r.Points {
		filled := int(p.P*barWidth + 0.5)
		bar := strings.Repeat("█", filled) + strings.Repeat("·", barWidth-filled)
		mark := ""
		if p.At == r.To && r.To > 0 {
			mark = " ←"
		}
		fmt.Fprintf(table, "%v\t%.3f\t%.2f…%.2f\t%d\t%s%s\t\n", p.At.Round(100*time.Microsecond), p.P, p.Low, p.High,
			p.Other, bar, mark)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	switch {
	case r.Interrupted: // the command's error says so
	case r.To == 0:
		fmt.Fprintln(out, "\nthe plan alone decides: whatever is drawn, most runs of it fail from the beginning")
	default:
		fmt.Fprintf(out, "\nthe moment of no return is between %v and %v\n", r.From.Round(100*time.Microsecond),
			r.To.Round(100*time.Microsecond))
	}
	return nil
}
