//go:build !linux

package local

import (
	"context"
	"errors"
)

// ErrUnsupported means that the machine does not run Linux, which is what has namespaces.
var ErrUnsupported = errors.New("make local lab: it needs Linux: use a vagrant lab or an inventory of hosts")

// Main does nothing here.
func Main() {}

// Run returns ErrUnsupported.
func Run(context.Context, Options, []string, []string) (int, error) { return 0, ErrUnsupported }

// Up returns ErrUnsupported.
func Up(context.Context, string, Options) (State, error) { return State{}, ErrUnsupported }

// Exec returns ErrUnsupported.
func Exec(context.Context, string, Options, []string, []string) (int, error) {
	return 0, ErrUnsupported
}

// Status returns ErrUnsupported.
func Status(context.Context, string, Options) (State, error) { return State{}, ErrUnsupported }

// List returns ErrUnsupported.
func List(Options) ([]string, error) { return nil, ErrUnsupported }

// Down returns ErrUnsupported.
func Down(context.Context, string, Options, bool) error { return ErrUnsupported }
