package run

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"elenchus/results/history"
	"elenchus/workloads"
)

// asked is one request to a [flaky] client.
type asked struct {
	node    string
	process int
	seq     uint64
}

// flaky answers what it was told to, one answer after the other, and remembers who was asked.
type flaky struct {
	answers []workloads.Answer
	asked   *[]asked
	node    string
	process int
}

func (f flaky) Do(_ context.Context, seq uint64, _ history.Op) workloads.Answer {
	n := len(*f.asked)
	*f.asked = append(*f.asked, asked{f.node, f.process, seq})
	return f.answers[min(n, len(f.answers)-1)]
}

func (f flaky) Close() error { return nil }

// An update that was not answered is asked for again as the same request, and what comes of it is what can be known.
func TestRetries(t *testing.T) {
	ok := workloads.Answer{Type: history.OK}
	fail := workloads.Answer{Type: history.Fail, Reason: "not proposed"}
	unknown := workloads.Answer{Type: history.Unknown, Reason: "timed out"}
	write := history.Op{Func: history.Write, Key: "x", Value: 1}
	for _, test := range []struct {
		name    string
		share   float64
		op      history.Op
		answers []workloads.Answer
		want    history.Type
		asked   int
	}{
		{"answered", 1, write, []workloads.Answer{ok}, history.OK, 1},
		{"answered at last", 1, write, []workloads.Answer{unknown, unknown, ok}, history.OK, 3},
		{"refused at once", 1, write, []workloads.Answer{fail}, history.Fail, 1},
		{"refused after an attempt", 1, write, []workloads.Answer{unknown, fail}, history.Unknown, attemptsMax},
		{"never answered", 1, write, []workloads.Answer{unknown}, history.Unknown, attemptsMax},
		{"reads are not", 1, history.Op{Func: history.Read, Key: "x"}, []workloads.Answer{unknown, ok}, history.Unknown, 1},
		{"not wanted", 0, write, []workloads.Answer{unknown, ok}, history.Unknown, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			writer, err := history.Create(filepath.Join(t.TempDir(), "history"), history.WriterOptions{Start: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			var seen []asked
			l := &load{nodes: NodeNames(3), history: writer, retry: newRetries(1, test.share),
				dial: func(node string, process int) workloads.Client {
					return flaky{test.answers, &seen, node, process}
				}}
			s := l.newSession("n2")
			s.patience = time.Minute
			answer, err := s.do(t.Context(), history.PhaseMain, test.op)
			if err != nil || answer.Type != test.want || len(seen) != test.asked {
				t.Errorf("%v after %d attempts, %v; want %v after %d", answer.Type, len(seen), err, test.want, test.asked)
			}
			for _, a := range seen {
				if a.process != seen[0].process || a.seq != seen[0].seq {
					t.Errorf("asked as %+v, and as %+v", seen[0], a)
				}
			}
		})
	}
}

// Some of those that are asked again are asked elsewhere.
func TestRetriesGoElsewhere(t *testing.T) {
	r := newRetries(3, 1)
	count := map[int]int{}
	for range 600 {
		node, again := r.draw(1, 3)
		if !again {
			t.Fatal("a share of 1 did not ask again")
		}
		count[node]++
	}
	if count[1] < 300 || count[0] < 50 || count[2] < 50 {
		t.Errorf("nodes asked: %v", count)
	}
}
