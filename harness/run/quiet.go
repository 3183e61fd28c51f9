package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Quiet runs a program to its end and returns its exit code, with the last line it said on standard error. When ctx
// ends it asks the program to come to an orderly end.
func Quiet(ctx context.Context, program string, args ...string) (code int, lastLine string, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = time.Minute
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err = cmd.Run()
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	lastLine = lines[len(lines)-1]
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() >= 0 {
		return exit.ExitCode(), lastLine, nil
	}
	if err != nil {
		return 0, lastLine, fmt.Errorf("run %s: %w", program, err)
	}
	return 0, lastLine, nil
}
