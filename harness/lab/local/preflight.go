//go:build linux

package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// rooted decides whether a lab is made with root's powers.
func rooted(p Privilege) (bool, error) {
	able := rootHere()
	if p == WithRoot && !able {
		return false, fmt.Errorf("%w: with root's powers it needs them (sudo); without, it needs none", ErrUnavailable)
	}
	return able && p != Rootless, nil
}

// rootHere reports whether the caller is the machine's root with the capabilities for namespaces and networks. Root
// of a user namespace or of a confined container counts as an ordinary user.
func rootHere() bool {
	if os.Geteuid() != 0 {
		return false
	}
	uids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil || strings.Join(strings.Fields(string(uids)), " ") != "0 0 4294967295" {
		return false
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if unix.Capget(&header, &sets[0]) != nil {
		return false
	}
	for _, c := range []int{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_MKNOD, unix.CAP_SYS_CHROOT} {
		if sets[c/32].Effective&(1<<(c%32)) == 0 {
			return false
		}
	}
	return true
}

// program is a program that a lab needs.
type program struct{ name, debian, why string }

// findPrograms checks that all needed programs exist, and returns the path of OpenSSH's server. It also searches
// the sbin directories, which users rarely have in their PATH.
func findPrograms(root bool, path string) (sshd string, err error) {
	needed := []program{
		{"iptables", "iptables", "partitions are made of its rules"},
		{"bash", "bash", "commands in hosts are run by it"},
	}
	if root {
		needed = append(needed, program{"sshd", "openssh-server", "hosts of a lab with root run it"})
	}
	var missing, packages []string
	for _, p := range needed {
		found := findProgram(p.name, path)
		if found == "" {
			missing = append(missing, fmt.Sprintf("%s (%s)", p.name, p.why))
			packages = append(packages, p.debian)
		}
		if p.name == "sshd" {
			sshd = found
		}
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("%w: missing %s: on Debian or Ubuntu, apt-get install -y %s",
			ErrUnavailable, strings.Join(missing, ", "), strings.Join(packages, " "))
	}
	return sshd, nil
}

func findProgram(name, path string) string {
	for _, dir := range append(filepath.SplitList(path), "/usr/local/sbin", "/usr/sbin", "/sbin") {
		if full, err := exec.LookPath(filepath.Join(dir, name)); err == nil && filepath.IsAbs(full) {
			return full
		}
	}
	return ""
}

// sysctl reads a kernel parameter by its path below /proc/sys.
func sysctl(name string) (string, bool) {
	data, err := os.ReadFile(filepath.Join("/proc/sys", name))
	return string(bytes.TrimSpace(data)), err == nil
}

// diagnose adds to an error the setting that forbids namespaces to users on this machine, if that may be the cause.
func diagnose(read func(string) (string, bool), err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOSPC) &&
		!errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EUSERS) {
		return err
	}
	const orRoot = "or run as root (sudo)"
	for _, s := range []struct{ name, forbids, allows string }{
		{"kernel/unprivileged_userns_clone", "0", "1"},
		{"user/max_user_namespaces", "0", "10000"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "0"},
	} {
		if value, ok := read(s.name); ok && value == s.forbids {
			dotted := strings.ReplaceAll(s.name, "/", ".")
			return fmt.Errorf("%w: %w: users may not make namespaces here because %s=%s: sysctl -w %s=%s, %s",
				ErrUnavailable, err, dotted, value, dotted, s.allows, orRoot)
		}
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: %w: namespaces are forbidden, by a container's seccomp profile perhaps: allow them, %s",
			ErrUnavailable, err, orRoot)
	}
	return err
}
