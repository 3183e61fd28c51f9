package nemesis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// TestMain doubles as the node that the real tests kill and pause: an idle process with several threads.
func TestMain(m *testing.M) {
	if os.Getenv("NEMESIS_TEST_NODE") != "" {
		for range 3 {
			go func() {
				runtime.LockOSThread()
				for {
					time.Sleep(time.Millisecond)
				}
			}()
		}
		time.Sleep(10 * time.Minute)
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		if os.Getenv("NEMESIS_TEST_NAMESPACE") == "" {
			_ = os.Remove(filepath.Join(os.TempDir(), fmt.Sprintf("nemesis-test-clock-%d", os.Getpid())))
		}
		os.Exit(status)
	}))
}

// inNamespace runs the rest of the test in a process with its own network and mount namespaces, so that its changes
// to interfaces and rules cannot reach the machine. It returns true in that process.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv("NEMESIS_TEST_NAMESPACE") != "" {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	for _, program := range []string{"unshare", "nsenter", "ip", "iptables", "ip6tables", "iptables-restore", "bash"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("this test needs %s, which `make tools` installs", program)
		}
	}
	if out, err := exec.Command("unshare", "-n", "-m", "iptables", "-w", "-S").CombinedOutput(); err != nil {
		t.Skipf("needs namespaces with rules of their own: %v: %s", err, out)
	}
	cmd := exec.Command("unshare", "-n", "-m", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), "NEMESIS_TEST_NAMESPACE=1", "NEMESIS_TEST_CLOCK="+clockHelper())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
	return false
}

// clockHelper builds the clock helper once; the name is empty if there is no clock shim for this platform.
var clockHelper = sync.OnceValue(func() string {
	if runtime.GOARCH != "amd64" {
		return ""
	}
	file := filepath.Join(os.TempDir(), fmt.Sprintf("nemesis-test-clock-%d", os.Getpid()))
	cmd := exec.Command("go", "build", "-o", file, "elenchus/nemesis/elenchus-clock")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the helper for clocks: %v\n%s", err, out)
		os.Exit(1)
	}
	return file
})

// lab is a cluster of hosts that are namespaces, with a kept shell on each.
type lab struct {
	t       *testing.T
	hosts   []Host
	pids    map[string]int // of the process that holds the namespaces
	shells  map[string]*keptShell
	sockets map[string]*net.UDPConn
	leader  string
	round   int
}

// keptShell runs scripts one after another, as the harness does over one connection.
type keptShell struct {
	mu    sync.Mutex
	stdin io.WriteCloser
	out   *bufio.Reader
}

// control is the name of the harness's own address in matrices.
const control = "control"

// newLab creates hosts n1, n2 ... on a bridge. An address is the prefix followed by the number of the host.
func newLab(t *testing.T, count int, prefix string) *lab {
	t.Helper()
	l := &lab{t: t, pids: map[string]int{}, shells: map[string]*keptShell{}, sockets: map[string]*net.UDPConn{}}
	dir := t.TempDir()
	bits := 24
	if strings.Contains(prefix, ":") {
		bits = 64
	}
	l.do("ip link set lo up; ip link add br0 type bridge; ip link set br0 up")
	l.do(fmt.Sprintf("ip addr add %s254/%d dev br0%s", prefix, bits, nodad(bits)))
	for i := 1; i <= count; i++ {
		host := Host{
			Name: fmt.Sprintf("n%d", i), Peer: netip.MustParseAddr(fmt.Sprint(prefix, i)),
			PIDFile: filepath.Join(dir, fmt.Sprintf("n%d.pid", i)),
		}
		if helper := os.Getenv("NEMESIS_TEST_CLOCK"); helper != "" {
			host.Clock = HostClock{Helper: helper, Control: filepath.Join(dir, host.Name+".clock")}
			l.do(helper + " create -f " + host.Clock.Control)
		}
		l.hosts = append(l.hosts, host)
		pid := l.keeper()
		l.pids[host.Name] = pid
		l.do(fmt.Sprintf("ip link add v%d type veth peer name eth0 netns %d; ip link set v%d master br0 up", i, pid, i))
		l.shells[host.Name] = l.openShell(pid)
		l.must(host.Name, fmt.Sprintf("ip link set lo up; ip link set eth0 up; ip addr add %v/%d dev eth0%s", host.Peer,
			bits, nodad(bits)))
		l.sockets[host.Name] = l.listen(pid, host.Peer)
	}
	l.sockets[control] = l.listen(os.Getpid(), netip.MustParseAddr(prefix+"254"))
	return l
}

func nodad(bits int) string {
	if bits == 64 {
		return " nodad"
	}
	return ""
}

// do runs a shell command line in the namespace of the test.
func (l *lab) do(line string) {
	l.t.Helper()
	if out, err := exec.Command("sh", "-ec", line).CombinedOutput(); err != nil {
		l.t.Fatalf("%s: %v: %s", line, err, out)
	}
}

// keeper starts a process with namespaces of its own and waits until it has them.
func (l *lab) keeper() int {
	cmd := exec.Command("unshare", "-n", "-m", "sh", "-c", "mount -t tmpfs tmpfs /run && echo ready && exec sleep 600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		l.t.Fatalf("keeper of a host: %q, %v", line, err)
	}
	return cmd.Process.Pid
}

func (l *lab) openShell(pid int) *keptShell {
	cmd := exec.Command("nsenter", "-t", fmt.Sprint(pid), "-n", "-m", "sh")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	return &keptShell{stdin: stdin, out: bufio.NewReader(stdout)}
}

// listen opens a socket in the network namespace of a process. The thread then returns to its own namespace: if it
// exited instead, the processes that it has started would exit with it.
func (l *lab) listen(pid int, addr netip.Addr) *net.UDPConn {
	var conn *net.UDPConn
	err := func() error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		own, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		defer own.Close()
		other, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil {
			return err
		}
		defer other.Close()
		if err := unix.Setns(int(other.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 7777)))
		return errors.Join(err, unix.Setns(int(own.Fd()), unix.CLONE_NEWNET))
	}()
	if err != nil {
		l.t.Fatalf("listen on %v: %v", addr, err)
	}
	l.t.Cleanup(func() { conn.Close() })
	return conn
}

func (l *lab) Hosts() []Host { return l.hosts }

func (l *lab) Leader(context.Context) (string, error) { return l.leader, nil }

func (l *lab) HandOver(context.Context, string) (string, error) {
	return "", errors.New("the nodes of this lab lead nobody")
}

func (l *lab) Run(_ context.Context, host, script string) (string, error) {
	s := l.shells[host]
	s.mu.Lock()
	defer s.mu.Unlock()
	const mark = "--end of script--"
	if _, err := fmt.Fprintf(s.stdin, "%s\ncode=$?; echo; echo '%s' $code\n", script, mark); err != nil {
		return "", err
	}
	var out strings.Builder
	for {
		text, err := s.out.ReadString('\n')
		if err != nil {
			return out.String(), err
		}
		if code, ended := strings.CutPrefix(strings.TrimSpace(text), mark+" "); ended {
			if code != "0" {
				return out.String(), fmt.Errorf("exit status %s", code)
			}
			return out.String(), nil
		}
		out.WriteString(text)
	}
}

// must runs a script on a host and fails the test on an error.
func (l *lab) must(host, script string) string {
	l.t.Helper()
	out, err := l.Run(context.Background(), host, "("+script+")")
	if err != nil {
		l.t.Fatalf("%s: %s: %v: %s", host, script, err, out)
	}
	return out
}

func (l *lab) Start(ctx context.Context, host string) error {
	for _, h := range l.hosts {
		if h.Name != host {
			continue
		}
		shim := ""
		if h.Clock.Control != "" {
			shim = h.Clock.Helper + " exec -f " + h.Clock.Control + " --"
		}
		_, err := l.Run(ctx, host, fmt.Sprintf(`(
read -r pid start 2>/dev/null <'%[1]s' && kill -0 $pid 2>/dev/null && case $(cat /proc/$pid/stat) in *') Z '*) ;;
*" $start "*) exit 0;; esac
NEMESIS_TEST_NODE=1 setsid %[3]s '%[2]s' </dev/null >/dev/null 2>&1 &
pid=$!
echo "$pid $(sed 's/.*) //' /proc/$pid/stat | cut -d' ' -f20)" >'%[1]s'
)`, h.PIDFile, os.Args[0], shim))
		return err
	}
	return fmt.Errorf("no host %s", host)
}

// startAll starts a node on every host, and stops all of them at the end of the test.
func (l *lab) startAll() {
	for _, host := range l.hosts {
		if err := l.Start(context.Background(), host.Name); err != nil {
			l.t.Fatal(err)
		}
	}
	l.t.Cleanup(func() {
		shell := newShell(l)
		for _, host := range l.hosts {
			if s, err := shell.find(context.Background(), host); err == nil && s.alive {
				_, _ = shell.signal(context.Background(), host, s.Process, "KILL")
			}
		}
	})
}

// hears has every host send to every other, and returns who heard whom, as matrix formats it. The harness's address
// is not part of the matrix: hosts that did not hear it are deaf.
func (l *lab) hears() (heardWhom string, deaf []string) {
	l.t.Helper()
	l.round++
	var names []string
	for _, host := range l.hosts {
		names = append(names, host.Name)
	}
	for _, from := range append([]string{control}, names...) {
		for _, host := range l.hosts {
			message := fmt.Appendf(nil, "%d %s", l.round, from)
			if _, err := l.sockets[from].WriteToUDPAddrPort(message, netip.AddrPortFrom(host.Peer, 7777)); err != nil {
				l.t.Fatal(err)
			}
		}
	}
	var b strings.Builder
	for _, to := range names {
		heard := l.receive(to)
		if !heard[control] {
			deaf = append(deaf, to)
		}
		for _, from := range names {
			if from == to || heard[from] {
				b.WriteString("x")
			} else {
				b.WriteString(".")
			}
		}
		b.WriteString("\n")
	}
	return b.String(), deaf
}

// receive collects the senders a host hears in this round, until nothing more arrives.
func (l *lab) receive(name string) map[string]bool {
	heard := map[string]bool{}
	buffer := make([]byte, 100)
	for {
		_ = l.sockets[name].SetReadDeadline(time.Now().Add(30 * time.Millisecond))
		n, err := l.sockets[name].Read(buffer)
		if err != nil {
			return heard
		}
		var round int
		var from string
		if _, err := fmt.Sscan(string(buffer[:n]), &round, &from); err == nil && round == l.round {
			heard[from] = true
		}
	}
}

// wantHears waits until every host hears exactly the hosts it should, and the harness.
func (l *lab) wantHears(when, want string) {
	l.t.Helper()
	var got string
	var deaf []string
	for range 100 {
		if got, deaf = l.hears(); got == want && len(deaf) == 0 {
			return
		}
	}
	l.t.Errorf("%s, who hears whom:\n%swant:\n%sdo not hear the harness: %v", when, got, want, deaf)
}

// whole is the matrix of a cluster without partitions.
func (l *lab) whole() string {
	return strings.Repeat(strings.Repeat("x", len(l.hosts))+"\n", len(l.hosts))
}

// foreign installs rules on the hosts that are not ours, some of which accept what partitions must drop.
func (l *lab) foreign() {
	for _, host := range l.hosts {
		for _, tool := range []string{"iptables", "ip6tables"} {
			l.must(host.Name, fmt.Sprintf(`%[1]s -w -N FOREIGN && %[1]s -w -N ELENCHUSX &&
%[1]s -w -A INPUT -p udp --dport 7777 -j ACCEPT && %[1]s -w -A INPUT -j FOREIGN &&
%[1]s -w -A FOREIGN -p tcp --dport 4444 -j DROP && %[1]s -w -A ELENCHUSX -j RETURN &&
%[1]s -w -A OUTPUT -p tcp --dport 4445 -j REJECT`, tool))
		}
	}
}

var counts = regexp.MustCompile(`(?m)^#.*\n|\[\d+:\d+\]`)

// rules returns all rules of all hosts, without counters.
func (l *lab) rules() string {
	var b strings.Builder
	for _, host := range l.hosts {
		fmt.Fprintf(&b, "%s\n%s", host.Name, l.must(host.Name, "iptables-save; ip6tables-save"))
	}
	return counts.ReplaceAllString(b.String(), "")
}
