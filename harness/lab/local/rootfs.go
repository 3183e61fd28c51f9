//go:build linux

package local

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// privateDirs are directories of a host that start out empty, because the machine's contents are not the host's.
var privateDirs = []string{"/var/lib", "/var/log", "/opt", "/root", "/tmp"}

// ownDirs are directories of a host that are separate file systems, created by buildRoot.
var ownDirs = []string{"/proc", "/sys", "/dev", "/run"}

// buildRoot creates the host's root directory, in which it finds the machine's programs and can change everything,
// while no change reaches the machine or another host.
func (h hostSpec) buildRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, dir := range []string{"root", "upper", "work", "private"} {
		if err := os.MkdirAll(filepath.Join(h.Base, dir), 0o755); err != nil {
			return err
		}
	}
	if err := h.writeFiles(h.upper); err != nil {
		return err
	}
	build := h.overlayRoot
	if h.Rootless {
		build = h.mirrorRoot
	}
	steps := []func() error{build, h.mountPrivate, h.mountKernel, h.mountDev, h.pivot, makeRun}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (h hostSpec) root(path string) string  { return filepath.Join(h.Base, "root", path) }
func (h hostSpec) upper(path string) string { return filepath.Join(h.Base, "upper", path) }
func (h hostSpec) work(path string) string {
	return filepath.Join(h.Base, "work", strings.ReplaceAll(strings.Trim(path, "/"), "/", "_"))
}

// writeFiles replaces files of the machine by the host's own.
func (h hostSpec) writeFiles(at func(path string) string) error {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	files := map[string]string{
		"/etc/hostname":    hostName(h.Index) + "\n",
		"/etc/hosts":       h.hostsFile(),
		"/etc/machine-id":  fmt.Sprintf("%x\n", id),
		"/etc/resolv.conf": "# There is no name server in a local lab.\n",
		hostKeyFile:        h.HostKey,
		authorizedFile:     h.AuthorizedKey + "\n",
		sshdConfigFile:     sshdConfig,
	}
	if shadow, ok := unlockedShadow(); ok {
		files["/etc/shadow"] = shadow
	}
	// In a user namespace these directories belong to an unmapped user unless the host has its own.
	for _, dir := range []string{"/etc/elenchus", "/usr/local/bin", "/usr/local/sbin", "/usr/local/lib"} {
		if err := os.MkdirAll(at(dir), 0o755); err != nil {
			return err
		}
	}
	for path, content := range files {
		mode := os.FileMode(0o644)
		if filepath.Dir(path) == etcDir || path == "/etc/shadow" {
			mode = 0o600
		}
		if err := os.WriteFile(at(path), []byte(content), mode); err != nil {
			return err
		}
	}
	return nil
}

// hostsFile returns the hosts' /etc/hosts. A host's own name maps to its address on the network, not to 127.0.1.1
// as usual.
func (h hostSpec) hostsFile() string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n")
	for i := 1; i <= h.Hosts; i++ {
		fmt.Fprintf(&b, "%s %s\n", hostAddress(i), hostName(i))
	}
	return b.String()
}

// unlockedShadow returns the machine's password file with root's account unlocked, if it is locked: OpenSSH without
// PAM accepts no key for a locked account. No password becomes valid by this.
func unlockedShadow() (string, bool) {
	data, err := os.ReadFile("/etc/shadow")
	if err != nil || !bytes.HasPrefix(data, []byte("root:!")) {
		return "", false
	}
	line, rest, _ := strings.Cut(string(data), "\n")
	fields := strings.Split(line, ":")
	fields[1] = "*"
	return strings.Join(fields, ":") + "\n" + rest, true
}

// overlayRoot builds the root directory of a host with root's powers: one overlay of / and one for every other file
// system of the machine that is mounted on a directory.
func (h hostSpec) overlayRoot() error {
	if err := h.overlay("/", ""); err != nil {
		return err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for _, m := range hostMounts(string(mounts)) {
		if err := h.overlay(m, ""); err != nil {
			log.Printf("leave out %s: %v", m, err)
		}
	}
	return nil
}

// hostMounts lists the mount points that a host should see, outermost first: without those of the kernel, of
// devices, or below a directory of the host's own.
func hostMounts(mountinfo string) []string {
	covered := slices.Concat(privateDirs, ownDirs)
	var points []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescapeMount(fields[4])
		inside := func(dir string) bool { return point == dir || strings.HasPrefix(point, dir+"/") }
		if point == "/" || slices.ContainsFunc(covered, inside) {
			continue
		}
		if info, err := os.Stat(point); err != nil || !info.IsDir() {
			continue
		}
		points = append(points, point)
	}
	slices.Sort(points)
	return slices.Compact(points)
}

// unescapeMount decodes the octal escapes of mountinfo for space, tab, newline and backslash.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// overlay mounts an overlay of a directory of the machine at the same path in the host's root.
func (h hostSpec) overlay(path, options string) error {
	for _, dir := range []string{h.upper(path), h.work(path), h.root(path)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	escape := strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`).Replace
	data := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s%s",
		escape(path), escape(h.upper(path)), escape(h.work(path)), options)
	if err := unix.Mount("overlay", h.root(path), "overlay", 0, data); err != nil {
		return fmt.Errorf("mount overlay of %s: %w", path, err)
	}
	return nil
}

// mirrorRoot builds the root directory of a host without root's powers. The kernel refuses an overlay of / there,
// because of the mounts below it; so there is one for each directory without mounts below.
func (h hostSpec) mirrorRoot() error {
	if err := unix.Mount(h.root("/"), h.root("/"), "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("make root a mount: %w", err)
	}
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if path := "/" + e.Name(); !slices.Contains(ownDirs, path) {
			h.mirror(path, e, 0)
		}
	}
	if _, err := os.Stat(h.root(hostKeyFile)); err != nil {
		return h.writeFiles(h.root) // there is no overlay of /etc to contain them
	}
	return nil
}

// mirror makes one entry of the machine available in the host: a link as a link, a file as a copy, and a directory
// as an overlay or, if it contains mounts, as a directory of mirrors; where neither is possible it is bound read-only.
func (h hostSpec) mirror(path string, e os.DirEntry, depth int) {
	const depthMax = 1 // below it, one read-only directory is better than a thousand mounts
	var err error
	switch {
	case slices.Contains(privateDirs, path):
		err = os.MkdirAll(h.root(path), 0o755)
	case e.Type()&os.ModeSymlink != 0:
		var target string
		if target, err = os.Readlink(path); err == nil {
			err = os.Symlink(target, h.root(path))
		}
	case !e.IsDir():
		err = copyFile(path, h.root(path))
	default:
		if err = h.overlay(path, ",userxattr"); err == nil {
			return
		}
		var children []os.DirEntry
		if children, err = os.ReadDir(path); err == nil && depth < depthMax {
			err = os.MkdirAll(h.root(path), 0o755)
			for _, child := range children {
				h.mirror(filepath.Join(path, child.Name()), child, depth+1)
			}
			break
		}
		err = h.bindReadOnly(path)
	}
	if err != nil {
		log.Printf("leave out %s: %v", path, err)
	}
}

// copyFile copies a small file, such as those that a container has mounted in /etc. Large ones do not belong so
// close to the root.
func copyFile(from, to string) error {
	const bytesMax = 1 << 20
	info, err := os.Stat(from)
	if err != nil || !info.Mode().IsRegular() || info.Size() > bytesMax {
		return errors.Join(err, errors.New("not a small file"))
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, info.Mode().Perm())
}

// bindReadOnly binds a directory of the machine read-only.
func (h hostSpec) bindReadOnly(path string) error {
	if err := os.MkdirAll(h.root(path), 0o755); err != nil {
		return err
	}
	if err := unix.Mount(path, h.root(path), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", path, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, h.root(path), unix.AT_RECURSIVE, &attr); err != nil {
		return errors.Join(fmt.Errorf("make %s read-only: %w", path, err), unix.Unmount(h.root(path), unix.MNT_DETACH))
	}
	return nil
}

// mountPrivate mounts the host's empty directories, in memory or on the requested disk.
func (h hostSpec) mountPrivate() error {
	base := filepath.Join(h.Base, "private")
	if h.Disk != "" {
		base = h.Disk
	}
	for _, dir := range privateDirs {
		source := filepath.Join(base, strings.ReplaceAll(strings.Trim(dir, "/"), "/", "_"))
		mode := os.FileMode(0o755)
		switch dir {
		case "/tmp":
			mode = 0o777 | os.ModeSticky
		case "/root":
			mode = 0o700
		}
		err := errors.Join(os.MkdirAll(source, 0o755), os.Chmod(source, mode), os.MkdirAll(h.root(dir), 0o755))
		if err != nil {
			return err
		}
		if err := unix.Mount(source, h.root(dir), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount private %s: %w", dir, err)
		}
	}
	return nil
}

// mountKernel mounts the host's kernel file systems.
func (h hostSpec) mountKernel() error {
	const noexec = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, dir := range ownDirs {
		if err := os.MkdirAll(h.root(dir), 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("proc", h.root("/proc"), "proc", noexec, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("sysfs", h.root("/sys"), "sysfs", noexec|unix.MS_RDONLY, ""); err != nil {
		log.Printf("leave out /sys: %v", err) // forbidden inside some containers, and not needed
	}
	return h.protectProc()
}

// protectProc makes machine-wide kernel parameters read-only, except those of the host's network.
func (h hostSpec) protectProc() error {
	const readOnly = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY
	for _, path := range []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/irq"} {
		if _, err := os.Stat(h.root(path)); err != nil {
			continue
		}
		if err := unix.Mount(h.root(path), h.root(path), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", path, err)
		}
		if err := unix.Mount("", h.root(path), "", readOnly, ""); err != nil {
			return fmt.Errorf("make %s read-only: %w", path, err)
		}
	}
	network := h.root("/proc/sys/net")
	if err := unix.Mount(network, network, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind /proc/sys/net: %w", err)
	}
	if err := unix.Mount("", network, "", unix.MS_BIND|unix.MS_REMOUNT, ""); err != nil {
		return fmt.Errorf("make /proc/sys/net writable: %w", err)
	}
	return nil
}

// pivot switches to the new root, and unmounts the machine's.
func (h hostSpec) pivot() error {
	if err := unix.Chdir(h.root("/")); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount old root: %w", err)
	}
	return unix.Chdir("/")
}

// makeRun creates what boot scripts create in /run on a real host.
func makeRun() error {
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	disableIPv6()
	return errors.Join(os.Mkdir("/run/sshd", 0o755), os.Mkdir("/run/lock", 0o777))
}
