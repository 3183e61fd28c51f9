package nemesis

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
)

// world is an in-memory cluster together with its actuator. Every action takes one millisecond of virtual time. The
// maps keyed by "host op" make actions fail, slow down, or lie.
type world struct {
	mu    sync.Mutex
	hosts []Host
	state map[string]*fakeHost
	next  int // PID of the next process

	leader     string
	ballots    int // that leaders have given up
	leaderErr  error
	leaderTake time.Duration

	broken map[string]error         // "n1 install": error to return
	slow   map[string]time.Duration // "n1 install": extra delay
	lies   map[string]bool          // "n1 counters": reports success without doing anything

	later func()            // called by tests when a fault has been active for some time
	touch func(host string) // called before anything is done to a host
}

type fakeHost struct {
	order   []string // of the chains
	chains  map[string][]rule
	met     counters
	process Process // as recorded
	alive   bool
	stopped bool
	clocks  []fakeMove
}

// fakeMove is one fault's change to the clocks of a host.
type fakeMove struct {
	fault string
	hostclock.Move
}

func newWorld(names ...string) *world {
	w := &world{state: map[string]*fakeHost{}, broken: map[string]error{}, slow: map[string]time.Duration{},
		lies: map[string]bool{}, touch: func(string) {}}
	for i, name := range names {
		peer := netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})
		w.hosts = append(w.hosts, Host{Name: name, Peer: peer, PIDFile: "/pid",
			Clock: HostClock{Helper: "/helper", Control: "/clock"}})
		w.state[name] = &fakeHost{chains: map[string][]rule{}, met: counters{}}
		_ = w.start(context.Background(), w.hosts[i])
	}
	return w
}

// setSlow delays an action while the world is running.
func (w *world) setSlow(key string, by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow[key] = by
}

// lie makes an action a no-op that reports success from now on.
func (w *world) lie(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lies[key] = true
}

// current returns the process recorded on a host.
func (w *world) current(host string) Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state[host].process
}

// act begins every action: it lets time pass and may fail.
func (w *world) act(ctx context.Context, host, op string) error {
	key := host + " " + op
	w.mu.Lock()
	takes := time.Millisecond + w.slow[key]
	w.mu.Unlock()
	if err := sleep(ctx, takes); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken[key]
}

func (w *world) install(ctx context.Context, host Host, chain string, rules []rule) error {
	if err := w.act(ctx, host.Name, "install"); err != nil {
		return err
	}
	w.touch(host.Name)
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.state[host.Name]
	if h.chains[chain] == nil {
		h.order = append(h.order, chain)
	}
	h.chains[chain] = rules
	for _, r := range rules {
		h.met[counter{chain, r}] = 0
	}
	return nil
}

func (w *world) remove(ctx context.Context, host Host, chain string) error {
	if err := w.act(ctx, host.Name, "remove"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lies[host.Name+" remove"] {
		return nil
	}
	h := w.state[host.Name]
	h.order = slices.DeleteFunc(h.order, func(name string) bool { return name == chain })
	for _, r := range h.chains[chain] {
		delete(h.met, counter{chain, r})
	}
	delete(h.chains, chain)
	return nil
}

func (w *world) counters(ctx context.Context, host Host) (counters, error) {
	if err := w.act(ctx, host.Name, "counters"); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	found := counters{}
	for k, v := range w.state[host.Name].met {
		found[k] = v
	}
	return found, nil
}

// arrives applies a host's rules to a packet.
func (w *world) arrives(from netip.Addr, to *fakeHost, name string) bool {
	for _, chain := range to.order {
		for _, r := range to.chains[chain] {
			if r.source != from || w.lies[name+" drop"] {
				continue
			}
			to.met[counter{chain, r}]++
			if r.drop {
				return false
			}
		}
	}
	return true
}

func (w *world) at(addr netip.Addr) Host {
	for _, host := range w.hosts {
		if host.Peer == addr {
			return host
		}
	}
	panic("no host at " + addr.String())
}

func (w *world) knock(ctx context.Context, host Host, to []netip.Addr) error {
	if err := w.act(ctx, host.Name, "knock"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, addr := range to {
		if !w.lies[host.Name+" knock"] {
			name := w.at(addr).Name
			w.arrives(host.Peer, w.state[name], name)
		}
	}
	return nil
}

func (w *world) reach(ctx context.Context, host Host, to []netip.Addr) (map[netip.Addr]string, error) {
	if err := w.act(ctx, host.Name, "reach"); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	failures := map[netip.Addr]string{}
	for _, addr := range to {
		name := w.at(addr).Name
		there := w.arrives(host.Peer, w.state[name], name)
		back := w.arrives(addr, w.state[host.Name], host.Name)
		if !there || !back {
			failures[addr] = "timeout"
		}
	}
	return failures, nil
}

func (w *world) sighting(p Process) sighting {
	h := w.state[p.Host]
	s := sighting{Process: p, recorded: true}
	if s.alive = h.alive && h.process == p; s.alive {
		s.state, s.threads = "S", 4
		if h.stopped {
			s.state, s.stopped = "T", 4
		}
	}
	return s
}

func (w *world) find(ctx context.Context, host Host) (sighting, error) {
	if err := w.act(ctx, host.Name, "find"); err != nil {
		return sighting{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state[host.Name].process == (Process{}) {
		return sighting{}, nil
	}
	return w.sighting(w.state[host.Name].process), nil
}

func (w *world) watch(ctx context.Context, host Host, p Process) (sighting, error) {
	if err := w.act(ctx, host.Name, "watch"); err != nil {
		return sighting{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sighting(p), nil
}

func (w *world) signal(ctx context.Context, host Host, p Process, signal string) (bool, error) {
	if err := w.act(ctx, host.Name, signal); err != nil {
		return false, err
	}
	w.touch(host.Name)
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.state[host.Name]
	if !h.alive || h.process != p {
		return false, nil
	}
	if w.lies[host.Name+" "+signal] {
		return true, nil
	}
	switch signal {
	case "KILL":
		h.alive, h.stopped = false, false
	case "STOP":
		h.stopped = true
	case "CONT":
		h.stopped = false
	}
	return true, nil
}

func (w *world) start(ctx context.Context, host Host) error {
	if err := w.act(ctx, host.Name, "start"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.state[host.Name]
	if !h.alive {
		w.next++
		h.process, h.alive, h.stopped = Process{host.Name, w.next, uint64(100 * w.next)}, true, false
		return w.settle(ctx, h)
	}
	return nil
}

// handOver makes the leader give up leading. A stopped process answers when it goes on.
func (w *world) handOver(ctx context.Context, host Host) (string, error) {
	if err := w.act(ctx, host.Name, "handOver"); err != nil {
		return "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.state[host.Name]
	for asked := h.process; h.stopped; {
		w.mu.Unlock()
		err := sleep(ctx, time.Millisecond)
		w.mu.Lock()
		if err != nil || h.process != asked {
			return "", errors.Join(err, errors.New("no answer"))
		}
	}
	switch {
	case !h.alive:
		return "", errors.New("connection refused")
	case w.leader != host.Name:
		return "", ErrNotLeader
	}
	w.leader = ""
	w.ballots++
	return fmt.Sprintf("%d.%s", w.ballots, host.Name), nil
}

// elect makes a node lead.
func (w *world) elect(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leader = host
}

// going is how clocks with these moves run in the tenth of a second before or after an action.
func going(moves []fakeMove, before bool) hostclock.Span {
	const took = int64(100 * time.Millisecond)
	rate, wall := clockshim.Nominal, int64(time.Hour)
	s := hostclock.Span{}
	for _, m := range moves {
		wall += int64(m.Step)
		if m.Rate != 0 {
			rate = m.Rate
		}
		if m.Strobe != 0 {
			s.High, s.Flips = m.Strobe, 4
		}
	}
	gone := took * int64(rate) / int64(clockshim.Nominal)
	s.From = clockshim.Moment{Wall: wall, Error: 500}
	s.To = clockshim.Moment{Mono: gone, Wall: wall + gone, Raw: took, Error: 500}
	if before {
		for _, m := range []*clockshim.Moment{&s.From, &s.To} {
			m.Mono, m.Wall, m.Raw = m.Mono-gone, m.Wall-gone, m.Raw-took
		}
	}
	return s
}

// clockReport changes the moves of a host and reports on it; a host that lies leaves its clocks unchanged.
func (w *world) clockReport(host Host, pid int, change func([]fakeMove) []fakeMove) hostclock.Report {
	h := w.state[host.Name]
	r := hostclock.Report{Way: hostclock.Shim, Before: going(h.clocks, true)}
	if !w.lies[host.Name+" clock"] {
		h.clocks = change(slices.Clone(h.clocks))
	}
	r.After = going(h.clocks, false)
	for _, m := range h.clocks {
		r.Left, r.Off = append(r.Left, m.Move), r.Off+m.Step
	}
	if h.alive && h.process.PID == pid {
		attached := !w.lies[host.Name+" attached"]
		r.Attached = &attached
	}
	if w.lies[host.Name+" fight"] {
		r.Fight = "somebody else moves the clocks"
	}
	return r
}

func (w *world) moveClock(ctx context.Context, host Host, fault string, m hostclock.Move, pid int) (
	hostclock.Report, error) {
	if err := w.act(ctx, host.Name, "moveClock"); err != nil {
		return hostclock.Report{}, err
	}
	w.touch(host.Name)
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.Strobe != 0 && slices.ContainsFunc(w.state[host.Name].clocks, func(m fakeMove) bool { return m.Strobe != 0 }) {
		return hostclock.Report{Skipped: "another fault strobes these clocks"}, nil
	}
	return w.clockReport(host, pid, func(moves []fakeMove) []fakeMove { return append(moves, fakeMove{fault, m}) }), nil
}

func (w *world) restoreClock(ctx context.Context, host Host, fault string) (hostclock.Report, error) {
	if err := w.act(ctx, host.Name, "restoreClock"); err != nil {
		return hostclock.Report{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clockReport(host, 0, func(moves []fakeMove) []fakeMove {
		return slices.DeleteFunc(moves, func(m fakeMove) bool { return m.fault == fault })
	}), nil
}

func (w *world) lookClock(ctx context.Context, host Host, pid int) (hostclock.Report, error) {
	if err := w.act(ctx, host.Name, "lookClock"); err != nil {
		return hostclock.Report{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clockReport(host, pid, func(moves []fakeMove) []fakeMove { return moves }), nil
}

func (w *world) resetClock(ctx context.Context, host Host) (hostclock.Report, error) {
	if err := w.act(ctx, host.Name, "resetClock"); err != nil {
		return hostclock.Report{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	had := w.state[host.Name].clocks
	r := w.clockReport(host, 0, func([]fakeMove) []fakeMove { return nil })
	for _, m := range had {
		r.Done = append(r.Done, "put right what "+m.fault+" moved")
	}
	return r, nil
}

// settle is the wait after a process was started. A process that dies meanwhile fails the start and leaves no
// record.
func (w *world) settle(ctx context.Context, h *fakeHost) error {
	started := h.process
	if lasts := w.slow[started.Host+" settle"]; lasts > 0 {
		w.mu.Unlock()
		err := sleep(ctx, lasts)
		w.mu.Lock()
		if err != nil {
			return err
		}
	}
	if h.process == started && !h.alive {
		h.process = Process{}
		return errors.New("it exited at once")
	}
	return nil
}

func (w *world) sweep(ctx context.Context, host Host) ([]string, error) {
	if err := w.act(ctx, host.Name, "sweep"); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.state[host.Name]
	var removed []string
	for _, chain := range h.order {
		removed = append(removed, "iptables "+chain)
	}
	h.order, h.chains, h.met = nil, map[string][]rule{}, counters{}
	return removed, nil
}

func (w *world) leftovers(ctx context.Context, host Host) ([]string, error) {
	if err := w.act(ctx, host.Name, "leftovers"); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.state[host.Name].order), nil
}

// sleepers and endSleepers find nothing: in this world no fault is proven.
func (w *world) sleepers(ctx context.Context, host Host) ([]Process, error) {
	return nil, w.act(ctx, host.Name, "sleepers")
}

func (w *world) endSleepers(ctx context.Context, host Host) ([]Process, error) {
	return nil, w.act(ctx, host.Name, "endSleepers")
}

// ill describes how the hosts differ from their initial state.
func (w *world) ill() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var texts []string
	for _, host := range w.hosts {
		h := w.state[host.Name]
		for _, chain := range h.order {
			texts = append(texts, host.Name+" has "+chain)
		}
		if !h.alive {
			texts = append(texts, host.Name+" is dead")
		}
		if h.stopped {
			texts = append(texts, host.Name+" is stopped")
		}
		if len(h.clocks) > 0 {
			texts = append(texts, host.Name+" has crooked clocks")
		}
	}
	return strings.Join(texts, ", ")
}

// The remaining methods implement Cluster. Nothing runs scripts here.

func (w *world) Hosts() []Host { return w.hosts }

func (w *world) Run(context.Context, string, string) (string, error) {
	return "", errors.New("this world has no shell")
}

func (w *world) Start(context.Context, string) error {
	return errors.New("this world starts processes through its actuator")
}

func (w *world) HandOver(context.Context, string) (string, error) {
	return "", errors.New("this world is asked through its actuator")
}

func (w *world) Leader(ctx context.Context) (string, error) {
	if err := sleep(ctx, w.leaderTake); err != nil {
		return "", fmt.Errorf("ask: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leader, w.leaderErr
}
