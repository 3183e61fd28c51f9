package register

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// A Replay accepts what is a linearization, and names what is wrong with everything else, whoever proposes it.
func TestReplay(t *testing.T) {
	write := func(at, v int64) *Op { return &Op{Kind: Write, Call: at, Writes: v} }
	read := func(at int64) *Op { return &Op{Kind: Read, Call: at} }
	cas := func(at, sees, v int64) *Op { return &Op{Kind: CAS, Call: at, Sees: sees, Writes: v} }
	for _, test := range []struct {
		name string
		do   func(r *Replay)
		want string // part of the error, or empty
	}{
		{"one after the other", func(r *Replay) {
			w := r.Invoke(write(1, 5))
			r.Done(w, 2)
			c := r.Invoke(cas(3, 5, 6))
			r.Done(c, 4)
			g := r.Invoke(read(5))
			r.Saw(g, 6, 6, false)
			r.Place(w)
			r.Place(c)
			r.Place(g)
		}, ""},
		{"placed before it completes", func(r *Replay) {
			w, g := r.Invoke(write(1, 5)), r.Invoke(read(2))
			r.Saw(g, 3, 5, false)
			r.Place(w)
			r.Place(g)
			r.Done(w, 9)
		}, ""},
		{"unknown, and never placed", func(r *Replay) { r.Unknown(r.Invoke(write(1, 5)), 2) }, ""},
		{"failed", func(r *Replay) { r.Fail(r.Invoke(write(1, 5)), 2) }, ""},
		{"found absent", func(r *Replay) {
			g := r.Invoke(read(1))
			r.Saw(g, 2, 0, true)
			r.Place(g)
		}, ""},
		{"missing", func(r *Replay) { r.Done(r.Invoke(write(1, 5)), 2) }, "missing"},
		{"placed twice", func(r *Replay) {
			w := r.Invoke(write(1, 5))
			r.Place(w)
			r.Place(w)
		}, "placed twice"},
		{"placed when over", func(r *Replay) {
			w := r.Invoke(write(1, 5))
			r.Fail(w, 2)
			r.Place(w)
		}, "does not exist"},
		{"never invoked", func(r *Replay) { r.Place(0) }, "does not exist"},
		{"not in the order of time", func(r *Replay) {
			a := r.Invoke(write(1, 5))
			r.Done(a, 2)
			b := r.Invoke(write(3, 6))
			r.Place(b)
			r.Place(a)
		}, "returned before"},
		{"not in the order of time, further back", func(r *Replay) {
			a, b := r.Invoke(write(1, 5)), r.Invoke(write(2, 6))
			r.Done(a, 3)
			c := r.Invoke(write(4, 7))
			r.Place(c)
			r.Place(b)
			r.Place(a)
		}, "returned before"},
		{"does not fit", func(r *Replay) {
			w, g := r.Invoke(write(1, 5)), r.Invoke(read(2))
			r.Saw(g, 3, 6, false)
			r.Place(w)
			r.Place(g)
		}, "does not fit"},
		{"cas does not fit", func(r *Replay) {
			w, c := r.Invoke(write(1, 5)), r.Invoke(cas(2, 4, 6))
			r.Place(w)
			r.Place(c)
		}, "does not fit"},
		{"found absent what is there", func(r *Replay) {
			w, g := r.Invoke(write(1, 5)), r.Invoke(read(2))
			r.Saw(g, 3, 0, true)
			r.Place(w)
			r.Place(g)
		}, "does not fit"},
		{"found what is not there", func(r *Replay) {
			g := r.Invoke(read(2))
			r.Saw(g, 3, 0, false)
			r.Place(g)
		}, "does not fit"},
		{"a read without an answer", func(r *Replay) { r.Place(r.Invoke(&Op{Kind: Read, Absent: true})) }, "does not fit"},
		{"placed, and then failed", func(r *Replay) {
			w := r.Invoke(write(1, 5))
			r.Place(w)
			r.Fail(w, 2)
		}, "had no effect"},
		{"placed, and then did not match", func(r *Replay) {
			w, c := r.Invoke(write(1, 5)), r.Invoke(cas(2, 5, 6))
			r.Place(w)
			r.Place(c)
			r.Saw(c, 3, 4, false)
			r.Done(w, 4)
		}, "had no effect"},
		{"found what it expected", func(r *Replay) {
			w, c := r.Invoke(write(1, 5)), r.Invoke(cas(2, 5, 6))
			r.Saw(c, 3, 5, false)
			r.Place(w)
			r.Place(c)
		}, "did not match"},
		{"time goes back", func(r *Replay) {
			w := r.Invoke(write(3, 5))
			r.Place(w)
			r.Done(w, 2)
		}, "follows"},
		{"completes twice", func(r *Replay) {
			w := r.Invoke(write(1, 5))
			r.Place(w)
			r.Done(w, 2)
			r.Done(w, 3)
		}, "completes twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r Replay
			test.do(&r)
			err := r.Finish()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// A Proof accepts long histories of a correct register, and remembers only what overlaps: writes that replace one
// another, one value that is read for ever, and a chain of compare-and-set without end.
func TestProofForgets(t *testing.T) {
	const clients, operations = 8, 30_000
	for _, test := range []struct {
		name    string
		kind    Kind
		updates int // in a thousand operations
		lost    int // updates without an answer in a thousand, half of which take effect
	}{
		{"writes", Write, 500, 5}, {"all writes", Write, 1000, 0}, {"chain", CAS, 500, 5}, {"all cas", CAS, 1000, 0},
		{"read for ever", Write, 0, 0}, {"rarely written", Write, 1, 0}, {"rarely replaced", CAS, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(test.updates)))
			var p Proof
			var open [clients]Pending
			var ops [clients]Op // of the outstanding operations; they took effect as they were called
			busy := [clients]bool{}
			content, present := int64(0), false
			unknown := 0
			for at := int64(1); at <= 2*operations; at++ {
				c := rng.IntN(clients)
				op := &ops[c]
				switch {
				case busy[c] && op.Kind == Read && op.Absent:
					p.FoundNothing(open[c], at)
				case busy[c] && op.Kind == Read:
					p.Found(open[c], at, op.Sees)
				case busy[c]:
					p.Done(open[c], at)
				default:
					*op = Op{Call: at, Sees: content, Absent: !present}
					if rng.IntN(1000) < test.updates || at == 1 {
						op.Kind, op.Writes = test.kind, at
					}
					open[c] = p.Invoke(op)
					if op.Kind != Read && rng.IntN(1000) < test.lost {
						p.Unknown(open[c], at)
						unknown++
						if rng.IntN(2) == 0 {
							content, present = at, true
						}
						continue
					}
					if op.Kind != Read {
						content, present = at, true
					}
				}
				busy[c] = !busy[c]
				if p.Decision() != Valid {
					t.Fatalf("at %d: %s", at, p.Reason())
				}
			}
			m := &p.monitor
			for what, n := range map[string]int{
				"segments": len(m.segs.items) - unknown, "reads": len(m.teller.links.items),
				"replayed": len(p.replay.ops.items) - unknown, "blocks": len(m.blocks.items), "alive": len(m.alive.items),
			} {
				if n > 500 {
					t.Errorf("%d %s are remembered", n, what)
				}
			}
			if err := p.Finish(); err != nil {
				t.Error(err)
			}
		})
	}
}

// At the end of a history there may be operations that never completed. They keep blocks from being told, and what is
// told in the end is in the order of f+s: here 2 must come before 1, though 1 was seen first, because 2 had been seen
// when 1 was asked for once more.
func TestProofOfWhatIsHeldBack(t *testing.T) {
	var p Proof
	invoke := func(op Op) Pending { return p.Invoke(&op) }
	invoke(Op{Kind: Read, Call: 1}) // this one is under way for ever
	for _, value := range []int64{1, 2} {
		p.Unknown(invoke(Op{Kind: Write, Call: 2 * value, Writes: value}), 2*value+1)
	}
	one, two := invoke(Op{Kind: Read, Call: 6}), invoke(Op{Kind: Read, Call: 7})
	p.Found(one, 8, 1)
	p.Found(two, 9, 2)
	p.Found(invoke(Op{Kind: Read, Call: 10}), 11, 1)
	if p.Decision() != Valid {
		t.Fatal(p.Reason())
	}
	if err := p.Finish(); err != nil {
		t.Error(err)
	}
}
