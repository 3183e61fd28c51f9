package clockshim

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// lead is how long before it takes effect a change is published. If a writer is held up for longer between two
	// instructions, readers in between see a jump; Set reports it.
	lead = 3 * time.Millisecond
	// settled is the minimal age of a change before the next one may overwrite the slot before it: longer than a
	// coarse clock lags behind.
	settled = 20 * time.Millisecond
	// lockTimeout limits the wait for another writer, and attempts the retries of a writer that was held up.
	lockTimeout = 5 * time.Second
	attempts    = 200
)

// ErrLate says that a change was made, but took effect late, so that clocks may have jumped.
var ErrLate = errors.New("change took effect late, clocks may have jumped")

// Create creates a control file under which all clocks are the real ones. The file appears complete or not at all;
// if it exists already, errors.Is(err, fs.ErrExist) holds.
func Create(path string) error {
	o, err := here()
	if err != nil {
		return fmt.Errorf("create control file: %w", err)
	}
	p := page{origin: o}
	w := p.encode()
	f, err := os.CreateTemp(filepath.Dir(path), ".clockshim-*")
	if err != nil {
		return fmt.Errorf("create control file: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(unsafe.Slice((*byte)(unsafe.Pointer(&w)), Size))
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err != nil {
		return fmt.Errorf("create control file: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil {
		return fmt.Errorf("create control file: %w", err)
	}
	return nil
}

// Set changes the clocks of every process started with the control file, all at the same instant, and returns after
// that instant. Concurrent calls are serialized.
//
// It fails with the errors of [Change.Validate], [ErrBackward] or [ErrRange] without having changed anything, and
// with [ErrLate] after the change was made.
func Set(path string, c Change) (State, error) {
	if err := c.Validate(); err != nil {
		return State{}, fmt.Errorf("set clocks: %w", err)
	}
	m, err := openControl(path, os.O_RDWR)
	if err != nil {
		return State{}, fmt.Errorf("set clocks: %w", err)
	}
	defer m.close()
	if err := m.lock(); err != nil {
		return State{}, fmt.Errorf("set clocks: %s: %w", path, err)
	}
	if err := m.change(c); err != nil {
		return State{}, fmt.Errorf("set clocks: %s: %w", path, err)
	}
	p, err := m.read()
	if err != nil {
		return State{}, fmt.Errorf("set clocks: %s: %w", path, err)
	}
	return p.state(readReal()), nil
}

// Get returns what processes started with the control file currently see.
func Get(path string) (State, error) {
	m, err := openControl(path, os.O_RDONLY)
	if err != nil {
		return State{}, fmt.Errorf("get clocks: %w", err)
	}
	defer m.close()
	p, err := m.read()
	if err != nil {
		return State{}, fmt.Errorf("get clocks: %s: %w", path, err)
	}
	return p.state(readReal()), nil
}

// Attached reports whether a process has mapped the control file, that is, whether its clocks are under it. The error
// is [ErrGone] if there is no such process, or it is ending: it has no memory from before it is seen to be dead.
func Attached(pid int, path string) (bool, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return false, fmt.Errorf("find control file: %w", &fs.PathError{Op: "stat", Path: path, Err: err})
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH):
		return false, fmt.Errorf("read mappings of process %d: %w", pid, ErrGone)
	case err != nil:
		return false, fmt.Errorf("read mappings: %w", err)
	}
	dev := uint64(st.Dev) //nolint:unconvert // narrower on mips
	want := fmt.Sprintf(" %02x:%02x %d ", unix.Major(dev), unix.Minor(dev), st.Ino)
	for lines := bufio.NewScanner(bytes.NewReader(maps)); lines.Scan(); {
		if bytes.Contains(append(lines.Bytes(), ' '), []byte(want)) {
			return true, nil
		}
	}
	return false, nil
}

// mapped is a control file mapped into this process.
type mapped struct {
	file  *os.File
	bytes []byte
	words *words
}

// openControl maps a file and rejects anything but a control file of this boot and time namespace.
func openControl(path string, flag int) (*mapped, error) {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, err
	}
	m, err := mapControl(f, flag)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func mapControl(f *os.File, flag int) (*mapped, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != Size {
		return nil, fmt.Errorf("%w: %d bytes (%v), want a regular file of %d",
			ErrControlFile, info.Size(), info.Mode(), Size)
	}
	prot := unix.PROT_READ
	if flag&os.O_RDWR != 0 {
		prot |= unix.PROT_WRITE
	}
	b, err := unix.Mmap(int(f.Fd()), 0, Size, prot, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map control file: %w", err)
	}
	m := &mapped{file: f, bytes: b, words: (*words)(unsafe.Pointer(&b[0]))}
	if _, err := m.read(); err != nil {
		_ = unix.Munmap(b)
		return nil, err
	}
	return m, nil
}

// close unmaps the file and thereby releases the lock.
func (m *mapped) close() {
	_ = unix.Munmap(m.bytes)
	_ = m.file.Close()
}

// lock excludes other writers until the file is closed.
func (m *mapped) lock() error {
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(time.Millisecond) {
		err := unix.Flock(int(m.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			return err
		}
	}
}

func (m *mapped) seq() uint64 { return atomic.LoadUint64(&m.words[wordSeq]) }

// read returns a consistent copy.
func (m *mapped) read() (page, error) {
	o, err := here()
	if err != nil {
		return page{}, err
	}
	for {
		seq := m.seq()
		var w words
		for i := range w {
			w[i] = atomic.LoadUint64(&m.words[i])
		}
		if m.seq() != seq {
			continue
		}
		p, err := decode(&w)
		if err != nil {
			return page{}, err
		}
		if p.origin != o {
			return page{}, ErrElsewhere
		}
		return p, nil
	}
}

// change publishes the next state and waits until it is in effect. The lock must be held.
func (m *mapped) change(c Change) error {
	p, err := m.read()
	if err != nil {
		return err
	}
	current := p.slots[p.active()]
	if wait := time.Duration(current.at) + settled - monotonic(); wait > 0 {
		time.Sleep(min(wait, settled+lead))
	}
	writing := p.seq | 1
	atomic.StoreUint64(&m.words[wordSeq], writing)
	for range attempts {
		real := readReal()
		next, err := c.next(current, real, real.mono+int64(lead))
		if err != nil {
			return err
		}
		for i, w := range next.encode() {
			atomic.StoreUint64(&m.words[wordSlots+(p.active()^1)*slotWords+i], w)
		}
		at := time.Duration(next.at)
		if monotonic() > at-lead/2 {
			continue
		}
		atomic.StoreUint64(&m.words[wordSeq], writing+1)
		if late := monotonic() - at; late > 0 {
			return fmt.Errorf("%w: by up to %v", ErrLate, late)
		}
		for monotonic() <= at {
			time.Sleep(at - monotonic() + time.Microsecond)
		}
		return nil
	}
	return fmt.Errorf("machine too busy: held up for %v in each of %d attempts", lead/2, attempts)
}

// monotonic reads the machine's clock by a system call, in case the writer itself is under a shim.
func monotonic() time.Duration { return time.Duration(readClock(unix.CLOCK_MONOTONIC)) }

// readClock returns the machine's clock in nanoseconds. Reading the clocks used in this package cannot fail.
func readClock(id int32) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		panic(fmt.Sprintf("clock %d: %v", id, err))
	}
	return ts.Nano()
}

// readReal reads all clocks; the offsets between them are those of the quickest of several readings.
func readReal() realClocks {
	ids := [numLines]int32{lineWall: unix.CLOCK_REALTIME, lineBoot: unix.CLOCK_BOOTTIME, lineTAI: unix.CLOCK_TAI}
	var r realClocks
	for i, id := range ids {
		best := int64(0)
		for n := range 8 {
			if i == lineMono {
				break
			}
			before := readClock(unix.CLOCK_MONOTONIC)
			value := readClock(id)
			took := readClock(unix.CLOCK_MONOTONIC) - before
			if n == 0 || took < best {
				best, r.offsets[i] = took, value-before-took/2
			}
		}
	}
	r.mono = readClock(unix.CLOCK_MONOTONIC)
	return r
}

// here returns the boot and time namespace of this process.
func here() (origin, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return origin{}, fmt.Errorf("read boot id: %w", err)
	}
	raw, err := hex.DecodeString(string(bytes.ReplaceAll(bytes.TrimSpace(text), []byte("-"), nil)))
	if err != nil || len(raw) != 16 {
		return origin{}, fmt.Errorf("read boot id: %q is none", text)
	}
	o := origin{boot: [2]uint64(unsafe.Slice((*uint64)(unsafe.Pointer(&raw[0])), 2))}
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/time", &st) == nil { // kernels before 5.6 have none
		o.timeNS = st.Ino
	}
	return o, nil
}
