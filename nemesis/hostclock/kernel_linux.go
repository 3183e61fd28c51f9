package hostclock

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"elenchus/nemesis/clockshim"
)

// realKernel is the kernel that this process runs under.
type realKernel struct{ watch *clockshim.Watch }

func (k realKernel) Now() (clockshim.Moment, error) { return k.watch.Now() }

func (k realKernel) control() (control, error) {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return control{}, fmt.Errorf("ask how the kernel keeps its clock: %w", err)
	}
	//nolint:unconvert // narrower on some machines
	return control{Tick: int64(t.Tick), Freq: int64(t.Freq), Status: int64(t.Status)}, nil
}

// settable are the status bits that adjtimex(2) can set; the others are read-only.
const settable = unix.STA_PLL | unix.STA_PPSFREQ | unix.STA_PPSTIME | unix.STA_FLL | unix.STA_INS | unix.STA_DEL |
	unix.STA_UNSYNC | unix.STA_FREQHOLD

func (k realKernel) setControl(c control) error {
	stop := unix.Timex{Modes: unix.ADJ_OFFSET_SINGLESHOT}
	if _, err := unix.Adjtimex(&stop); err != nil {
		return fmt.Errorf("end an adjustment of the kernel's clock: %w", err)
	}
	t := unix.Timex{Modes: unix.ADJ_TICK | unix.ADJ_FREQUENCY | unix.ADJ_STATUS, Status: int32(c.Status & settable)}
	assign(&t.Tick, c.Tick)
	assign(&t.Freq, c.Freq)
	if _, err := unix.Adjtimex(&t); err != nil {
		return fmt.Errorf("set tick %d and frequency %d of the kernel's clock: %w", c.Tick, c.Freq, err)
	}
	return nil
}

func (k realKernel) shift(d time.Duration) error {
	t := unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO}
	// The nanoseconds must not be negative, even for a step back.
	seconds := int64(d / time.Second)
	rest := int64(d % time.Second)
	if rest < 0 {
		seconds, rest = seconds-1, rest+int64(time.Second)
	}
	assign(&t.Time.Sec, seconds)
	assign(&t.Time.Usec, rest)
	if _, err := unix.Adjtimex(&t); err != nil {
		return fmt.Errorf("step the kernel's clock by %v: %w", d, err)
	}
	return nil
}

// assign sets a field that is narrower on some platforms.
func assign[T ~int32 | ~int64](field *T, value int64) { *field = T(value) }
