//go:build !linux

package local

import (
	"context"
	"fmt"
)

// errLinux is returned on systems without namespaces.
var errLinux = fmt.Errorf("%w: it needs Linux: use a vagrant lab or an inventory of hosts", ErrUnavailable)

// Main does nothing on this system.
func Main() {}

// Run fails with [ErrUnavailable].
func Run(context.Context, Options, []string, []string) (int, error) { return 0, errLinux }

// Up fails with [ErrUnavailable].
func Up(context.Context, string, Options) (State, error) { return State{}, errLinux }

// Exec fails with [ErrUnavailable].
func Exec(context.Context, string, Options, []string, []string) (int, error) {
	return 0, errLinux
}

// Status fails with [ErrUnavailable].
func Status(context.Context, string, Options) (State, error) { return State{}, errLinux }

// States fails with [ErrUnavailable].
func States(context.Context, Options) ([]State, error) { return nil, errLinux }

// List fails with [ErrUnavailable].
func List(Options) ([]string, error) { return nil, errLinux }

// Down fails with [ErrUnavailable].
func Down(context.Context, string, Options, bool) error { return errLinux }
