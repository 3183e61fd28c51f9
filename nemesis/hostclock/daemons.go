//go:build linux

package hostclock

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// daemon is a program that keeps a host's time: a systemd unit, or else a process.
type daemon struct {
	Name    string   `json:"name"` // chronyd.service, or the program's name
	Process *process `json:"process,omitempty"`
}

func (d daemon) String() string {
	if d.Process != nil {
		return fmt.Sprintf("%s (process %d)", d.Name, d.Process.PID)
	}
	return d.Name
}

// daemons gives access to the time daemons of a host.
type daemons interface {
	running() ([]daemon, error)
	stop(d daemon) error
	start(d daemon) error
}

// keepers are programs that set clocks: time daemons, and guest agents that copy the time of a virtual machine's
// host.
var keepers = []string{
	"chronyd", "systemd-timesyn", "ntpd", "openntpd", "ptp4l", "phc2sys", "timemaster", "VBoxService", "vmtoolsd",
} // names as in /proc/PID/comm, which truncates them to 15 bytes

// units are their systemd names under different distributions.
var units = []string{
	"chronyd.service", "chrony.service", "systemd-timesyncd.service", "ntpd.service", "ntp.service", "ntpsec.service",
	"openntpd.service", "ptp4l.service", "phc2sys.service", "timemaster.service", "vboxadd-service.service",
	"virtualbox-guest-utils.service", "open-vm-tools.service", "vmtoolsd.service",
}

// hostDaemons are the daemons of the host that this process runs on.
type hostDaemons struct{}

func (hostDaemons) running() ([]daemon, error) {
	var found []daemon
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		for _, unit := range units {
			// Aliases of a unit are active together with it: stopping or starting a unit twice does no harm.
			if exec.Command("systemctl", "is-active", "--quiet", unit).Run() == nil {
				found = append(found, daemon{Name: unit})
			}
		}
	}
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return nil, fmt.Errorf("look for time daemons: %w", err)
	}
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			continue
		}
		comm, err := os.ReadFile(name)
		program := strings.TrimSpace(string(comm))
		if err != nil || !slices.Contains(keepers, program) || inUnit(pid, found) {
			continue
		}
		if started, err := startTime(pid); err == nil {
			found = append(found, daemon{Name: program, Process: &process{pid, started}})
		}
	}
	return found, nil
}

// inUnit reports whether a process belongs to one of the units.
func inUnit(pid int, found []daemon) bool {
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && slices.ContainsFunc(found, func(d daemon) bool {
		return d.Process == nil && strings.Contains(string(groups), "/"+d.Name)
	})
}

func (hostDaemons) stop(d daemon) error { return d.do("stop", syscall.SIGSTOP) }

func (hostDaemons) start(d daemon) error { return d.do("start", syscall.SIGCONT) }

func (d daemon) do(verb string, signal syscall.Signal) error {
	if d.Process == nil {
		if out, err := exec.Command("systemctl", verb, d.Name).CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", verb, d.Name, err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	if now, err := startTime(d.Process.PID); err != nil || now != d.Process.Start {
		return nil //nolint:nilerr // it is gone, and so is what it did
	}
	if err := syscall.Kill(d.Process.PID, signal); err != nil {
		return fmt.Errorf("%s %v: %w", verb, d, err)
	}
	return nil
}
