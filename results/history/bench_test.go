package history

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// recorded returns a history of ops operations as written by a run of the register workload, two lines each.
func recorded(ops int) []byte {
	m := &memory{room: -1}
	var now time.Duration
	rng := rand.New(rand.NewPCG(1, 2))
	w := NewWriter(m, WriterOptions{Now: func() time.Duration {
		now += time.Duration(rng.Int64N(400_000))
		return now
	}})
	seen := make(map[string]int64)
	for i := range ops {
		op := Op{Func: Read, Key: fmt.Sprintf("r%d", rng.IntN(20))}
		if i%4 == 0 {
			op.Func, op.Value = Write, int64(i)
			if v, ok := seen[op.Key]; ok && i%8 == 0 {
				op.Func, op.Expect = CAS, &v
			}
		}
		process := i % 10
		inv, err := w.Invoke(process, fmt.Sprintf("n%d", 1+process%5), PhaseMain, op)
		if err != nil {
			panic(err)
		}
		by := Witness{Slot: uint64(1000 + i/3), Ballot: "17.n3", Leader: "n3"}
		typ, res, reason := OK, Result{}, ""
		switch {
		case i%50 == 7:
			typ, reason = Fail, "the node is not the leader"
		case op.Func == Read:
			res.Values = []int64{seen[op.Key]}
		case op.Func == CAS:
			res.Matched = true
		}
		if typ == OK && op.Func != Read {
			seen[op.Key] = op.Value
		}
		if _, err := w.Complete(inv, typ, res, reason, by); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return m.Bytes()
}

// BenchmarkRead reads a history of half a million operations, a million lines.
func BenchmarkRead(b *testing.B) {
	data := recorded(500_000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	begin, n := cpu(), 0
	for b.Loop() {
		log, err := ReadFrom(bytes.NewReader(data), "h")
		if err != nil || !log.Complete {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric((cpu()-begin).Seconds()/float64(n), "cpu-s")
}

// BenchmarkScan reads the same lines without keeping them.
func BenchmarkScan(b *testing.B) {
	data := recorded(500_000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	begin, n := cpu(), 0
	for b.Loop() {
		complete, _, err := Scan(bytes.NewReader(data), "h", func(*Event) error { return nil })
		if err != nil || !complete {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric((cpu()-begin).Seconds()/float64(n), "cpu-s")
}

// BenchmarkJSON decodes the same lines with encoding/json alone, for comparison.
func BenchmarkJSON(b *testing.B) {
	data := recorded(500_000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	begin, n := cpu(), 0
	for b.Loop() {
		if _, err := ScanLines(bytes.NewReader(data), "h", func(line []byte, _ int) error {
			var l eventLine
			return ParseLine(line, &l)
		}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric((cpu()-begin).Seconds()/float64(n), "cpu-s")
}

// cpu returns the processor time used by this process, which other load on the machine does not distort.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
