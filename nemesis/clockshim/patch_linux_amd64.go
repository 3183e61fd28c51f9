package clockshim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// redirected maps the time functions of the vDSO to their replacements in the blob. The kernel exports each of them
// under its plain name as well.
var redirected = map[string]uintptr{
	"__vdso_clock_gettime": blobClockGettime,
	"__vdso_gettimeofday":  blobGettimeofday,
	"__vdso_time":          blobTime,
}

// patch puts the target, which is about to finish execve, under the shim and releases it. On an error the target is
// gone.
func (s *seizer) patch() error {
	t, err := arrive(s.pid)
	if err != nil {
		_ = unix.Kill(s.pid, unix.SIGKILL)
		return err
	}
	if err := s.install(t); err != nil {
		t.exit(ExitFailed)
		return err
	}
	if err := t.leave(); err != nil {
		_ = unix.Kill(s.pid, unix.SIGKILL)
		return err
	}
	return nil
}

func (s *seizer) install(t *tracee) error {
	v, err := readVDSO(t.pid, t)
	if err != nil {
		return fmt.Errorf("read vDSO: %w", err)
	}
	i := bytes.Index(v.image, []byte{0x0f, 0x05}) // any occurrence will do, whatever instruction the bytes belong to
	if i < 0 {
		return errors.New("no system call instruction in the vDSO")
	}
	t.insn = v.base + uintptr(i)
	code, err := s.mapPages(t)
	if err != nil {
		return err
	}
	if err := t.poke(code, blob); err != nil {
		return fmt.Errorf("write shim: %w", err)
	}
	for name, offset := range redirected {
		if err := v.redirect(t, name, code+offset); err != nil {
			return fmt.Errorf("redirect %s: %w", name, err)
		}
	}
	const readWrite, private = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	scratch, err := t.syscall(unix.SYS_MMAP, 0, Size, readWrite, private, ^uint64(0), 0)
	if err != nil {
		return fmt.Errorf("map scratch page: %w", err)
	}
	p := prober{tracee: t, vdso: v, code: code, scratch: uintptr(scratch), control: s.control}
	if err := p.verify(); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if _, err := t.syscall(unix.SYS_MUNMAP, scratch, Size); err != nil {
		return fmt.Errorf("unmap scratch page: %w", err)
	}
	return nil
}

// mapPages maps a page for code followed by the control file, and closes the latter in the target.
func (s *seizer) mapPages(t *tracee) (uintptr, error) {
	const private, shared = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS, unix.MAP_SHARED | unix.MAP_FIXED
	code, err := t.syscall(unix.SYS_MMAP, 0, 2*Size, unix.PROT_READ|unix.PROT_EXEC, private, ^uint64(0), 0)
	if err != nil {
		return 0, fmt.Errorf("map code page: %w", err)
	}
	fd := uint64(s.controlFD)
	if _, err := t.syscall(unix.SYS_MMAP, code+Size, Size, unix.PROT_READ, shared, fd, 0); err != nil {
		return 0, fmt.Errorf("map control file: %w", err)
	}
	if _, err := t.syscall(unix.SYS_CLOSE, fd); err != nil {
		return 0, fmt.Errorf("close control file: %w", err)
	}
	return uintptr(code), nil
}

// vdso is the kernel's shared object in a process.
type vdso struct {
	base    uintptr
	image   []byte
	symbols map[string]symbol
}

func readVDSO(pid int, memory interface {
	peek(addr uintptr, b []byte) error
}) (*vdso, error) {
	auxv, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	if err != nil {
		return nil, err
	}
	v := &vdso{}
	for entry := range slices.Chunk(auxv, 16) {
		if len(entry) == 16 && binary.LittleEndian.Uint64(entry) == atSysinfoEHDR {
			v.base = uintptr(binary.LittleEndian.Uint64(entry[8:]))
		}
	}
	if v.base == 0 {
		return nil, errors.New("the kernel gave the program none")
	}
	header := make([]byte, elfHeaderSize)
	if err := memory.peek(v.base, header); err != nil {
		return nil, err
	}
	size, err := elfSize(header)
	if err != nil {
		return nil, err
	}
	v.image = make([]byte, size)
	if err := memory.peek(v.base, v.image); err != nil {
		return nil, err
	}
	v.symbols, err = elfSymbols(v.image)
	return v, err
}

// redirect overwrites the beginning of a function with a jump.
func (v *vdso) redirect(t *tracee, name string, to uintptr) error {
	sym, ok := v.symbols[name]
	if !ok {
		return errors.New("the vDSO has no such function")
	}
	old := v.image[sym.offset:][:sym.size]
	endbr := []byte{0xf3, 0x0f, 0x1e, 0xfa}
	var jump []byte
	if bytes.HasPrefix(old, endbr) {
		jump = append(jump, endbr...) // stays a valid target of indirect calls
	}
	jump = append(jump, 0x48, 0xb8) // movabs rax, to
	jump = binary.LittleEndian.AppendUint64(jump, uint64(to))
	jump = append(jump, 0xff, 0xe0) // jmp rax
	if len(jump) > len(old) {
		return fmt.Errorf("its %d bytes are too few for a jump", len(old))
	}
	return t.poke(v.base+uintptr(sym.offset), jump)
}
