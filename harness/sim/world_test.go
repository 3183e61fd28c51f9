package sim

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/harness/sim/simtest"
	"elenchus/results/history"
)

// cleanSeeds is how many seeds the tests play; a campaign plays many more.
const cleanSeeds = 400

// draw is the plan of a seed.
func draw(tb testing.TB, seed uint64, o DrawOptions) *Plan {
	tb.Helper()
	p, err := Draw(seed, o)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// run plays a plan.
func run(tb testing.TB, w *World, p *Plan) Result {
	tb.Helper()
	r, err := w.Run(p)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// Inside the envelope nothing is ever wrong. Whatever this test finds is a bug, of the protocol or of the simulator.
func TestCleanSeedsStayClean(t *testing.T) {
	w := New(Options{})
	var total Stats
	seeds := simtest.Seeds(cleanSeeds)
	for seed := uint64(1); seed <= seeds; seed++ {
		p := draw(t, seed, DrawOptions{})
		if out := p.Outside(); out != nil {
			t.Fatalf("seed %d leaves the envelope: %q", seed, out)
		}
		r := run(t, w, p)
		total.Add(&r.Stats)
		if r.Violation != nil || r.Undecided != nil {
			t.Errorf("seed %d: %v, not decided: %q\nagain: elenchus sim --seeds %d", seed, r.Violation, r.Undecided, seed)
		}
	}
	t.Logf("%+v", total)
	// What finds nothing wrong must have seen something.
	for i, count := range total.fields() {
		if *count == 0 && seeds == cleanSeeds {
			t.Errorf("count %d of Stats is zero over %d seeds", i, seeds)
		}
	}
	if total.OK < 50*seeds || total.Leases < 2*seeds || total.Elections < seeds {
		t.Errorf("too little happens: %d answers, %d leases, %d elections", total.OK, total.Leases, total.Elections)
	}
}

// The same seed is the same run, whatever its world has played before: nothing, all seeds below, or all above. A world
// uses its memory again, and if a run could see what an earlier one has left there, it would be another one.
func TestRunsRepeatThemselves(t *testing.T) {
	seeds := simtest.Seeds(60)
	first := make([]Result, seeds+1)
	hashes := make(map[uint64]uint64)
	used := New(Options{Checker: NoChecker{}})
	for seed := uint64(1); seed <= seeds; seed++ {
		r := run(t, used, draw(t, seed, DrawOptions{}))
		if other, ok := hashes[r.Hash]; ok {
			t.Errorf("seeds %d and %d have the same hash", seed, other)
		}
		hashes[r.Hash] = seed
		r.History = slices.Clone(r.History) // the memory is the world's
		for i := range r.History {
			r.History[i].Result.Values = slices.Clone(r.History[i].Result.Values)
		}
		first[seed] = r
	}
	backwards := New(Options{Checker: NoChecker{}})
	for seed := seeds; seed >= 1; seed-- {
		for _, w := range []*World{backwards, New(Options{Checker: NoChecker{}, Record: true, Trace: true})} {
			again := run(t, w, draw(t, seed, DrawOptions{}))
			if first[seed].Hash != again.Hash || first[seed].Stats != again.Stats {
				t.Errorf("seed %d: hash %x, and another time %x\n%+v\n%+v", seed, first[seed].Hash, again.Hash,
					first[seed].Stats, again.Stats)
			}
			if !reflect.DeepEqual(first[seed].History, again.History) {
				t.Errorf("seed %d: another time its clients saw something else", seed)
			}
		}
	}
}

// A run that is told to stop is one that has ended then.
func TestARunCanBeStopped(t *testing.T) {
	asked := 0
	w := New(Options{Stop: func() bool { asked++; return asked == 2 }})
	p := draw(t, 3, DrawOptions{Length: 20 * time.Second})
	r := run(t, w, p)
	if r.Violation != nil || asked != 2 || r.Interrupted == 0 || r.Interrupted >= p.Length || r.Recovered <= 0 ||
		r.Simulated != r.Interrupted+r.Recovered || r.Stats.Events < 2*stopEvery {
		t.Errorf("asked %d times, %v: %+v", asked, r.Violation, r)
	}
	asked = 2
	whole := run(t, w, p)
	if whole.Interrupted != 0 || whole.Simulated < p.Length || len(whole.History) <= len(r.History) {
		t.Errorf("the next run in that world ends at %v, interrupted at %v", whole.Simulated, whole.Interrupted)
	}
}

// A run ends at the event at which it is told to, and nobody asks for anything more until all is healed. Who only looks
// on changes nothing.
func TestARunStopsAtAnEvent(t *testing.T) {
	const last = 200
	var seen []history.Event
	stop := int64(last)
	w := New(Options{Each: func(e *history.Event) bool {
		seen = append(seen, *e)
		return e.Seq != stop
	}})
	p := draw(t, 3, DrawOptions{Length: 20 * time.Second})
	r := run(t, w, p)
	at := seen[last].Time
	if r.Violation != nil || r.Interrupted != at || r.Recovered <= 0 || r.Simulated != r.Interrupted+r.Recovered {
		t.Errorf("told to stop at %v: %v, %+v", at, r.Violation, r)
	}
	for i, e := range seen {
		if e.Seq != int64(i) || e.Time > at || e.Phase != history.PhaseMain {
			t.Errorf("event %d is %+v", i, e)
		}
	}
	for _, op := range r.History {
		if op.CallSeq > last && op.Phase == history.PhaseMain && op.Call > at {
			t.Errorf("%v was invoked at %v", op.Op, op.Call)
		}
	}
	seen, stop = nil, -1
	whole := run(t, w, p)
	if quiet := run(t, New(Options{}), p); whole.Interrupted != 0 || whole.Hash != quiet.Hash {
		t.Errorf("interrupted at %v, hash %x and without anybody looking on %x", whole.Interrupted, whole.Hash, quiet.Hash)
	}
}

// fingerprintVariable makes a test binary print the fingerprint of a campaign.
const fingerprintVariable = "ELENCHUS_SIM_FINGERPRINT"

func fingerprinting() error {
	s, err := Campaign{From: 1, To: simtest.Seeds(repeatedSeeds), Workers: 3}.Run(context.Background())
	if err != nil {
		return err
	}
	if s.Failed > 0 {
		return fmt.Errorf("not clean: %v", s.Failures)
	}
	_, err = fmt.Println("fingerprint", s.Fingerprint, s.Stats.Events)
	return err
}

// repeatedSeeds is how many seeds of the clean campaign are played in each process.
const repeatedSeeds = 1000

// Another process has other seeds for its maps, another layout of its memory, and here other settings of the runtime.
// Its campaign has the same fingerprint, which is over every event of every run.
func TestFingerprintIsThatOfEveryProcess(t *testing.T) {
	var first string
	for _, procs := range []string{"1", "7"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fingerprintVariable+"=1", "GOMAXPROCS="+procs, "GOGC="+procs+"00")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		line := string(out)
		if !strings.HasPrefix(line, "fingerprint ") {
			t.Fatalf("no fingerprint in %q", out)
		}
		if first == "" {
			first = line
		}
		if line != first {
			t.Errorf("with GOMAXPROCS=%s: %q, before %q", procs, line, first)
		}
	}
}

// Messages that are handed over as values share memory with their senders. If anybody could see that, the same run
// with every message encoded and decoded would be another one.
func TestSharedMemoryIsNotObservable(t *testing.T) {
	w := New(Options{Checker: NoChecker{}})
	for seed := uint64(1); seed <= simtest.Seeds(80); seed++ {
		p := draw(t, seed, DrawOptions{})
		p.Network.CodecPPM = 0
		values := run(t, w, p)
		p.Network.CodecPPM = million
		encoded := run(t, w, p)
		if encoded.Stats.Encoded <= values.Stats.Encoded || values.Hash != encoded.Hash {
			t.Errorf("seed %d: hash %x with values, %x with %d messages encoded", seed, values.Hash, encoded.Hash,
				encoded.Stats.Encoded)
		}
	}
}

// Taking an event out of a run leaves everything as it was that does not depend on it: here all that happened before.
func TestFaultsDoNotChangeThePast(t *testing.T) {
	w := New(Options{Checker: NoChecker{}})
	compared := 0
	for seed := uint64(1); seed <= 40; seed++ {
		p := draw(t, seed, DrawOptions{Kinds: []string{"kill", "crash", "loss"}, Style: "swarm"})
		if len(p.Schedule.Faults) == 0 || len(p.Faults) > 0 && p.Faults[0].At < p.Schedule.Faults[0].At {
			continue
		}
		last := p.Schedule.Faults[len(p.Schedule.Faults)-1]
		until := func(p *Plan) (moments []time.Duration) {
			traced := New(Options{Checker: NoChecker{}, Trace: true})
			for _, m := range run(t, traced, p).Trace.Moments {
				if m.At < last.At {
					moments = append(moments, m.At)
				}
			}
			return moments
		}
		with := until(p)
		shorter := *p
		shorter.Schedule.Faults = p.Schedule.Faults[:len(p.Schedule.Faults)-1]
		without := until(&shorter)
		compared++
		if len(with) != len(without) {
			t.Errorf("seed %d: %d moments before %v with the fault, %d without", seed, len(with), last.At, len(without))
			continue
		}
		for i := range with {
			if with[i] != without[i] {
				t.Errorf("seed %d: moment %d is at %v with the fault, at %v without", seed, i, with[i], without[i])
				break
			}
		}
	}
	if compared < 10 {
		t.Errorf("only %d plans were compared", compared)
	}
	_ = w
}

// A script repeats what the clients of a run did, in the place of the workload.
func TestScriptTakesThePlaceOfTheWorkload(t *testing.T) {
	w := New(Options{})
	p := draw(t, 3, DrawOptions{Style: "calm"})
	first := run(t, w, p)
	script := first.Script()
	if len(script) < 50 {
		t.Fatalf("only %d calls", len(script))
	}
	scripted := *p
	scripted.Load.Script = script
	again := run(t, w, &scripted)
	if again.Violation != nil || again.Stats.OK+again.Stats.Failed+again.Stats.Unknown < uint64(len(script)) {
		t.Errorf("%v, %+v for %d calls", again.Violation, again.Stats, len(script))
	}
	scripted.Load.Script = script[:5]
	if few := run(t, w, &scripted); few.Stats.OK > 100 {
		t.Errorf("%d answers to five calls and the last reads", few.Stats.OK)
	}
}
