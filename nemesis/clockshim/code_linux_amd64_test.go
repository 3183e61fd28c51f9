package clockshim

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loadShim maps the code and a control page into the test itself.
func loadShim(t testing.TB) (function uintptr, control *words) {
	t.Helper()
	b, err := unix.Mmap(-1, 0, 2*Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(b) })
	copy(b, blob)
	if err := unix.Mprotect(b[:Size], unix.PROT_READ|unix.PROT_EXEC); err != nil {
		t.Skip("cannot run code made here:", err)
	}
	return uintptr(unsafe.Pointer(&b[0])), (*words)(unsafe.Pointer(&b[Size]))
}

// The machine code computes what the Go code does, for every clock, in any state.
func TestCodeComputesTheSame(t *testing.T) {
	runtime.LockOSThread() // some clocks are those of a thread
	defer runtime.UnlockOSThread()
	function, control := loadShim(t)
	rng := rand.New(rand.NewPCG(1, 2))
	ts := new(unix.Timespec)
	for range 2000 {
		real := readReal()
		var p page
		for i := range p.slots {
			err := ErrRange
			for errors.Is(err, ErrRange) { // steps back on a machine that has just booted
				at := max(0, real.mono+rng.Int64N(2e15)>>rng.IntN(50)-1e12)
				p.slots[i], err = randomChange(rng).next(slot{}, real, at)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		p.seq = uint64(rng.IntN(4))
		*control = p.encode()
		for clock := int32(-3); clock < 14; clock++ {
			var want unix.Timespec
			refused := unix.ClockGettime(clock, &want)
			if refused == nil {
				want = unix.NsecToTimespec(reading(&p, clock))
			}
			code := int32(callVDSO(function, int64(clock), ts))
			if refused != nil {
				if errno := unix.Errno(-code); !errors.Is(refused, errno) {
					t.Fatalf("clock %d: %d, want %v", clock, code, refused)
				}
				continue
			}
			latest := reading(&p, clock)
			if got := ts.Nano(); code != 0 || got < want.Nano() || got > latest || ts.Nsec < 0 || ts.Nsec >= 1e9 {
				t.Fatalf("clock %d: %d (status %d), want %d to %d in %+v", clock, got, code, want.Nano(), latest, p)
			}
		}
	}
}

// While one goroutine changes rates as fast as it can, no reader of a monotonic clock ever sees it go back, not even
// behind what another thread has seen.
func TestNoReaderSeesMonotonicClocksGoBack(t *testing.T) {
	function, control := loadShim(t)
	path := newControl(t)
	m, err := openControl(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	address := function + Size
	if _, _, errno := unix.Syscall6(unix.SYS_MMAP, address, Size, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED,
		m.file.Fd(), 0); errno != 0 {
		t.Fatal(errno)
	}
	var wg sync.WaitGroup
	var stop, late atomic.Bool
	var readings atomic.Int64
	for _, clock := range []int32{unix.CLOCK_MONOTONIC, unix.CLOCK_BOOTTIME, unix.CLOCK_MONOTONIC_COARSE} {
		var highest atomic.Int64
		for range 2 {
			wg.Go(func() {
				ts := new(unix.Timespec)
				for !stop.Load() {
					floor := highest.Load()
					if code := callVDSO(function, int64(clock), ts); code != 0 {
						t.Errorf("clock %d: status %d", clock, code)
						return
					}
					now := ts.Nano()
					if now < floor && !late.Load() {
						t.Errorf("clock %d went back by %d ns", clock, floor-now)
						return
					}
					for old := highest.Load(); now > old && !highest.CompareAndSwap(old, now); old = highest.Load() {
					}
					readings.Add(1)
				}
			})
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	changes := 0
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); changes++ {
		c := Change{MonoRate: MinRate + Rate(rng.Int64N(int64(MaxRate-MinRate)))}
		if changes%2 == 0 {
			c.MonoRate = MaxRate
		}
		if err := m.change(c); err != nil {
			late.Store(true) // nothing is promised then
			t.Log(err)
		}
	}
	stop.Store(true)
	wg.Wait()
	if control[wordSeq] != uint64(2*changes) || readings.Load() < 1000 {
		t.Errorf("%d changes, state %d, %d readings", changes, control[wordSeq], readings.Load())
	}
}

func BenchmarkReading(b *testing.B) {
	ts := new(unix.Timespec)
	run := func(name string, function uintptr) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				callVDSO(function, unix.CLOCK_MONOTONIC, ts)
			}
		})
	}
	v := ownVDSO(b)
	run("vdso", v.base+uintptr(v.symbols["__vdso_clock_gettime"].offset))
	b.Run("syscall", func(b *testing.B) {
		for b.Loop() {
			readClock(unix.CLOCK_MONOTONIC)
		}
	})
	function, control := loadShim(b)
	run("shim-real", function)
	real := readReal()
	next, err := Change{MonoRate: Nominal / 2}.next(slot{}, real, real.mono)
	if err != nil {
		b.Fatal(err)
	}
	p := page{seq: 2, slots: [2]slot{next, next}}
	*control = p.encode()
	run("shim-slow", function)
}

// reading is what the shim shows of a clock now.
func reading(p *page, clock int32) int64 {
	value, _ := p.look(clock)
	return value
}
