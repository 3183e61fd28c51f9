package clockprobe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"elenchus/harness/control"
	"elenchus/harness/lab/sshd/sshdtest"
	"elenchus/results/clocks"
	"elenchus/results/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record collects what a prober measures, and lets a test wait for some of it.
type record struct {
	mu    sync.Mutex
	lines []history.ClockLine
	more  chan struct{}
}

func newRecord() *record { return &record{more: make(chan struct{}, 1)} }

func (r *record) take(l history.ClockLine) error {
	r.mu.Lock()
	r.lines = append(r.lines, l)
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
	return nil
}

func (r *record) all() []history.ClockLine {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]history.ClockLine(nil), r.lines...)
}

// until waits for n lines of that kind from the node.
func (r *record) until(t *testing.T, node string, what history.ClockEvent, n int) {
	t.Helper()
	for {
		found := 0
		for _, l := range r.all() {
			if l.Node == node && l.Event == what {
				found++
			}
		}
		if found >= n {
			return
		}
		select {
		case <-r.more:
		case <-t.Context().Done():
			t.Fatalf("%d lines %q of %s, want %d", found, what, node, n)
		}
	}
}

// reads answers as a host does whose clocks are some other time's.
func reads(start time.Time) func(context.Context, io.Reader, io.Writer) error {
	return func(_ context.Context, in io.Reader, out io.Writer) error {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			now := time.Since(start)
			if _, err := fmt.Fprintf(out, "%s %d %d %d\n", lines.Text(), 7e9+now, 1_795e15+now, 9e9+now); err != nil {
				return err
			}
		}
		return nil
	}
}

func start(t *testing.T, r *record, targets ...Target) *Prober {
	t.Helper()
	begin := time.Now()
	p, err := Start(context.Background(), targets, Options{Every: time.Millisecond, Again: time.Millisecond,
		Now: func() time.Duration { return time.Since(begin) }, Record: r.take})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHostsAreMeasuredTogether(t *testing.T) {
	r := newRecord()
	var targets []Target
	for i := range 5 {
		targets = append(targets, Target{Node: fmt.Sprintf("n%d", i+1), Answer: reads(time.Now()), How: "made up"})
	}
	p := start(t, r, targets...)
	for _, target := range targets {
		r.until(t, target.Node, "", 20)
	}
	found, err := p.Stop()
	if err != nil || len(found) != 5 {
		t.Fatalf("%+v, %v", found, err)
	}
	for i, track := range clocks.Tracks(r.all()) {
		if len(track.Points) < 20 || track.How != "made up" || len(track.Gaps) > 0 {
			t.Errorf("%s: %d points, %+v", track.Node, len(track.Points), track.Gaps)
		}
		if got := found[i]; got.Samples < 20 || got.Lost > 0 || got.Reason != "" {
			t.Errorf("%+v", got)
		}
		// Both clocks here count the same time, so the offset is one number: it must be within each sample's error.
		zero := track.Zero(clocks.Mono, time.Time{})
		for _, point := range track.Points {
			if o := point.Offset(clocks.Mono, zero); o.Least() > 0 {
				t.Fatalf("%s: one clock differs from itself by %v ± %v", track.Node, o.Value, o.Error)
			}
		}
	}
}

func TestBrokenConnectionsAreGapsAndMadeAgain(t *testing.T) {
	r := newRecord()
	tries := 0
	p := start(t, r, Target{Node: "n1", How: "made up",
		Answer: func(ctx context.Context, in io.Reader, out io.Writer) error {
			tries++
			switch tries {
			case 1:
				return errors.New("host is unreachable")
			case 2:
				_ = reads(time.Now())(ctx, io.LimitReader(in, 8), out) // some answers, then the end
				return nil
			}
			return reads(time.Now())(ctx, in, out)
		}})
	r.until(t, "n1", history.ClockOpened, 2)
	r.until(t, "n1", "", 10)
	found, err := p.Stop()
	if err != nil || found[0].Lost != 2 || found[0].Samples < 10 || !strings.Contains(found[0].Reason, "has ended") {
		t.Errorf("%+v, %v", found, err)
	}
	track := clocks.Tracks(r.all())[0]
	if len(track.Gaps) != 2 || !strings.Contains(track.Gaps[0].Reason, "unreachable") {
		t.Errorf("gaps %+v", track.Gaps)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, tt := range map[string]struct{ answer, want string }{
		"another token": {"99 1 2 3\n", "token 0"},
		"no numbers":    {"0 a 2 3\n", `"a" is no reading`},
		"too few":       {"0 1 2\n", "the answer is"},
		"zero":          {"0 0 2 3\n", `"0" is no reading`},
		"babble":        {strings.Repeat("x", 2*answerBytesMax), "nobody asked for"},
		"many lines":    {strings.Repeat("1 1 1 1\n", 2*answersMax), ""}, // whichever is noticed first
		"not a word":    {"", "no answer within"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecord()
			begin := time.Now()
			p, err := Start(context.Background(), []Target{{Node: "n1",
				Answer: func(ctx context.Context, in io.Reader, out io.Writer) error {
					if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
						return err
					}
					go func() { _, _ = io.Copy(io.Discard, in) }()
					if _, err := io.WriteString(out, tt.answer); err != nil {
						return err
					}
					<-ctx.Done()
					return ctx.Err()
				}}}, Options{Again: time.Hour, Patience: 20 * time.Millisecond, Record: r.take,
				Now: func() time.Duration { return time.Since(begin) }})
			if err != nil {
				t.Fatal(err)
			}
			r.until(t, "n1", history.ClockLost, 1)
			if found, _ := p.Stop(); found[0].Samples != 0 || found[0].Lost != 1 {
				t.Errorf("%+v", found)
			}
			last := r.all()[0]
			if !strings.Contains(last.Detail, tt.want) {
				t.Errorf("lost because of %q, want %q", last.Detail, tt.want)
			}
		})
	}
}

func TestTargetsThatCannotBeAsked(t *testing.T) {
	r := newRecord()
	p := start(t, r, Target{Node: "n1", How: "there is no program for it"})
	r.until(t, "n1", history.ClockMissing, 1)
	found, err := p.Stop()
	if err != nil || len(found) != 1 || found[0].Reason != "there is no program for it" {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestRecordErrorsAreReturned(t *testing.T) {
	full := errors.New("disk is full")
	p, err := Start(context.Background(), []Target{{Node: "n1", How: "x"}}, Options{
		Now: func() time.Duration { return 0 }, Record: func(history.ClockLine) error { return full }})
	if err != nil {
		t.Fatal(err)
	}
	p.work.Wait()
	if _, err := p.Stop(); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if _, err := Start(context.Background(), nil, Options{Every: -1}); err == nil ||
		!strings.Contains(err.Error(), "negative") || !strings.Contains(err.Error(), "needs a clock") {
		t.Errorf("got %v", err)
	}
}

// Over SSH, with a shell that answers: what matters is that answers come one by one.
func TestOverSSH(t *testing.T) {
	e := sshdtest.Start(t)
	host := control.Host{Name: "n1", Address: e.Address, Port: e.Port, User: e.User, KeyFile: e.KeyFile, HostKey: e.HostKey}
	ended := filepath.Join(t.TempDir(), "ended")
	program := `while read -r token; do echo "$token 5 6 7"; done; : >"$0"`
	r := newRecord()
	p := start(t, r, Target{Node: "n1", Answer: OnHost(host, []string{"sh", "-c", program, ended})})
	r.until(t, "n1", "", 5)
	if found, err := p.Stop(); err != nil || found[0].Samples < 5 {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := os.Stat(ended); err != nil {
		t.Errorf("the program was not let to its end: %v", err)
	}
	for _, l := range r.all() {
		if l.IsSample() && (l.Mono != 5 || l.Wall != 6 || l.Raw != 7 || l.Received <= l.Sent) {
			t.Fatalf("%+v", l)
		}
	}
}
