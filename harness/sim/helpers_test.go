package sim

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"
)

// Tests that need another process start this program again, with a variable that says what it is to do instead of
// testing.
func TestMain(m *testing.M) {
	for variable, work := range map[string]func() error{huntVariable: hunting, fingerprintVariable: fingerprinting} {
		if os.Getenv(variable) == "" {
			continue
		}
		if err := work(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// processTime is the processor time that this process has used: what others do on the machine does not count.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it fails for bad arguments only
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
