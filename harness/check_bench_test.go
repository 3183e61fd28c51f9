package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"elenchus/results/history"
)

// BenchmarkCheckFile has the whole program check histories of a correct register, as files and by standard input, and
// says what it took: the processor time of the process and its greatest memory, and what reading alone takes, in this
// process. CHECK_OPERATIONS is another number of operations than those in the list.
func BenchmarkCheckFile(b *testing.B) {
	sizes := []int{10_000, 100_000, 1_000_000, 10_000_000}
	for _, operations := range sizes {
		for _, keys := range []int{1, 100} {
			b.Run(fmt.Sprintf("operations=%d/keys=%d", operations, keys), func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "history.jsonl")
				recordRegister(b, path, operations, keys)
				for b.Loop() {
					checkOnce(b, path, operations)
				}
			})
		}
	}
}

func checkOnce(b *testing.B, path string, operations int) {
	b.Helper()
	begin := processorTime(b)
	complete, _, err := history.ScanFile(path, func(*history.Event) error { return nil })
	if err != nil || !complete {
		b.Fatalf("complete %v, %v", complete, err)
	}
	read := processorTime(b) - begin
	dir := b.TempDir()
	cmd := exec.Command(os.Args[0], "check", "--results", dir, path)
	cmd.Env = append(os.Environ(), envAsProgram+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		b.Skip("the system does not say what a process used")
	}
	spent := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(spent.Seconds(), "check-cpu-s")
	b.ReportMetric(read.Seconds(), "read-cpu-s")
	b.ReportMetric(float64(spent.Nanoseconds())/float64(operations), "check-ns/operation")
	b.ReportMetric(float64(usage.Maxrss)/(1<<10), "MiB")
	if err := os.RemoveAll(dir); err != nil {
		b.Fatal(err)
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// buffered is a file that is written in large pieces.
type buffered struct {
	*bufio.Writer
	file *os.File
}

func (f buffered) Sync() error { return nil }

func (f buffered) Close() error {
	if err := f.Flush(); err != nil {
		return err
	}
	return f.file.Close()
}

// recordRegister writes the history of so many operations by fifty clients of correct registers. Half are reads, a fifth
// compare-and-set; one update in a hundred gets no answer, and half of these take effect. It remembers no more than what
// is under way, so that a history can be of any length.
func recordRegister(b *testing.B, path string, operations, keys int) {
	b.Helper()
	const clients = 50
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	now := time.Duration(0)
	w := history.NewWriter(buffered{bufio.NewWriterSize(file, 1<<20), file}, history.WriterOptions{
		Now: func() time.Duration { now += time.Duration(1 + rng.Int64N(40_000)); return now },
	})
	content := make([]*int64, keys)
	type client struct {
		process, key int
		busy, done   bool
		event        history.Event
		result       history.Result
		known        *int64
	}
	all := make([]client, clients)
	for i := range all {
		all[i].process = i
	}
	fresh, value := clients, int64(0)
	effect := func(c *client) {
		op := &c.event.Op
		c.done = true
		at := content[c.key]
		c.result = history.Result{}
		matches := op.Func == history.CAS && (at == nil) == (op.Expect == nil) && (at == nil || *at == *op.Expect)
		if op.Func == history.Write || matches {
			v := op.Value
			content[c.key], c.result.Matched = &v, matches
			return
		}
		if at != nil {
			c.result.Values = []int64{*at}
		}
	}
	for begun, busy := 0, 0; begun < operations || busy > 0; {
		c := &all[rng.IntN(clients)]
		switch {
		case !c.busy && begun < operations:
			c.key = rng.IntN(keys)
			op := history.Op{Func: history.Read, Key: fmt.Sprintf("r%d", c.key)}
			if draw := rng.IntN(10); draw < 5 {
				value++
				if op.Func, op.Value = history.Write, value; draw < 2 {
					op.Func, op.Expect = history.CAS, content[c.key]
				}
			}
			if c.event, err = w.Invoke(c.process, fmt.Sprintf("n%d", 1+c.process%5), history.PhaseMain, op); err != nil {
				b.Fatal(err)
			}
			c.busy, c.done = true, false
			begun++
			busy++
		case !c.busy:
		case !c.done && rng.IntN(2) == 0:
			effect(c)
		default:
			typ, reason := history.OK, ""
			if c.event.Op.Func != history.Read && rng.IntN(100) == 0 {
				typ, reason = history.Unknown, "no answer within 1 s"
			} else if !c.done {
				effect(c)
			}
			res := c.result
			if typ == history.Unknown {
				res = history.Result{}
			}
			by := history.Witness{Slot: uint64(begun), Ballot: "17.n3", Leader: "n3"} //nolint:gosec // not negative
			if _, err := w.Complete(c.event, typ, res, reason, by); err != nil {
				b.Fatal(err)
			}
			if typ == history.Unknown {
				c.process = fresh
				fresh++
			}
			c.busy = false
			busy--
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}
