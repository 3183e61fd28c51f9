package checker

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
)

// WorkerMain is the main function of the process that [RunWorker] starts: it reads requests from stdin and answers each
// with one line on stdout until stdin ends.
//
// Its memory is limited by who starts it: by GOMEMLIMIT, which makes the garbage collector work harder near the limit,
// and by being killed above it.
func WorkerMain(stdin io.Reader, stdout io.Writer, model porcupine.Model) error {
	requests, readErr := make(chan request), make(chan error, 1)
	done := make(chan struct{})
	defer close(done)
	go func() {
		in := json.NewDecoder(bufio.NewReaderSize(stdin, 1<<16))
		for {
			var req request
			if err := in.Decode(&req); err != nil {
				readErr <- err
				return
			}
			select {
			case requests <- req:
			case <-done:
				return
			}
		}
	}()
	out := json.NewEncoder(stdout)
	answers := make(chan KeyResult, 1)
	for {
		select {
		case req := <-requests:
			go func() { answers <- inProcess{model: model}.solve(req) }()
		case res := <-answers:
			if err := out.Encode(res); err != nil {
				return fmt.Errorf("write answer: %w", err)
			}
		case err := <-readErr: // even in the middle of a search: whoever asked is gone
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read request: %w", err)
		}
	}
}

// RunWorker decides keys by order in this process, and by search in one of its own, which argv starts and which must
// call [WorkerMain]. A search that occupies more than the budgeted memory, does not keep to its time, or dies
// otherwise, costs its key the answer and no other: keys that were decided stay so, and a new process goes on with the
// rest.
func RunWorker(ctx context.Context, argv []string, ops []history.Operation, windows []history.FaultWindow,
	budget Budget,
) Linearizability {
	return linearize(ctx, SearchIn(argv), ops, windows, budget)
}

// SearchIn searches in a process of its own, as [RunWorker] does.
func SearchIn(argv []string) Searcher {
	return func(budget Budget) (solver, error) { return startWorker(argv, budget.Memory) }
}

// Grace that a worker gets beyond the budget of a request before it is killed: the model's steps do not look at the
// clock, and sending a large key takes its time too.
const workerGrace = 10 * time.Second

// How often the memory of a worker is looked at. Searches grow by up to a few hundred megabytes a second.
const memoryInterval = 50 * time.Millisecond

// stderrBytesMax is how much of a worker's complaints is kept.
const stderrBytesMax = 4 << 10

// worker is a solver in another process.
type worker struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *os.File
	out    *json.Decoder
	stderr *head
	memory int64

	mu     sync.Mutex
	killed string // why this process was killed by its parent
	exited chan struct{}
	err    error // of Wait, once exited is closed
}

func startWorker(argv []string, memory int64) (*worker, error) {
	if len(argv) == 0 {
		return nil, errors.New("no command to start it with")
	}
	w := &worker{cmd: exec.Command(argv[0], argv[1:]...), stderr: new(head), memory: memory,
		exited: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), "GOMEMLIMIT="+strconv.FormatInt(memory*9/10, 10))
	w.cmd.Stderr = w.stderr
	stdin, err := w.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// A pipe of our own rather than StdoutPipe, because Wait closes that one, and with it answers not yet read.
	stdout, childOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	w.cmd.Stdout = childOut
	if err := w.cmd.Start(); err != nil {
		return nil, errors.Join(err, stdout.Close(), childOut.Close())
	}
	_ = childOut.Close()
	w.stdin, w.stdout, w.out = stdin, stdout, json.NewDecoder(bufio.NewReaderSize(stdout, 1<<16))
	go func() {
		w.err = w.cmd.Wait()
		close(w.exited)
	}()
	go w.watchMemory()
	return w, nil
}

// solve hands req to the process and waits for its answer.
func (w *worker) solve(ctx context.Context, req request) (KeyResult, error) {
	timer := time.AfterFunc(req.Budget+workerGrace, func() {
		w.kill(fmt.Sprintf("it took more than its %v", req.Budget.Round(time.Millisecond)))
	})
	defer timer.Stop()
	stop := context.AfterFunc(ctx, func() { w.kill("the check was stopped") })
	defer stop()
	var res KeyResult
	err := json.NewEncoder(w.stdin).Encode(req)
	if err == nil {
		err = w.out.Decode(&res)
	}
	if err != nil {
		return KeyResult{}, w.causeOf(err)
	}
	return res, nil
}

// causeOf says why the process gave no answer, for people.
func (w *worker) causeOf(err error) error {
	w.kill("")
	<-w.exited
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.killed != "":
		return fmt.Errorf("%w: %s", errKilled, w.killed)
	case w.err != nil && w.stderr.String() != "":
		return fmt.Errorf("the checking process ended: %w: %s", w.err, w.stderr)
	case w.err != nil:
		return fmt.Errorf("the checking process ended: %w", w.err)
	}
	return fmt.Errorf("the checking process ended without an answer: %w", err)
}

// kill ends the process; why is for whoever waits for an answer, and empty if the process was ending anyway.
func (w *worker) kill(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.exited:
		return
	default:
	}
	w.killed = cmp.Or(w.killed, why)
	_ = w.cmd.Process.Kill()
}

func (w *worker) watchMemory() {
	ticker := time.NewTicker(memoryInterval)
	defer ticker.Stop()
	for {
		select {
		case <-w.exited:
			return
		case <-ticker.C:
		}
		if rss, ok := residentBytes(w.cmd.Process.Pid); ok && rss > w.memory {
			w.kill(fmt.Sprintf("it occupied more than its %d MiB of memory", w.memory>>20))
		}
	}
}

// close ends the process in peace, or by force if it is still at work.
func (w *worker) close() {
	_ = w.stdin.Close()
	select {
	case <-w.exited:
	case <-time.After(time.Second):
		w.kill("")
		<-w.exited
	}
	_ = w.stdout.Close()
}

// residentBytes is the memory that the process pid occupies; ok is false where the system does not say.
func residentBytes(pid int) (_ int64, ok bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}

// head keeps the first bytes that are written to it.
type head struct {
	mu  sync.Mutex
	buf []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf = append(h.buf, p[:min(len(p), stderrBytesMax-len(h.buf))]...)
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.TrimSpace(string(h.buf))
}
