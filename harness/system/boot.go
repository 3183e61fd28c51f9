package system

import (
	"os"
	"strings"
)

// ownBoot returns the boot id of the machine that this program runs on.
func ownBoot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(id))
}
