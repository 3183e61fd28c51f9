//go:build linux

package local

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOptionsValidate(t *testing.T) {
	if err := (Options{}).validate(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
	err := Options{Hosts: 10, Privilege: 7, Dir: "labs", Disk: "disk"}.validate()
	for _, want := range []string{"10 hosts: a local lab has 1 to 9", "privilege 7", `"labs"`, `"disk"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	for name, ok := range map[string]bool{
		"default": true, "a-1": true, "": false, "Lab": false, "../x": false, "run.1": false, "-x": false,
		strings.Repeat("x", 32): false,
	} {
		if err := ValidateName(name); (err == nil) != ok {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

// TestDiagnose checks that a user is told which setting of the machine is in the way.
func TestDiagnose(t *testing.T) {
	for _, c := range []struct {
		settings map[string]string
		err      error
		want     string // empty for an error that is passed on as it is
	}{
		{map[string]string{"kernel/unprivileged_userns_clone": "0"}, unix.EPERM,
			"sysctl -w kernel.unprivileged_userns_clone=1"},
		{map[string]string{"user/max_user_namespaces": "0"}, unix.ENOSPC, "because user.max_user_namespaces=0"},
		{map[string]string{"kernel/apparmor_restrict_unprivileged_userns": "1"}, unix.EACCES,
			"sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run as root (sudo)"},
		{map[string]string{"kernel/unprivileged_userns_clone": "1", "user/max_user_namespaces": "1"}, unix.EPERM,
			"seccomp"},
		{nil, unix.EPERM, "or run as root (sudo)"},
		{nil, unix.EINVAL, ""},
		{map[string]string{"user/max_user_namespaces": "0"}, unix.ENOENT, ""},
	} {
		err := diagnose(func(name string) (string, bool) { v, ok := c.settings[name]; return v, ok }, c.err)
		if !errors.Is(err, c.err) {
			t.Errorf("%v, %v: %v hides its cause", c.settings, c.err, err)
		}
		if c.want == "" && errors.Is(err, ErrUnavailable) {
			t.Errorf("%v, %v: %v blames the machine", c.settings, c.err, err)
		}
		if c.want != "" && (!errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, %v: %v does not say %q", c.settings, c.err, err, c.want)
		}
	}
}

// TestFindProgram finds firewall tools where a user's PATH does not lead.
func TestFindProgram(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "text"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := findProgram("tool", "relative:/nowhere:"+dir); got != filepath.Join(dir, "tool") {
		t.Errorf("tool: %q", got)
	}
	for _, name := range []string{"text", "missing-from-everywhere"} {
		if got := findProgram(name, dir); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if _, err := os.Stat("/usr/sbin/iptables"); err == nil && findProgram("iptables", "") != "/usr/sbin/iptables" {
		t.Error("iptables was not looked for in /usr/sbin")
	}
}

func TestHostMounts(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "with space"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	line := func(path string) string {
		return fmt.Sprintf("36 35 98:0 / %s rw,noatime shared:1 - ext4 /dev/x rw\n", path)
	}
	info := line("/") + line("/usr") + line("/proc/sys") + line("/var/lib/docker") + line("/dev") + line("/no/such") +
		line("/usr") + line(filepath.Join(dir, `with\040space`)) + line(filepath.Join(dir, "file")) + "short\n"
	got := hostMounts(info)
	if strings.HasPrefix(dir, "/tmp/") { // which hosts have for themselves
		if want := []string{"/usr"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		return
	}
	if want := []string{filepath.Join(dir, "with space"), "/usr"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestProcesses reads what the kernel says of this very process.
func TestProcesses(t *testing.T) {
	if start, err := startTime(os.Getpid()); err != nil || start == 0 {
		t.Errorf("start time %d, %v", start, err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	parent, ids := statusIDs(string(status))
	if parent != os.Getppid() || len(ids) == 0 || ids[0] != os.Getpid() {
		t.Errorf("parent %d, ids %v", parent, ids)
	}
	parent, ids = statusIDs("Name:\tx\nPPid:\t12\nNSpid:\t400\t17\t1\n")
	if parent != 12 || !slices.Equal(ids, []int{400, 17, 1}) {
		t.Errorf("parent %d, ids %v", parent, ids)
	}
}

// TestRegistryIsOurs refuses directories that others could look into, or have put there.
func TestRegistryIsOurs(t *testing.T) {
	base := t.TempDir()
	if _, err := openRegistry(filepath.Join(base, "new", "labs")); err != nil {
		t.Errorf("a new directory: %v", err)
	}
	if _, err := openRegistry(filepath.Join(base, "new", "labs")); err != nil {
		t.Errorf("the same again: %v", err)
	}
	open := filepath.Join(base, "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(filepath.Join(base, "new", "labs"), link); err != nil {
		t.Fatal(err)
	}
	bad := []string{open, link}
	if os.Getuid() == 0 {
		theirs := filepath.Join(base, "theirs")
		if err := errors.Join(os.Mkdir(theirs, 0o700), os.Chown(theirs, stranger, stranger)); err != nil {
			t.Fatal(err)
		}
		bad = append(bad, theirs)
	}
	for _, dir := range bad {
		if _, err := openRegistry(dir); err == nil || !strings.Contains(err.Error(), "0700") {
			t.Errorf("%s: %v", filepath.Base(dir), err)
		}
	}
}

// TestSweep removes what is dead, its disk included, and nothing else.
func TestSweep(t *testing.T) {
	r, err := openRegistry(filepath.Join(t.TempDir(), "labs"))
	if err != nil {
		t.Fatal(err)
	}
	disk := t.TempDir()
	deadDir, dead, err := r.create("")
	if err != nil {
		t.Fatal(err)
	}
	deadDisk, err := makeDisk(deadDir, disk)
	if err != nil {
		t.Fatal(err)
	}
	livingDir, living, err := r.create("living")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = living.Close() }()
	if _, _, err := r.create("living"); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second lab of the same name: %v", err)
	}
	if _, err := os.Stat(deadDir); err != nil {
		t.Errorf("what lives was swept: %v", err)
	}
	locked := filepath.Join(deadDir, "a", "b")
	if err := errors.Join(os.MkdirAll(locked, 0o700), os.Chmod(filepath.Dir(locked), 0)); err != nil {
		t.Fatal(err)
	}
	_ = dead.Close()
	names, err := r.names()
	if err != nil || !slices.Equal(names, []string{"living"}) {
		t.Errorf("names %v, %v", names, err)
	}
	for path, want := range map[string]bool{deadDir: false, deadDisk: false, livingDir: true, disk: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestStatesOfALabThatIsBeingMade tells of a lab that does not answer yet, and does not fail because of it.
func TestStatesOfALabThatIsBeingMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "labs")
	r, err := openRegistry(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, making, err := r.create("young")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = making.Close() }()
	states, err := States(t.Context(), Options{Dir: dir})
	if err != nil || len(states) != 1 || states[0].Name != "young" || !strings.Contains(states[0].Problem, "being made") {
		t.Errorf("states %+v, %v", states, err)
	}
}

// TestLink sends messages of all sizes, with and without files, and notices the end and nonsense.
func TestLink(t *testing.T) {
	ours, file, err := socketPair("test")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(file.Fd())) // a link takes its descriptor over
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	theirs, err := newLink(fd, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	big := strings.Repeat("x", 1<<20)
	sent := make(chan error, 1)
	go func() {
		err := ours.send(frame{Op: opExec, Argv: []string{"a"}, Env: []string{big}}, w, w, w)
		sent <- errors.Join(err, ours.send(frame{Op: opDown}), w.Close())
	}()
	f, files, err := theirs.receive()
	if err != nil || f.Op != opExec || len(files) != 3 || f.Env[0] != big {
		t.Fatalf("got %s with %d files, %v", f.Op, len(files), err)
	}
	if f, files, err := theirs.receive(); err != nil || f.Op != opDown || len(files) != 0 {
		t.Fatalf("got %s with %d files, %v", f.Op, len(files), err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if _, err := files[2].WriteString("through"); err != nil {
		t.Fatal(err)
	}
	closeFiles(files)
	if got, err := io.ReadAll(r); err != nil || string(got) != "through" {
		t.Errorf("through a passed file came %q, %v", got, err)
	}
	if err := ours.send(frame{Op: opExec, Env: []string{strings.Repeat("x", frameMax)}}); err == nil {
		t.Error("a message above the limit was sent")
	}
	if _, err := ours.conn.Write([]byte{0xff, 0xff, 0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := theirs.receive(); err == nil || !strings.Contains(err.Error(), "are more than") {
		t.Errorf("a message that is too long: %v", err)
	}
	ours.close()
	if _, _, err := theirs.receive(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, want string }{
		{"tool", filepath.Join(dir, "tool")}, {"./tool", filepath.Join(dir, "tool")}, {"/bin/sh", "/bin/sh"}, {"none", ""},
	} {
		got, err := lookPath(c.name, []string{"PATH=/nowhere:" + dir, "HOME=/"}, dir)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

// TestMainReturns checks that an ordinary program is left alone, and a child without a parent ends with an error.
func TestMainReturns(t *testing.T) {
	Main()
	for _, name := range []string{supervisorName, hostProcName, sshdName} {
		r := newRig(t, mode{})
		cmd := r.program("", nil)
		cmd.Args = []string{name}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err == nil || !strings.HasPrefix(stderr.String(), name+": ") {
			t.Errorf("%s: %v, %s", name, err, stderr.String())
		}
	}
}
