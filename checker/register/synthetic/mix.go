package synthetic

import (
	"math/rand/v2"

	"elenchus/checker/register"
)

// mix is the Source that draws operations by percentages.
type mix struct {
	Options
	rng   *rand.Rand
	value int64
	known []known // what each client knows of each key
	own   []int   // key that the client reads next, or -1
}

type known struct {
	value   int64
	present bool
}

func newMix(opts Options) *mix {
	m := &mix{Options: opts, rng: rand.New(rand.NewPCG(opts.Seed, 0x317)),
		known: make([]known, opts.Clients*opts.Keys), own: make([]int, opts.Clients)}
	for c := range m.own {
		m.own[c] = -1
	}
	return m
}

func (m *mix) Next(client int) Request {
	if key := m.own[client]; key >= 0 {
		m.own[client] = -1
		return Request{Kind: register.Read, Key: key}
	}
	r := Request{Key: m.rng.IntN(m.Keys)}
	draw := m.rng.IntN(100)
	if draw < m.Reads {
		return r
	}
	m.value++
	r.Writes = m.value
	r.Kind = register.Write
	if m.CASOnly || draw < m.Reads+m.CAS {
		k := m.known[client*m.Keys+r.Key]
		r.Kind, r.Expect, r.Absent = register.CAS, k.value, !k.present
	}
	return r
}

func (m *mix) Observe(client int, r Request, a Answer) {
	if a.Unknown {
		return
	}
	k := &m.known[client*m.Keys+r.Key]
	switch {
	case r.Kind == register.Write, a.Matched:
		*k = known{r.Writes, true}
		if m.rng.IntN(100) < m.OwnReads {
			m.own[client] = r.Key
		}
	default:
		*k = known{a.Value, !a.Absent}
	}
}
