package report

import (
	"fmt"
	"testing"
	"time"

	"elenchus/results/clocks"
	"elenchus/results/history"
)

func TestLeaderships(t *testing.T) {
	start := time.Unix(1000, 0)
	var obs []history.Observation
	see := func(at int, boot, kind, ballot string) {
		obs = append(obs, history.Observation{Wall: start.Add(time.Duration(at) * time.Second), Boot: boot,
			Kind: kind, Ballot: ballot})
	}
	see(-9, "1", history.ObservedElected, "1")
	see(-8, "1", history.ObservedDeposed, "1")
	see(-1, "1", history.ObservedElected, "2")
	see(5, "1", history.ObservedDeposed, "2")
	see(7, "1", history.ObservedElected, "3")
	see(8, "1", history.ObservedElected, "4")
	see(12, "1", history.ObservedApplied, "")
	see(20, "2", history.ObservedRecovered, "")
	see(25, "2", history.ObservedElected, "5")
	got := ""
	for _, l := range leaderships(incarnations(obs, clocks.NewAxis(start, clocks.Track{}, obs), nil), 30*time.Second) {
		got += fmt.Sprintf("%s %v…%v, ", l.ballot, l.from, l.to)
	}
	if want := "2 -1s…5s, 3 7s…8s, 4 8s…12s, 5 25s…30s, "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

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
	s := newSeries(ops, 2*time.Second)
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
