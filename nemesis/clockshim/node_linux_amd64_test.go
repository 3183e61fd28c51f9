package clockshim

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// The reference node, which knows nothing of all this, has its clocks moved: those that it reports, and the one in its
// log.
func TestReferenceNode(t *testing.T) {
	needTracing(t)
	dir := t.TempDir()
	binary, control, logFile := filepath.Join(dir, "node"), newControl(t), filepath.Join(dir, "log")
	build := exec.Command("go", "build", "-o", binary, "elenchus/node")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the node: %v\n%s", err, out)
	}
	mustSet(t, control, Change{WallStep: 24 * time.Hour})
	peer, api := freePort(t), freePort(t)
	c := under(t, control, "", binary, "--id", "1", "--cluster", "test", "--peers", "1="+peer, "--http", api,
		"--data", filepath.Join(dir, "data"), "--log-format", "json")
	log, err := os.Create(logFile)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })

	from, _ := nodeStatus(t, api, logFile)
	if off := time.Until(time.Unix(0, from.WallNS)) - 24*time.Hour; off.Abs() > 30*time.Second {
		t.Errorf("wall clock is off by %v, want a day", off+24*time.Hour)
	}
	text, err := os.ReadFile(logFile)
	if err != nil {
		t.Fatal(err)
	}
	tomorrow := time.Now().Add(24 * time.Hour)
	if day := regexp.MustCompile(`"@timestamp":"(\d{4}-\d\d-\d\d)T`).FindSubmatch(text); day == nil ||
		string(day[1]) != tomorrow.Format(time.DateOnly) && string(day[1]) != tomorrow.Add(-time.Minute).Format(time.DateOnly) {
		t.Errorf("log is not of tomorrow: %s", text)
	}

	mustSet(t, control, Change{MonoRate: 5 * Nominal})
	start := time.Now()
	from, inner := nodeStatus(t, api, logFile)
	afterFirst := time.Now()
	time.Sleep(300 * time.Millisecond)
	beforeSecond := time.Now()
	to, _ := nodeStatus(t, api, logFile)
	least, most := 5*beforeSecond.Sub(afterFirst), 5*time.Since(start)
	if got := time.Duration(to.MonoNS - from.MonoNS); got < least || got > most {
		t.Errorf("monotonic clock went %v at five times the rate, want %v to %v (answer took %v)", got, least, most, inner)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

type nodeClocks struct {
	MonoNS int64 `json:"mono_ns"`
	WallNS int64 `json:"wall_ns"`
}

func nodeStatus(t *testing.T, api, logFile string) (nodeClocks, time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		start := time.Now()
		response, err := http.Get(fmt.Sprintf("http://%s/status", api))
		if err == nil {
			var status nodeClocks
			err = json.NewDecoder(response.Body).Decode(&status)
			response.Body.Close()
			if err == nil && status.WallNS != 0 {
				return status, time.Since(start)
			}
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(logFile)
			t.Fatalf("node does not answer: %v\n%s", err, log)
		}
	}
}
