//go:build linux

package local

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// device is a character or block device that a host may use.
type device struct {
	path         string
	mode         uint32
	major, minor uint32
	optional     bool // the machine may lack it, or not share it
}

// devices are what programs expect in /dev. Disks are excluded: a host must not reach the machine's.
var devices = []device{
	{path: "/dev/null", mode: unix.S_IFCHR | 0o666, major: 1, minor: 3},
	{path: "/dev/zero", mode: unix.S_IFCHR | 0o666, major: 1, minor: 5},
	{path: "/dev/full", mode: unix.S_IFCHR | 0o666, major: 1, minor: 7},
	{path: "/dev/random", mode: unix.S_IFCHR | 0o666, major: 1, minor: 8},
	{path: "/dev/urandom", mode: unix.S_IFCHR | 0o666, major: 1, minor: 9},
	{path: "/dev/tty", mode: unix.S_IFCHR | 0o666, major: 5, minor: 0},
	{path: "/dev/fuse", mode: unix.S_IFCHR | 0o666, major: 10, minor: 229, optional: true},
	{path: "/dev/net/tun", mode: unix.S_IFCHR | 0o666, major: 10, minor: 200, optional: true},
	{path: "/dev/loop-control", mode: unix.S_IFCHR | 0o600, major: 10, minor: 237, optional: true},
}

// loopsMax is the number of loop device nodes in a host. The kernel hands out the machine's lowest free ones.
const loopsMax = 64

// mountDev builds a /dev with only what a host may have.
func (h hostSpec) mountDev() error {
	if err := unix.Mount("tmpfs", h.root("/dev"), "tmpfs", unix.MS_NOSUID, "mode=0755"); err != nil {
		return fmt.Errorf("mount /dev: %w", err)
	}
	for _, dir := range []string{"/dev/pts", "/dev/shm", "/dev/net"} {
		if err := os.Mkdir(h.root(dir), 0o755); err != nil {
			return err
		}
	}
	for _, d := range h.devices() {
		if err := h.makeDevice(d); err != nil {
			if !d.optional {
				return err
			}
			log.Printf("leave out %s: %v", d.path, err)
		}
	}
	shm := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if err := unix.Mount("tmpfs", h.root("/dev/shm"), "tmpfs", shm, "mode=1777"); err != nil {
		return fmt.Errorf("mount /dev/shm: %w", err)
	}
	pts := "newinstance,ptmxmode=0666,mode=0620"
	if err := unix.Mount("devpts", h.root("/dev/pts"), "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, pts); err != nil {
		return fmt.Errorf("mount /dev/pts: %w", err)
	}
	for name, target := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2",
	} {
		if err := os.Symlink(target, filepath.Join(h.root("/dev"), name)); err != nil {
			return err
		}
	}
	return nil
}

func (h hostSpec) devices() []device {
	all := slices.Clone(devices)
	if h.Rootless {
		return all
	}
	for i := range uint32(loopsMax) {
		path := fmt.Sprintf("/dev/loop%d", i)
		all = append(all, device{path: path, mode: unix.S_IFBLK | 0o660, major: 7, minor: i, optional: true})
	}
	return all
}

// makeDevice creates a device node or, where only the machine's root may, binds the machine's own.
func (h hostSpec) makeDevice(d device) error {
	if _, err := os.Stat(d.path); err != nil && d.mode&unix.S_IFMT == unix.S_IFCHR {
		return err
	}
	if !h.Rootless {
		if err := unix.Mknod(h.root(d.path), d.mode, int(unix.Mkdev(d.major, d.minor))); err != nil {
			return fmt.Errorf("make %s: %w", d.path, err)
		}
		return os.Chmod(h.root(d.path), os.FileMode(d.mode&0o777))
	}
	if err := os.WriteFile(h.root(d.path), nil, 0o666); err != nil {
		return err
	}
	if err := unix.Mount(d.path, h.root(d.path), "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", d.path, err)
	}
	return nil
}
