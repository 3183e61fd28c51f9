//go:build linux

package hostclock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// strobePatience is how long a strober may take to put the clock back and end.
const strobePatience = 5 * time.Second

// programs runs strobers as separate processes, because the helper exits long before the strobe ends.
type programs struct {
	self string
	args []string // arguments that select the clock
}

func (p programs) start(m Move) (process, error) {
	cmd := exec.Command(p.self, append(append([]string{"strobe"}, p.args...), "-by", m.Strobe.String(),
		"-every", m.Every.String())...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return process{}, fmt.Errorf("start strobe: %w", err)
	}
	started, err := startTime(cmd.Process.Pid)
	return process{cmd.Process.Pid, started}, err
}

func (p programs) stop(s process) (string, error) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		for deadline := time.Now().Add(strobePatience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if now, err := startTime(s.PID); err != nil || now != s.Start {
				if sig == syscall.SIGKILL {
					return "a strobe had to be killed, and left the wall clock on either side", nil
				}
				return "", nil
			}
			// Signal repeatedly: the process may not have installed its handler yet.
			if err := syscall.Kill(s.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
				return "", fmt.Errorf("stop strobe: %w", err)
			}
		}
	}
	return "", fmt.Errorf("stop strobe: process %d does not end", s.PID)
}

// startTime returns the start time of a process in ticks since boot; a missing process or a zombie is an error.
func startTime(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The program's name is in parentheses, and may itself contain parentheses.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return 0, fmt.Errorf("process %d is dead", pid)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// StrobeShim moves the wall clock of a control file back and forth until the context is done, and leaves it where
// it was.
func StrobeShim(ctx context.Context, control string, m Move) error {
	return strobe(ctx, (&shim{control: control}).step, m)
}

// StrobeKernel does the same to the kernel's clock; see [OpenKernel] for boot.
func StrobeKernel(ctx context.Context, boot string, m Move) error {
	if err := ownKernel(boot); err != nil {
		return fmt.Errorf("strobe: %w", err)
	}
	return strobe(ctx, (&kernel{calls: realKernel{}}).step, m)
}

func strobe(ctx context.Context, step func(time.Duration) (string, error), m Move) error {
	ticks := time.NewTicker(m.Every)
	defer ticks.Stop()
	for by := m.Strobe; ; by = -by {
		if _, err := step(by); err != nil {
			return fmt.Errorf("strobe: %w", err)
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			if by != m.Strobe {
				return nil
			}
			if _, err := step(-by); err != nil {
				return fmt.Errorf("strobe: %w", err)
			}
			return nil
		}
	}
}
