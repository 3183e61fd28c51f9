package control_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"elenchus/harness/control"
	"elenchus/harness/lab/sshd/sshdtest"
)

// helperVariable turns this program into a process to run tests on: it has several threads, and lives until it is
// killed or terminated.
const helperVariable = "CONTROL_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) != "" {
		beHelper()
		return
	}
	goleak.VerifyTestMain(m)
}

func beHelper() {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	for range 4 {
		go func() {
			runtime.LockOSThread() // a thread of its own
			select {}
		}()
	}
	fmt.Println("helper runs")
	<-terminated
	fmt.Println("helper says goodbye")
}

// patience is for conditions that hold within milliseconds unless something is broken.
const patience = 30 * time.Second

// forEachServer runs the test against the project's own SSH server and OpenSSH's.
func forEachServer(t *testing.T, test func(*testing.T, *sshdtest.Endpoint)) {
	t.Run("own", func(t *testing.T) { test(t, sshdtest.Start(t)) })
	t.Run("openssh", func(t *testing.T) { test(t, sshdtest.StartOpenSSH(t)) })
}

// hostOf describes the endpoint as a host named n1.
func hostOf(e *sshdtest.Endpoint) control.Host {
	return control.Host{Name: "n1", Address: e.Address, Port: e.Port, User: e.User, KeyFile: e.KeyFile, HostKey: e.HostKey}
}

func dial(t testing.TB, h control.Host, o control.Options) *control.Client {
	t.Helper()
	c, err := control.Dial(context.Background(), h, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// expectError wants err to match kind (if any) and to contain every text.
func expectError(t *testing.T, err, kind error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error")
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("got %v, want it to match %v", err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want it to contain %q", err, text)
		}
	}
}

// alive reports whether the process exists and is not a zombie.
func alive(pid string) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%s/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
