package clockshim

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Watch reads clocks repeatedly. Create one with [NewWatch].
type Watch struct {
	function uintptr // clock_gettime in the vDSO
}

// NewWatch locates the vDSO of this process.
func NewWatch() (*Watch, error) {
	f, err := os.Open("/proc/self/mem")
	if err != nil {
		return nil, fmt.Errorf("find clocks: %w", err)
	}
	defer func() { _ = f.Close() }()
	v, err := readVDSO(os.Getpid(), memory{f})
	if err != nil {
		return nil, fmt.Errorf("find clocks: %w", err)
	}
	return &Watch{function: v.base + uintptr(v.symbols["__vdso_clock_gettime"].offset)}, nil
}

// Now reads the clocks. It takes well under a microsecond, or longer if the thread is descheduled: see
// Moment.Error.
func (w *Watch) Now() (Moment, error) {
	return between(
		func() int64 { return readClock(unix.CLOCK_MONOTONIC_RAW) },
		func() (mono, wall int64, err error) {
			if mono, err = w.seen(unix.CLOCK_MONOTONIC); err == nil {
				wall, err = w.seen(unix.CLOCK_REALTIME)
			}
			return mono, wall, err
		})
}

// seen reads a clock as programs do.
func (w *Watch) seen(id int32) (int64, error) {
	ts := new(unix.Timespec)
	if code := int32(callVDSO(w.function, int64(id), ts)); code != 0 {
		return 0, fmt.Errorf("read clock %d: %w", id, unix.Errno(-code))
	}
	return ts.Nano(), nil
}
