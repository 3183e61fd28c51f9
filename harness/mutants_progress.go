package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"elenchus/harness/hunt"
	"elenchus/harness/run"
	"elenchus/results/verdict"
)

// huntProgress keeps the status line up to date while mutants are hunted, which takes minutes each.
type huntProgress struct {
	ui    *run.UI
	total int // mutants to hunt

	mu    sync.Mutex
	done  int
	doing []huntStage // in the order in which they were begun
}

// huntStage is what is being done with a mutant.
type huntStage struct {
	name, what string
	since      time.Time
}

const (
	// huntShowEvery is how often the status line is brought up to date.
	huntShowEvery = 200 * time.Millisecond

	// huntShowMost is how many mutants fit into it.
	huntShowMost = 3
)

// show brings the status line up to date until stop is called, which waits for the last time.
func (p *huntProgress) show(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(huntShowEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				p.ui.Status("%s", p.text(now))
			}
		}
	})
	return func() { cancel(); group.Wait() }
}

// text is the status line.
func (p *huntProgress) text(now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	words := []string{fmt.Sprintf("%d of %d done", p.done, p.total)}
	for i, d := range p.doing {
		if i == huntShowMost {
			words = append(words, fmt.Sprintf("and %d more", len(p.doing)-i))
			break
		}
		words = append(words, fmt.Sprintf("%s: %s, %.0f s", d.name, d.what, now.Sub(d.since).Seconds()))
	}
	return strings.Join(words, "  ")
}

// begin says what is done with a mutant from now on.
func (p *huntProgress) begin(name, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stage := huntStage{name, fmt.Sprintf(format, args...), time.Now()}
	if i := slices.IndexFunc(p.doing, func(d huntStage) bool { return d.name == name }); i >= 0 {
		p.doing[i] = stage
	} else {
		p.doing = append(p.doing, stage)
	}
}

// end says that nothing more is done with a mutant. One that was not hunted to the end does not count as done.
func (p *huntProgress) end(name string, done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing = slices.DeleteFunc(p.doing, func(d huntStage) bool { return d.name == name })
	if done {
		p.done++
	}
}

// starts says from which seed a mutant is hunted.
func (p *huntProgress) starts(name, how string, of int) func(*hunt.Hunt) {
	return func(h *hunt.Hunt) {
		p.begin(name, "%s %d of %d, found from %d", how, len(h.Starts)+1, of, h.Found())
	}
}

// summarize prints what came of all mutants that were hunted, and of those that were not hunted to the end.
func summarize(out io.Writer, total int, rows, unfinished []*hunt.Row, starts int) {
	var found, outside int
	var missed []string
	for _, r := range rows {
		switch {
		case r.Outside:
			outside++
		case r.Found():
			found++
		default:
			missed = append(missed, r.Name)
		}
	}
	fmt.Fprintf(out, "%d of %s hunted: %d found, %d not found", len(rows)-outside, verdict.Count(total, "mutant"), found,
		len(missed))
	if outside > 0 {
		fmt.Fprintf(out, ", %d not in this lab", outside)
	}
	if len(missed) > 0 {
		fmt.Fprintf(out, " (%s)", strings.Join(missed, ", "))
	}
	fmt.Fprintln(out)
	for _, r := range unfinished {
		runs, _ := r.All.Runs()
		if runs == 0 {
			continue
		}
		fmt.Fprintf(out, "%s is unfinished: found from %d of the first %d of %s, in %s\n", r.Name, r.All.Found(),
			len(r.All.Starts), verdict.Count(starts, "seed"), verdict.Count(runs, "run"))
	}
}
