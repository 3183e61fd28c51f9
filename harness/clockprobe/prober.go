package clockprobe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"elenchus/results/history"
)

// Target is a node whose clocks are measured.
type Target struct {
	Node string

	// Answer runs the program that answers until its input ends or ctx does. Nil means that there is none.
	Answer func(ctx context.Context, questions io.Reader, answers io.Writer) error

	// How says what is asked, for the record; of a target that cannot be asked, why not.
	How string
}

// Options say how to measure. Now and Record are required.
type Options struct {
	Every    time.Duration // between two questions to a host, on average; 100 ms when zero
	Patience time.Duration // with an answer; 5 s when zero
	Again    time.Duration // until a connection that was lost is made again; 1 s when zero

	Now    func() time.Duration          // the harness's monotonic clock, since the run began
	Record func(history.ClockLine) error // takes each line; must be safe for concurrent use
}

func (o Options) withDefaults() (Options, error) {
	var errs []error
	for _, d := range []struct {
		name  string
		field *time.Duration
		value time.Duration
	}{
		{"interval", &o.Every, 100 * time.Millisecond}, {"patience", &o.Patience, 5 * time.Second},
		{"pause", &o.Again, time.Second},
	} {
		if *d.field < 0 {
			errs = append(errs, fmt.Errorf("%s %v is negative", d.name, *d.field))
		}
		*d.field = cmp.Or(*d.field, d.value)
	}
	if o.Now == nil || o.Record == nil {
		errs = append(errs, errors.New("a prober needs a clock and somebody who takes what it measures"))
	}
	return o, errors.Join(errs...)
}

// Prober measures until it is stopped.
type Prober struct {
	options Options
	cancel  context.CancelFunc
	work    sync.WaitGroup

	mu      sync.Mutex
	results map[string]*Result
	err     error // of Record, the first
}

// Result is what came of measuring one node.
type Result struct {
	Node    string
	Samples int
	Lost    int    // how often the connection was lost, or could not be made
	Reason  string // for the last time; why there are no samples, if there are none
}

// Start begins to measure all targets. It ends with Stop, or with ctx.
func Start(ctx context.Context, targets []Target, o Options) (*Prober, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("measure clocks: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &Prober{options: o, cancel: cancel, results: make(map[string]*Result)}
	for _, t := range targets {
		p.results[t.Node] = &Result{Node: t.Node}
	}
	for i, t := range targets {
		// Hosts take turns: questions to all at once would wait for each other.
		delay := o.Every * time.Duration(i) / time.Duration(len(targets))
		p.work.Go(func() { p.measure(ctx, t, delay) })
	}
	return p, nil
}

// Stop ends the measuring and returns, by name of the node, what came of it, and the first error of Record.
func (p *Prober) Stop() ([]Result, error) {
	p.cancel()
	p.work.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Result
	for _, r := range p.results {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Result) int { return cmp.Compare(a.Node, b.Node) })
	return out, p.err
}

// measure keeps a connection to one target, and makes it again when it breaks.
func (p *Prober) measure(ctx context.Context, t Target, delay time.Duration) {
	if t.Answer == nil {
		p.event(t, history.ClockMissing, t.How)
		return
	}
	for pause(ctx, delay) {
		err := p.session(ctx, t)
		if ctx.Err() != nil {
			return
		}
		p.event(t, history.ClockLost, err.Error())
		delay = p.options.Again
	}
}

// session asks over one connection until it breaks or ctx ends.
func (p *Prober) session(ctx context.Context, t Target) error {
	// The program outlives ctx by a moment: it is to end because there are no more questions.
	program, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	questions, ask := io.Pipe()
	defer context.AfterFunc(ctx, func() { _ = ask.Close() })()
	answers := newAnswers(p.options.Now)
	ended := make(chan error, 1)
	go func() {
		err := t.Answer(program, questions, answers)
		if err == nil {
			err = errors.New("the program that answers has ended")
		}
		_ = questions.CloseWithError(err) // whoever is about to ask is told
		ended <- err
	}()
	err := p.questions(ctx, t, ask, answers)
	_ = ask.Close()
	select {
	case cause := <-ended: // it knows better why there is no answer
		return cause
	case <-time.After(endPatience):
		kill()
		<-ended //nolint:errcheck // it was killed
		return err
	}
}

// endPatience is how long a program may take to end when there are no more questions.
const endPatience = 200 * time.Millisecond

// questions asks one question after the other. It returns when one is not answered as it should be.
func (p *Prober) questions(ctx context.Context, t Target, ask io.Writer, answers *answers) error {
	for n := 0; ; n++ {
		token := fmt.Sprint(n)
		sent := p.options.Now()
		if _, err := io.WriteString(ask, token+"\n"); err != nil {
			return err
		}
		a, err := answers.wait(ctx, token, p.options.Patience)
		if err != nil {
			return err
		}
		if n == 0 { // this one has waited for the connection, and says nothing of clocks
			p.event(t, history.ClockOpened, t.How)
		} else {
			a.Node, a.Sent = t.Node, sent
			p.sample(a)
		}
		if !pause(ctx, jittered(p.options.Every)) {
			return ctx.Err()
		}
	}
}

// jittered is between a half and three halves of d. Samples at regular intervals would show a clock that is moved at
// regular intervals always in the same place, or never (RFC 2330 §11.1.1).
func jittered(d time.Duration) time.Duration { return d/2 + rand.N(d) }

func (p *Prober) sample(l history.ClockLine) {
	p.keep(l, func(r *Result) { r.Samples++ })
}

func (p *Prober) event(t Target, what history.ClockEvent, detail string) {
	now := p.options.Now()
	l := history.ClockLine{Node: t.Node, Sent: now, Received: now, Event: what, Detail: detail}
	p.keep(l, func(r *Result) {
		if what == history.ClockOpened {
			return
		}
		r.Reason = detail
		if what == history.ClockLost {
			r.Lost++
		}
	})
}

func (p *Prober) keep(l history.ClockLine, count func(*Result)) {
	err := p.options.Record(l)
	p.mu.Lock()
	defer p.mu.Unlock()
	count(p.results[l.Node])
	if err != nil && p.err == nil {
		p.err = err
	}
}

// pause waits for d and reports whether ctx lasted that long.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
