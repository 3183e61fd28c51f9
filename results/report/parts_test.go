package report

import (
	"fmt"
	"testing"
	"time"

	"elenchus/results/history"
	"elenchus/results/leases"
)

func TestSeries(t *testing.T) {
	var ops []history.Operation
	add := func(outcome history.Type, call, ret time.Duration, seq int64) {
		ops = append(ops, history.Operation{Outcome: outcome, Call: call, Return: ret, ReturnSeq: seq})
	}
	for i := range 100 {
		add(history.OK, 0, time.Duration(i+1)*time.Microsecond, 1)
	}
	add(history.Fail, time.Second, 2*time.Second, 1)
	add(history.Unknown, time.Second, 0, -1)
	a := NewActivity(0)
	for i := range ops {
		a.Observe(&ops[i])
	}
	s := a.series(2 * time.Second)
	if s.width != 10*time.Millisecond || len(s.buckets) != 201 {
		t.Fatalf("%d buckets of %v", len(s.buckets), s.width)
	}
	if b := s.buckets[0]; b.ok != 100 || b.p50 != 50*time.Microsecond || b.p99 != 99*time.Microsecond {
		t.Errorf("first bucket %+v", b)
	}
	if s.buckets[200].fail != 1 || s.buckets[100].unknown != 1 || s.rate(s.busiest()) != 10_000 {
		t.Errorf("fail %+v, unknown %+v, busiest %d", s.buckets[200], s.buckets[100], s.busiest())
	}
}

func TestNumbersForPeople(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{compact(0), "0 s"}, {compact(850 * time.Nanosecond), "0.85 µs"}, {compact(12345 * time.Microsecond),
			"12.3 ms"},
		{compact(2 * time.Second), "2 s"}, {compact(100 * time.Millisecond), "100 ms"}, {compact(754 * time.Second),
			"754 s"},
		{grouped(0), "0"}, {grouped(999), "999"}, {grouped(1000), "1,000"}, {grouped(-1234567), "-1,234,567"},
		{size(1023), "1023 B"}, {size(1536), "1.5 KiB"}, {size(3 << 30), "3.0 GiB"},
		{number(0.5), "0.5"}, {number(1500), "1,500"},
		{seconds(history.Forever), "the end"}, {seconds(1500 * time.Millisecond), "1.500 s"},
		{fmt.Sprint(niceUp(1200)), "1500"}, {fmt.Sprint(niceUp(1)), "1"}, {fmt.Sprint(niceUp(0.4)), "0.4"},
		{href("a/b c/../x?#.log"), "./a/x%3F%23.log"}, {href("../../etc"), "./etc"}, {href("javascript:x"),
			"./javascript:x"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

func TestClashSentence(t *testing.T) {
	c := leases.Clash{A: "n1", B: "n2", BallotA: "1.n1", BallotB: "2.n2", From: time.Second / 2, To: time.Second}
	const want = "n1 (ballot 1.n1) and n2 (ballot 2.n2) both believed to hold the lease for 500 ms, " +
		"from 0.500 s to 1.000 s"
	if got := clashSentence(c); got != want {
		t.Error(got)
	}
}
