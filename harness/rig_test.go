package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"elenchus/harness/lab/local"
	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Environment variables of the tests.
const (
	envAsProgram = "ELENCHUS_AS_PROGRAM" // makes the test program be the program that it tests
	envMark      = "ELENCHUS_TEST_MARK"  // on every process that a test has started, with its rig's own value
)

// raceOptions spare a program with the race detector the second that it sleeps at its end.
const raceOptions = "GORACE=atexit_sleep_ms=0"

// deadline is for what must happen sometime, however slow the machine is.
const deadline = 2 * time.Minute

// nodeProgram is the node, built once for all tests.
var nodeProgram string

func TestMain(m *testing.M) {
	local.Main()
	if os.Getenv(envAsProgram) != "" {
		os.Exit(execute(os.Args, os.Stdout, os.Stderr))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "elenchus-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	nodeProgram = filepath.Join(dir, "elenchus-node")
	if err := buildNode(nodeProgram); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Labs wait more than they work.
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "4") // the flag is there, and takes numbers
	}
	return m.Run()
}

// buildNode builds the node for this machine, or for another with "GOARCH=…".
func buildNode(path string, settings ...string) error {
	cmd := exec.Command("go", "build", "-o", path, "../node")
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), settings...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build node: %w\n%s", err, out)
	}
	return nil
}

// labError says why this machine cannot have local labs.
var labError = sync.OnceValue(func() error {
	out, err := os.CreateTemp("", "elenchus-test-")
	if err != nil {
		return err
	}
	defer func() { _ = out.Close(); _ = os.Remove(out.Name()) }()
	options := local.Options{Hosts: 1, Stdout: out, Stderr: out}
	_, err = local.Run(context.Background(), options, []string{"true"}, os.Environ())
	return err
})

func needLab(t *testing.T) {
	t.Helper()
	if err := labError(); errors.Is(err, local.ErrUnavailable) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can do this to a host")
	}
}

// rig is what one test starts, and where it leaves its runs. When the test is over, nothing of it may be left.
type rig struct {
	t          *testing.T
	dir        string
	results    string
	mark       string
	env        []string
	namespaces map[string]bool
}

func newRig(t *testing.T) *rig {
	t.Helper()
	needLab(t)
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, results: filepath.Join(dir, "runs"), mark: rand.Text(), namespaces: map[string]bool{}}
	r.env = []string{
		envAsProgram + "=1", envMark + "=" + r.mark,
		raceOptions, "ELENCHUS_RESULTS=" + r.results, "ELENCHUS_NODE_BINARY=" + nodeProgram,
	}
	t.Cleanup(r.nothingIsLeft)
	return r
}

// file writes a file for the program and returns its path.
func (r *rig) file(name, content string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// program is the program in progress.
type program struct {
	t      testing.TB
	cmd    *exec.Cmd
	out    string // files that take its output: a pipe would wait for whoever inherited it
	err    string
	exited chan struct{}
}

// self is the path of the test program, which is the program too.
func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts "elenchus args…" in a process group of its own.
func (r *rig) start(args ...string) *program {
	r.t.Helper()
	cmd := exec.Command(self(r.t))
	cmd.Args = append([]string{"elenchus"}, args...)
	return r.startCommand(cmd)
}

func (r *rig) startCommand(cmd *exec.Cmd) *program {
	r.t.Helper()
	p := &program{t: r.t, cmd: cmd, exited: make(chan struct{})}
	for _, to := range []*string{&p.out, &p.err} {
		f, err := os.CreateTemp(r.dir, "output-")
		if err != nil {
			r.t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		*to = f.Name()
		if to == &p.out {
			cmd.Stdout = f
		} else {
			cmd.Stderr = f
		}
	}
	cmd.Env = append(os.Environ(), r.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // its exit code is looked at where it matters
		close(p.exited)
	}()
	r.t.Cleanup(func() {
		select {
		case <-p.exited:
		default:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-p.exited
		}
		if contains(p.stderr(), "DATA RACE") {
			r.t.Error("there is a data race")
		}
		if r.t.Failed() {
			r.t.Logf("%s\n%s%s", strings.Join(cmd.Args, " "), p.stderr(), p.stdout())
		}
	})
	return p
}

func (p *program) read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.t.Error(err)
	}
	return string(data)
}

func (p *program) stdout() string { return p.read(p.out) }
func (p *program) stderr() string { return p.read(p.err) }

// until waits until the program has said something that matches.
func (p *program) until(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if found := re.FindString(p.stderr() + p.stdout()); found != "" {
			return found
		}
		select {
		case <-p.exited:
			if found := re.FindString(p.stderr() + p.stdout()); found != "" {
				return found
			}
			p.t.Fatalf("exited with %d and never said %q", p.cmd.ProcessState.ExitCode(), pattern)
		default:
		}
	}
	p.t.Fatalf("never said %q", pattern)
	return ""
}

// wait waits for the program's end and returns its exit code, -1 when a signal ended it.
func (p *program) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(2 * deadline):
		p.t.Fatalf("does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// signal sends a signal to the program alone, or as a terminal does, to its group.
func (p *program) signal(sig syscall.Signal, group bool) {
	p.t.Helper()
	pid := p.cmd.Process.Pid
	if group {
		pid = -pid
	}
	if err := syscall.Kill(pid, sig); err != nil {
		p.t.Fatal(err)
	}
}

// exits runs the program to its end, which must have this exit code, and returns it.
func (r *rig) exits(code int, args ...string) *program {
	r.t.Helper()
	p := r.start(args...)
	if got := p.wait(); got != code {
		r.t.Fatalf("elenchus %s: exit code %d, want %d", strings.Join(args, " "), got, code)
	}
	return p
}

// says checks that every one of the texts is somewhere in what the program said.
func (p *program) says(texts ...string) {
	p.t.Helper()
	all := p.stderr() + p.stdout()
	for _, text := range texts {
		if !strings.Contains(all, text) {
			p.t.Errorf("%q is not in what it said:\n%s", text, all)
		}
	}
}

// outcome is the newest run, as it was judged.
func (r *rig) outcome() (results.Run, *results.Manifest, verdict.Verdict) {
	r.t.Helper()
	dir, err := results.Open(r.results, results.Latest)
	if err != nil {
		r.t.Fatal(err)
	}
	m, err := dir.LoadManifest()
	if err != nil {
		r.t.Fatal(err)
	}
	v, err := dir.LoadVerdict()
	if err != nil {
		r.t.Fatal(err)
	}
	return dir, m, v
}

// checkAgrees judges the newest run again and wants the same.
func (r *rig) checkAgrees(want verdict.Verdict) {
	r.t.Helper()
	r.exits(want.ExitCode(), "check", results.Latest).says(want.Word())
	if _, _, v := r.outcome(); v.Word() != want.Word() || v.Safety.Status != want.Safety.Status ||
		v.Liveness.Status != want.Liveness.Status || v.Coverage.Status != want.Coverage.Status ||
		v.Harness.Status != want.Harness.Status || len(v.Safety.Findings) != len(want.Safety.Findings) {
		r.t.Errorf("another check says %+v, the first said %+v", v, want)
	}
}

// allReverted checks that every fault that was installed in a run was seen to be over, and counts them by kind.
func allReverted(t *testing.T, dir results.Run) map[string]int {
	t.Helper()
	log, err := history.ReadFaults(dir.Faults())
	if err != nil {
		t.Fatal(err)
	}
	installed := map[string]int{}
	for _, w := range history.Windows(log.Events) {
		if w.Status != history.FaultInstalled {
			continue
		}
		installed[w.Kind]++
		if w.RevertStatus != history.FaultReverted && w.RevertStatus != history.FaultSkipped {
			t.Errorf("fault %s (%s) was not reverted: %q", w.ID, w.Kind, w.RevertStatus)
		}
	}
	return installed
}

// process is what /proc says of a process.
type process struct {
	pid, parent int
	argv        []string
	environ     []string
	namespace   string // of process ids
}

// processes are all that carry the rig's mark, descend from one that does, or live in a namespace of its labs.
func (r *rig) processes() []process {
	r.t.Helper()
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		r.t.Fatal(err)
	}
	all := allProcesses(r.t)
	ours := map[int]bool{}
	for before := -1; before < len(ours); {
		before = len(ours)
		for _, p := range all {
			if ours[p.parent] || r.namespaces[p.namespace] || slices.Contains(p.environ, envMark+"="+r.mark) {
				ours[p.pid] = true
				if p.namespace != own && p.namespace != "" {
					r.namespaces[p.namespace] = true
				}
			}
		}
	}
	return slices.DeleteFunc(all, func(p process) bool { return !ours[p.pid] })
}

// allProcesses reads /proc. Of other users, and of the dead, there is less to read.
func allProcesses(t *testing.T) []process {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var all []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		p := process{pid: pid, environ: strings.Split(string(environ), "\x00"),
			argv: strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")}
		p.namespace, _ = os.Readlink(filepath.Join(dir, "ns/pid"))
		// The name in parentheses may hold anything; state and parent follow.
		if _, rest, ok := strings.Cut(string(stat[max(0, bytes.LastIndexByte(stat, ')')):]), ") "); ok {
			fields := strings.Fields(rest)
			if len(fields) < 2 || fields[0] == "Z" { // a zombie is dead already
				continue
			}
			p.parent, _ = strconv.Atoi(fields[1])
		}
		all = append(all, p)
	}
	return all
}

// seesLab notes the namespaces of a lab with so many hosts, so that it is known whether one survives.
func (r *rig) seesLab(hosts int) {
	r.t.Helper()
	if r.processes(); len(r.namespaces) < hosts+1 {
		r.t.Fatalf("there are %d namespaces, and should be %d", len(r.namespaces), hosts+1)
	}
}

// inner is the harness that runs inside the lab.
func (r *rig) inner() process {
	r.t.Helper()
	for _, p := range r.processes() {
		inLab := slices.ContainsFunc(p.environ, func(kv string) bool { return strings.HasPrefix(kv, local.EnvFile+"=") })
		if inLab && len(p.argv) > 1 && p.argv[1] == "test" {
			return p
		}
	}
	r.t.Fatal("there is no harness in the lab")
	return process{}
}

// nothingIsLeft waits until no process of the rig and none in a namespace of its labs is alive.
func (r *rig) nothingIsLeft() {
	var left []process
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if left = r.processes(); len(left) == 0 {
			return
		}
	}
	for _, p := range left {
		r.t.Errorf("left behind: process %d, %q", p.pid, p.argv)
	}
}

// labUp makes a lab that stays up until the test is over, and returns its name.
func (r *rig) labUp(hosts int) string {
	r.t.Helper()
	name := "it-" + strings.ToLower(rand.Text()[:12])
	r.t.Cleanup(func() { r.exits(verdict.ExitValid, "lab", "down", "--force", "--lab-name", name) })
	r.exits(verdict.ExitValid, "lab", "up", "--lab-name", name, "--nodes", strconv.Itoa(hosts))
	r.seesLab(hosts)
	return name
}

// on runs a command on a host of a lab, or beside the hosts when host is empty, and returns what it printed.
func (r *rig) on(name, host string, argv ...string) string {
	r.t.Helper()
	args := []string{"lab", "exec", "--lab-name", name}
	if host != "" {
		args = append(args, host)
	}
	return r.exits(0, append(append(args, "--"), argv...)...).stdout()
}

// schedule writes a schedule for the nodes n1 … and returns its path.
func (r *rig) schedule(nodes int, length string, faults ...string) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "elenchus-schedule 1\nseed 1\nnodes")
	for i := range nodes {
		fmt.Fprintf(&b, " n%d", i+1)
	}
	fmt.Fprintf(&b, "\nlength %s\n%s\n", length, strings.Join(faults, "\n"))
	return r.file("it.schedule", b.String())
}

// otherMachine is an architecture that this machine is not.
func otherMachine() string {
	if runtime.GOARCH == "arm64" {
		return "amd64"
	}
	return "arm64"
}

func contains(s, part string) bool { return strings.Contains(s, part) }

func itoa(n int) string { return strconv.Itoa(n) }
