package workloads

import (
	"math/rand/v2"

	"elenchus/results/history"
)

// Defaults of Options for the session workload, and how often what is done, in percent.
const (
	sessionReadPercent = 25

	// Of a worker's updates so many are repetitions, of a request of its own or of somebody else's.
	repeatPercent = 45

	// A worker whose last request has no answer yet repeats it, goes on in the same session as if it had one, or else
	// begins a new session and leaves the request to those who repeat requests of others.
	insistPercent = 60
	goOnPercent   = 20

	// Whoever repeats a request takes one that is under way somewhere, if there is one; the last request of any
	// session, which the system must answer however late; or else an older one, which it must not execute again.
	openPercent = 45
	lastPercent = 40
)

const (
	sessionRequestsMin = 4 // a worker begins a new session after so many requests …
	sessionRequestsMax = 20
	sessionsKept       = 4096 // of whose requests some may be repeated
	requestsKept       = 8    // of each of them, the latest
)

// session is the workload of the same name: appends of unique elements, each sent any number of times. Workers have a
// session of requests each, apart from the process that they are in the history, and anybody may repeat anybody's
// request at his own node: while it is under way elsewhere, after a timeout, and long after it was answered. That is
// what a client's retries and a network's duplicates come to.
type session struct {
	opts     Options
	keys     *keyPool
	workers  []sessionWorker
	sessions []*conversation          // in use, or left; the latest of them
	byClient map[uint64]*conversation // those and no others
	clients  uint64
	value    int64
}

type sessionWorker struct {
	rng  *rand.Rand
	mine *conversation
}

// conversation is one session.
type conversation struct {
	client   uint64
	seq      uint64       // of the latest request
	requests []history.Op // the latest, oldest first
	limit    uint64       // how many there will be
	answered bool         // the latest request was, at least once
	open     int          // attempts at it that are under way
}

func newSession(opts Options) (Generator, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.ReadPercent == 0 { // an append reads too
		opts.ReadPercent = sessionReadPercent
	}
	opts = opts.withDefaults(appendKeyOps)
	g := &session{
		opts: opts, keys: newKeyPool(opts, func(int) bool { return false }), byClient: make(map[uint64]*conversation),
	}
	for w := range opts.Workers {
		g.workers = append(g.workers, sessionWorker{rng: stream(opts.Seed, "session", w)})
	}
	return g, nil
}

func (g *session) Next(w int) history.Op {
	me := &g.workers[w]
	if g.opts.readOnly(w) || me.rng.IntN(100) < g.opts.ReadPercent {
		return history.Op{Func: history.Read, Key: g.keys.pick(w, me.rng).name}
	}
	if c := me.mine; c != nil && !c.answered {
		switch draw := me.rng.IntN(100); {
		case draw < insistPercent:
			return c.again(len(c.requests) - 1)
		case draw >= insistPercent+goOnPercent:
			me.mine = nil
		}
	} else if c := g.other(me.rng); c != nil && me.rng.IntN(100) < repeatPercent {
		if n := len(c.requests) - 1; n > 0 && me.rng.IntN(100) >= openPercent+lastPercent {
			return c.again(me.rng.IntN(n))
		}
		return c.again(len(c.requests) - 1)
	}
	if me.mine == nil || me.mine.seq >= me.mine.limit {
		me.mine = g.begin(me.rng)
	}
	g.value++
	return me.mine.ask(history.Op{Func: history.Append, Key: g.keys.pick(w, me.rng).name, Value: g.value})
}

// begin begins a session. Requests have odd clients, so that processes can have the even ones, see [Workload.Session].
func (g *session) begin(rng *rand.Rand) *conversation {
	c := &conversation{
		client: 2*g.clients + 1, limit: uint64(sessionRequestsMin + rng.IntN(sessionRequestsMax-sessionRequestsMin+1)),
	}
	g.clients++
	if len(g.sessions) == sessionsKept {
		delete(g.byClient, g.sessions[0].client)
		g.sessions = g.sessions[1:]
	}
	g.sessions = append(g.sessions, c)
	g.byClient[c.client] = c
	return c
}

// other is a session whose requests may be repeated: often one whose latest is under way.
func (g *session) other(rng *rand.Rand) *conversation {
	if len(g.sessions) == 0 {
		return nil
	}
	if rng.IntN(100) < openPercent {
		at := rng.IntN(len(g.workers))
		for i := range g.workers {
			if c := g.workers[(at+i)%len(g.workers)].mine; c != nil && c.open > 0 {
				return c
			}
		}
	}
	return g.sessions[rng.IntN(len(g.sessions))]
}

// ask makes op the session's next request.
func (c *conversation) ask(op history.Op) history.Op {
	c.seq++
	op.Request = history.Request{Client: c.client, Seq: c.seq}
	if len(c.requests) == requestsKept {
		c.requests = append(c.requests[:0], c.requests[1:]...)
	}
	c.requests, c.answered, c.open = append(c.requests, op), false, 1
	return op
}

// again asks for a request once more.
func (c *conversation) again(i int) history.Op {
	if i == len(c.requests)-1 {
		c.open++
	}
	return c.requests[i]
}

func (g *session) Observe(_ int, op history.Op, a Answer) {
	g.keys.observe(op, a)
	c := g.byClient[op.Request.Client]
	if c == nil || op.Request.Seq != c.seq {
		return
	}
	c.open--
	c.answered = c.answered || a.Type == history.OK
}

func (g *session) Keys() []string { return g.keys.names }

// Latest implements [Repeater].
func (g *session) Latest() []history.Op {
	out := make([]history.Op, len(g.sessions))
	for i, c := range g.sessions {
		out[i] = c.requests[len(c.requests)-1]
	}
	return out
}
