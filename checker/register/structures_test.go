package register

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A table is a map, whatever is put in and taken out.
func TestTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var tab table
	for round := range 60 {
		tab.reset(rng.IntN(100))
		want := map[int64]int32{}
		spread := int64(1) << (rng.IntN(20) + 3)
		for i := range int32(2000) {
			v := rng.Int64N(spread) - spread/2
			if rng.IntN(3) == 0 {
				v <<= 32
			}
			old, ok := want[v]
			switch {
			case rng.IntN(3) == 0 && ok:
				tab.remove(v)
				delete(want, v)
			case tab.find(v) != find(want, v):
				t.Fatalf("round %d: find(%d) = %d, want %d", round, v, tab.find(v), find(want, v))
			case ok:
				if got := tab.insert(v, i); got != old {
					t.Fatalf("round %d: second insert of %d gave %d, want %d", round, v, got, old)
				}
			default:
				if got := tab.insert(v, i); got != nowhere {
					t.Fatalf("round %d: insert of %d found %d", round, v, got)
				}
				want[v] = i
			}
		}
		for v := range want {
			if tab.find(v) != want[v] {
				t.Fatalf("round %d: lost %d", round, v)
			}
		}
		if tab.used != len(want) || 2*tab.used > len(tab.slots) {
			t.Fatalf("round %d: %d used of %d, want %d", round, tab.used, len(tab.slots), len(want))
		}
	}
}

func find(m map[int64]int32, v int64) int32 {
	if id, ok := m[v]; ok {
		return id
	}
	return nowhere
}

// The epoch of a table can come round.
func TestTableEpochs(t *testing.T) {
	var tab table
	tab.reset(1)
	tab.insert(7, 7)
	tab.epoch = ^uint32(0)
	tab.reset(1)
	if tab.find(7) != nowhere || tab.epoch == 0 {
		t.Errorf("epoch %d, found %d", tab.epoch, tab.find(7))
	}
}

func TestSortByKey(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, n := range []int{0, 1, 2, radixMin - 1, radixMin, 3000} {
		for _, spread := range []int64{1, 2, 300, 1 << 40, 1 << 62} {
			a := make([]keyed, n)
			for i := range a {
				a[i] = keyed{rng.Int64N(2*spread-1) - spread + 1, int32(i)}
			}
			want := slices.Clone(a)
			slices.SortFunc(want, func(x, y keyed) int {
				if x.key != y.key {
					if x.key < y.key {
						return -1
					}
					return 1
				}
				return int(x.id - y.id)
			})
			got, _ := sortByKey(slices.Clone(a), make([]keyed, n))
			if !slices.Equal(got, want) {
				t.Errorf("%d keys within %d: not sorted", n, spread)
			}
		}
	}
}

// A digit that is the same in all keys but one is still a digit.
func TestSortByOneDigit(t *testing.T) {
	a := make([]keyed, radixMin)
	for i := range a {
		a[i] = keyed{1000, int32(i)}
	}
	a[len(a)-1].key = 3
	if got, _ := sortByKey(a, make([]keyed, len(a))); got[0].key != 3 || got[1].id != 0 {
		t.Errorf("sorted to %v …", got[:3])
	}
}

// A maxRing is a slice of pairs, whatever is pushed, raised and popped.
func TestMaxRing(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	type pair struct{ first, last int64 }
	for round := range 40 {
		var r maxRing
		var want []pair // of all entries ever
		at := int64(0)
		for range 3000 {
			switch rng.IntN(6) {
			case 0, 1:
				at += rng.Int64N(3)
				p := pair{at, rng.Int64N(100)}
				if n := r.push(p.first, p.last); n != len(want) {
					t.Fatalf("round %d: pushed to %d, want %d", round, n, len(want))
				}
				want = append(want, p)
			case 2:
				if !r.empty() && rng.IntN(100) < 60 {
					r.head++
				}
			case 3:
				if !r.empty() {
					n := r.head + rng.IntN(r.tail-r.head)
					want[n].last += rng.Int64N(20) + 1
					r.raise(n, want[n].last)
				}
			case 4:
				lo := r.head + rng.IntN(r.tail-r.head+1)
				hi := lo + rng.IntN(r.tail-lo+1)
				most := int64(ever)
				for _, p := range want[lo:hi] {
					most = max(most, p.last)
				}
				if got := r.greatest(lo, hi); got != most {
					t.Fatalf("round %d: greatest(%d, %d) = %d, want %d", round, lo, hi, got, most)
				}
			case 5:
				v := rng.Int64N(at + 2)
				n := r.head
				for n < r.tail && want[n].first < v {
					n++
				}
				if got := r.before(v); got != n {
					t.Fatalf("round %d: before(%d) = %d, want %d", round, v, got, n)
				}
			}
		}
		for n := r.head; n < r.tail; n++ {
			if r.firstOf(n) != want[n].first || r.lastOf(n) != want[n].last {
				t.Fatalf("round %d: entry %d is %d, %d, want %v", round, n, r.firstOf(n), r.lastOf(n), want[n])
			}
		}
	}
}

func TestGreatestTwo(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for range 500 {
		g := greatestTwo{first: ever, second: ever}
		last := map[int]int64{}
		for range 50 {
			place := rng.IntN(5)
			n := rng.Int64N(100)
			if old, ok := last[place]; ok && old > n {
				continue // they only rise
			}
			last[place] = n
			g.note(place, n)
			for p := range 6 {
				want := int64(ever)
				for q, v := range last {
					if q != p {
						want = max(want, v)
					}
				}
				if got := g.besides(p); got != want {
					t.Fatalf("besides(%d) = %d, want %d of %v", p, got, want, last)
				}
			}
		}
	}
}
