//go:build linux

package hostclock

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"elenchus/nemesis/clockshim"
)

// KernelBook is the path of the book of a kernel's clocks. It is fixed so that a later harness finds it.
const KernelBook = "/run/elenchus-clock.book"

// ErrNotOwnKernel is returned for a kernel that is not known to belong to this host alone.
var ErrNotOwnKernel = errors.New("the kernel's clocks are not known to be this host's alone")

// OpenKernel opens the clocks of the kernel with the given boot id (/proc/sys/kernel/random/boot_id). The caller
// must know the id, so that no call meant for another machine moves this one's clocks. Containers are refused,
// because their clocks are shared.
func OpenKernel(boot, self string) (*Clock, error) {
	if err := ownKernel(boot); err != nil {
		return nil, fmt.Errorf("open the kernel's clocks: %w", err)
	}
	watch, err := clockshim.NewWatch()
	if err != nil {
		return nil, fmt.Errorf("open the kernel's clocks: %w", err)
	}
	return &Clock{
		driver: &kernel{calls: realKernel{watch}, daemons: hostDaemons{}}, shelf: file{KernelBook},
		strobers: programs{self, []string{"-kernel", boot}}, sleep: time.Sleep,
	}, nil
}

// firstNamespaces are the initial namespaces of a machine (include/linux/proc_ns.h). A process in others is in a
// container.
var firstNamespaces = map[string]string{"pid": "pid:[4026531836]", "user": "user:[4026531837]"}

func ownKernel(boot string) error {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotOwnKernel, err)
	}
	if strings.TrimSpace(string(id)) != boot {
		return fmt.Errorf("%w: it was booted as %s, the one that was meant as %q", ErrNotOwnKernel,
			strings.TrimSpace(string(id)), boot)
	}
	for name, first := range firstNamespaces {
		if at, err := os.Readlink("/proc/self/ns/" + name); err != nil || at != first {
			return fmt.Errorf("%w: this is a container, with a %s namespace of its own", ErrNotOwnKernel, name)
		}
	}
	return nil
}

// control is how a kernel's clock is disciplined, in the units of adjtimex(2).
type control struct {
	Tick   int64 `json:"tick"` // µs that the clock advances per tick of nominally 1/100 s; 10000 nominally
	Freq   int64 `json:"freq"` // further parts per million, with a 16-bit fraction; up to ±500 ppm
	Status int64 `json:"status"`
}

const (
	nominalTick = 10_000
	ppbPerTick  = 100_000
	freqPerPPM  = 1 << 16

	statusUnsync = 0x40 // STA_UNSYNC: nobody disciplines the clock, and it is not copied to the hardware clock
)

// rate returns how fast a clock with this discipline runs relative to the raw one, in parts per billion.
func (c control) rate() float64 {
	return float64(c.Tick)*ppbPerTick + float64(c.Freq)*1000/freqPerPPM
}

// controlFor returns the discipline for a rate.
func controlFor(r clockshim.Rate) control {
	tick := (int64(r) + ppbPerTick/2) / ppbPerTick
	rest := int64(r) - tick*ppbPerTick
	return control{Tick: tick, Freq: rest * freqPerPPM / 1000, Status: statusUnsync}
}

// origin is the state of a kernel's clocks before they were moved.
type origin struct {
	clockshim.Moment
	Control control  `json:"control"`
	Daemons []daemon `json:"daemons,omitempty"`
}

// calls are the system calls that move a kernel's clocks.
type calls interface {
	eye
	control() (control, error)
	setControl(c control) error // also cancels what is left of an adjustment in progress
	shift(d time.Duration) error
}

// kernel moves a kernel's clocks.
type kernel struct {
	calls
	daemons daemons
}

func (k *kernel) way() Way { return Kernel }

func (k *kernel) close() {}

// attached is true for every process, since all of them use the kernel's clocks.
func (k *kernel) attached(int) (bool, error) { return true, nil }

// begin records the present state and stops the time daemons.
func (k *kernel) begin(b *book, save func() error) ([]string, error) {
	if b.Origin == nil {
		m, err := sharp(k)
		if err != nil {
			return nil, err
		}
		o := origin{Moment: m}
		if o.Control, err = k.control(); err != nil {
			return nil, err
		}
		if o.Daemons, err = k.daemons.running(); err != nil {
			return nil, err
		}
		b.Origin = &o
	}
	if err := save(); err != nil {
		return nil, err
	}
	var did []string
	for _, d := range b.Origin.Daemons {
		if err := k.daemons.stop(d); err != nil {
			return did, err
		}
		did = append(did, "stopped "+d.String())
	}
	return did, nil
}

func (k *kernel) end(b *book) ([]string, error) {
	if b.Origin == nil {
		return nil, nil
	}
	var did []string
	var problems []error
	for _, d := range b.Origin.Daemons {
		if err := k.daemons.start(d); err != nil {
			problems = append(problems, err)
			continue
		}
		did = append(did, "started "+d.String())
	}
	return did, errors.Join(problems...)
}

// rate sets the rate of the kernel's clocks and reads it back, because the kernel silently clamps what it cannot
// do.
func (k *kernel) rate(r clockshim.Rate) (string, error) {
	want := controlFor(r)
	if r == clockshim.Nominal {
		want = control{Tick: nominalTick, Status: statusUnsync}
	}
	return "", k.keep(want)
}

func (k *kernel) keep(want control) error {
	if err := k.setControl(want); err != nil {
		return err
	}
	got, err := k.control()
	if err == nil && (got.Tick != want.Tick || got.Freq != want.Freq) {
		err = fmt.Errorf("the kernel keeps its clock with tick %d and frequency %d, not %d and %d", got.Tick, got.Freq,
			want.Tick, want.Freq)
	}
	return err
}

func (k *kernel) step(d time.Duration) (string, error) { return "", k.shift(d) }

// reset restores the previous discipline, and sets the wall clock to where it would be by now under it.
func (k *kernel) reset(b *book) (string, error) {
	if b.Origin == nil {
		return "", nil
	}
	if err := k.keep(b.Origin.Control); err != nil {
		return "", err
	}
	m, err := sharp(k)
	if err != nil {
		return "", err
	}
	off, err := k.off(b, m)
	if err != nil || off == 0 {
		return "", err
	}
	return "", k.shift(-off)
}

func (k *kernel) off(b *book, m clockshim.Moment) (time.Duration, error) {
	if b.Origin == nil {
		return 0, nil
	}
	gained := float64(m.Raw-b.Origin.Raw) * (b.Origin.Control.rate()/float64(clockshim.Nominal) - 1)
	return time.Duration(ahead(m) - ahead(b.Origin.Moment) - int64(gained)), nil
}
