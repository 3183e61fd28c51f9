//go:build linux

package local

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// dropped lists the capabilities by which root in a host could change what all hosts and the machine share: its
// clock, its modules, its power, its logs, its devices and its security policy. Root in a user namespace has no
// such power anyway. What remains is enough for packet filters, mounts, tracing and signals within the host.
var dropped = []uintptr{
	unix.CAP_SYS_TIME, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_BOOT, unix.CAP_SYSLOG, unix.CAP_MKNOD,
	unix.CAP_SYS_PACCT, unix.CAP_SYS_TTY_CONFIG, unix.CAP_LINUX_IMMUTABLE, unix.CAP_MAC_ADMIN, unix.CAP_MAC_OVERRIDE,
	unix.CAP_WAKE_ALARM, unix.CAP_BLOCK_SUSPEND, unix.CAP_AUDIT_CONTROL, unix.CAP_AUDIT_READ,
}

// dropCapabilities drops them for the calling thread and everything that it will start. The caller must be locked
// to its thread.
func dropCapabilities() error {
	for _, c := range dropped {
		// A kernel that does not know a capability cannot grant it either.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	for _, c := range dropped {
		mask := ^(uint32(1) << (c % 32))
		sets[c/32].Effective &= mask
		sets[c/32].Permitted &= mask
		sets[c/32].Inheritable &= mask
	}
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
}
