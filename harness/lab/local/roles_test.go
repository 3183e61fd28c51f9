//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"elenchus/harness/lab"
)

// Environment variables by which a test tells the program, started again, what to do.
const (
	envRole  = "LAB_TEST_ROLE"
	envDir   = "LAB_TEST_DIR" // Options.Dir
	envMode  = "LAB_TEST_MODE"
	envHosts = "LAB_TEST_HOSTS"
	envDisk  = "LAB_TEST_DISK"
	envName  = "LAB_TEST_NAME" // of a named lab
	envNext  = "LAB_TEST_NEXT" // the role of the command that is run in the lab
)

// Exit codes of roles that are not a command's own.
const (
	exitUnavailable = 97
	exitRole        = 98
)

// play runs the program in a role other than that of a test, in which a test has started it.
func play(role string) int {
	hosts, _ := strconv.Atoi(os.Getenv(envHosts))
	mode, _ := strconv.Atoi(os.Getenv(envMode))
	o := Options{Dir: os.Getenv(envDir), Privilege: Privilege(mode), Hosts: hosts, Disk: os.Getenv(envDisk)}
	name := os.Getenv(envName)
	ctx := context.Background()
	var code int
	var err error
	switch role {
	case "run":
		code, err = Run(ctx, o, os.Args[1:], environ())
	case "run-contained":
		err = runContained()
	case "run-for-a-second":
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		code, err = Run(ctx, o, os.Args[1:], environ())
	case "exec":
		code, err = Exec(ctx, name, o, os.Args[1:], environ())
	case "up":
		_, err = Up(ctx, name, o)
	case "down":
		err = Down(ctx, name, o, false)
	case "status":
		var s State
		s, err = Status(ctx, name, o)
		fmt.Printf("%+v\n", s)
	case "status-for-a-second":
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err = Status(ctx, name, o)
	case "count-signals":
		countSignals()
	case "use":
		err = use()
	default:
		inside, ok := insideRoles[role]
		if !ok {
			err = fmt.Errorf("role %q is unknown", role)
			break
		}
		err = playInside(inside)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, ErrUnavailable) {
			return exitUnavailable
		}
		return exitRole
	}
	return code
}

// environ returns the environment without the variables that define this process's role. A command sets its own.
func environ() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, envRole+"=") {
			env = append(env, kv)
		}
	}
	if next := os.Getenv(envNext); next != "" {
		env = append(env, envRole+"="+next)
	}
	return env
}

// runContained runs a lab where a container's engine has mounted files over those in /etc.
func runContained() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, file := range []string{"/etc/hostname", "/etc/hosts", "/usr/bin/env"} {
		if err := unix.Mount(file, file, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	if err := os.Setenv(envRole, "run"); err != nil {
		return err
	}
	return unix.Exec("/proc/self/exe", os.Args, os.Environ())
}

// countSignals says which signals arrive, one a line, until SIGTERM; then it waits for any that come too often.
func countSignals() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	fmt.Println("ready")
	var end <-chan time.Time
	for {
		select {
		case sig := <-signals:
			fmt.Println(sig)
			if sig == unix.SIGTERM {
				end = time.After(500 * time.Millisecond)
			}
		case <-end:
			return
		}
	}
}

// use has the lab to itself until its standard input ends.
func use() error {
	inv, err := lab.Load(os.Getenv(EnvFile))
	if err != nil {
		return err
	}
	lock, err := lab.Acquire(context.Background(), inv, nil, lab.LockOptions{Run: "of a test"})
	if err != nil {
		return err
	}
	fmt.Println("acquired")
	_, _ = os.Stdin.Read(make([]byte, 1))
	return lock.Release(context.Background())
}
