package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// execHere runs a command with this program's files and ends with its exit status. When ctx ends, the command is asked
// to end as well: a signal that is sent to this process alone does not reach it otherwise. The command decides when.
func execHere(ctx context.Context, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	err := cmd.Run()
	switch {
	case cmd.ProcessState == nil || cmd.ProcessState.ExitCode() < 0:
		return fmt.Errorf("run %s: %w", argv[0], err)
	case cmd.ProcessState.ExitCode() > 0:
		return exitError{code: cmd.ProcessState.ExitCode()}
	}
	return nil
}
