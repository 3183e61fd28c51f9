//go:build linux

package local

import (
	"context"
	"fmt"
	"os"
)

// play is the program when a test has started it again as something else than a test.
func play(role string) int {
	switch role {
	case "run": // make an ephemeral lab for os.Args[1:]
		code, err := Run(context.Background(), Options{}, os.Args[1:], os.Environ())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 99
		}
		return code
	}
	return 98
}
