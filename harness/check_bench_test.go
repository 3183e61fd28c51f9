package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
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
// says what it took: the processor time of the process and its greatest memory, and what reading alone, and copying and
// hashing alone take, in this process.
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
	begin = processorTime(b)
	copyHashed(b, path, filepath.Join(dir, "copy"))
	copied := processorTime(b) - begin
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
	b.ReportMetric(copied.Seconds(), "copy-cpu-s")
	b.ReportMetric(float64(spent.Nanoseconds())/float64(operations), "check-ns/operation")
	b.ReportMetric(float64(usage.Maxrss)/(1<<10), "MiB")
	if err := os.RemoveAll(dir); err != nil {
		b.Fatal(err)
	}
}

// copyHashed is what an import does with a file besides reading it.
func copyHashed(b *testing.B, from, to string) {
	b.Helper()
	in, err := os.Open(from)
	if err != nil {
		b.Fatal(err)
	}
	out, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	_, err = io.CopyBuffer(io.MultiWriter(out, sha256.New()), struct{ io.Reader }{in}, make([]byte, 1<<16))
	if err := errors.Join(err, in.Close(), out.Close(), os.Remove(to)); err != nil {
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

// recordRegister writes the history of so many operations by fifty clients of correct registers. Half are reads, a
// fifth compare-and-set; one update in a hundred gets no answer, and some of these take effect. It remembers no more
// than what is under way, so that a history can be of any length.
func recordRegister(b testing.TB, path string, operations, keys int) {
	b.Helper()
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	r := &recorder{out: bufio.NewWriterSize(file, 1<<20), rng: rand.New(rand.NewPCG(1, 2)), content: make([]int64, keys),
		clients: make([]recorded, 50)}
	for i := range r.clients {
		r.clients[i].process = i
	}
	r.fresh = len(r.clients)
	for begun := 0; begun < operations || r.busy > 0; {
		switch c := &r.clients[r.rng.IntN(len(r.clients))]; {
		case c.busy:
			r.goOn(c)
		case begun < operations:
			begun++
			r.begin(c)
		}
	}
	r.line(fmt.Sprintf(`"end","count":%d`, r.seq))
	if err := errors.Join(r.out.Flush(), file.Close()); err != nil {
		b.Fatal(err)
	}
}

// recorder writes lines as history.Writer does, which takes ten times as long for them because it can write any.
type recorder struct {
	out     *bufio.Writer
	rng     *rand.Rand
	buf     []byte
	seq     int
	now     int64
	content []int64 // by key; zero is absent
	clients []recorded
	busy    int
	fresh   int // the next process that nobody was yet
	value   int64
}

// recorded is a client with its operation, which takes effect at an instant between its two events.
type recorded struct {
	process, key int
	busy, done   bool
	op           string // as both of its lines have it
	f            history.Func
	writes       int64
	expects      int64
	matched      bool
	saw          int64
}

func (r *recorder) begin(c *recorded) {
	r.busy++
	c.busy, c.done, c.key, c.f = true, false, r.rng.IntN(len(r.content)), history.Read
	if draw := r.rng.IntN(10); draw < 5 {
		r.value++
		if c.f, c.writes = history.Write, r.value; draw < 2 {
			c.f, c.expects = history.CAS, r.content[c.key]
		}
	}
	c.op = fmt.Sprintf(`,"process":%d,"node":"n%d","phase":"main","f":"%s","key":"r%d"`, c.process, 1+c.process%5, c.f, c.key)
	if c.f != history.Read {
		c.op += fmt.Sprintf(`,"value":%d`, c.writes)
	}
	if c.f == history.CAS && c.expects != 0 {
		c.op += fmt.Sprintf(`,"expect":%d`, c.expects)
	}
	r.line(`"invoke"` + c.op)
}

// goOn lets an operation take effect, or its client learn what became of it.
func (r *recorder) goOn(c *recorded) {
	switch lost := c.f != history.Read && r.rng.IntN(100) == 0; {
	case !c.done && r.rng.IntN(2) == 0:
		r.effect(c)
		return
	case lost:
		r.line(`"unknown"` + c.op + `,"reason":"no answer within 1 s"`)
		c.process = r.fresh
		r.fresh++
	default:
		if !c.done {
			r.effect(c)
		}
		result := ""
		if c.f == history.CAS {
			result = fmt.Sprintf(`,"matched":%v`, c.matched)
		}
		if c.f != history.Write && !c.matched && c.saw != 0 {
			result += fmt.Sprintf(`,"values":[%d]`, c.saw)
		}
		r.line(`"ok"` + c.op + result + fmt.Sprintf(`,"slot":%d,"ballot":"17.n3","leader":"n3"`, r.seq))
	}
	c.busy = false
	r.busy--
}

func (r *recorder) effect(c *recorded) {
	at := &r.content[c.key]
	c.done, c.saw = true, *at
	c.matched = c.f == history.CAS && *at == c.expects
	if c.f == history.Write || c.matched {
		*at = c.writes
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r *recorder) line(rest string) {
	r.now += 1 + r.rng.Int64N(40_000)
	r.buf = fmt.Appendf(r.buf[:0], `{"seq":%d,"t":%d,"type":%s`, r.seq, r.now, rest)
	r.buf = fmt.Appendf(r.buf, ",\"crc\":\"%08x\"}\n", crc32.Checksum(r.buf, castagnoli))
	r.seq++
	_, _ = r.out.Write(r.buf) // Flush tells of errors
}
