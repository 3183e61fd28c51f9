//go:build linux

package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// aliveFD is the descriptor through which a supervisor keeps its lab's alive file locked.
const aliveFD = 4

// Run creates an ephemeral lab, runs a command inside its enclosure and returns the command's exit code (128 plus
// the signal's number if a signal ended it). The lab is gone when Run returns, or when the program dies, however it
// dies.
//
// The command has the program's working directory, the environment env and [EnvFile], and the files of o, by
// default the program's own. It stays in the program's process group, so a Ctrl-C at the terminal reaches it as it
// would without a lab; a signal for the program alone (SIGINT, SIGTERM, SIGHUP, SIGQUIT) is forwarded. Either way
// the command receives it once, and while it runs the program itself survives these signals. When ctx ends, the
// command gets SIGTERM and is killed 10 s later; if ctx ended by one of these signals, the command has received
// that already and gets no SIGTERM.
//
// An error means that there was no lab or that it broke; the command's own failure is not an error.
func Run(ctx context.Context, o Options, argv, env []string) (int, error) {
	p, err := plan(o)
	if err != nil {
		return 0, err
	}
	dir, alive, err := p.registry.create("")
	if err != nil {
		return 0, err
	}
	defer func() { _ = alive.Close() }()
	defer func() { _ = p.registry.remove(filepath.Base(dir)) }()
	if err := writeOwner(dir, os.Getpid()); err != nil {
		return 0, err
	}
	sup, err := p.launch(ctx, "local", dir, alive, false)
	if err != nil {
		return 0, err
	}
	defer sup.end()
	return sup.link.command(ctx, o, argv, env)
}

// launchPlan is what is determined before a lab is created.
type launchPlan struct {
	options  Options
	registry registry
	root     bool
	sshd     string
}

// plan checks everything that can be checked without creating anything but the registry.
func plan(o Options) (launchPlan, error) {
	if err := o.validate(); err != nil {
		return launchPlan{}, fmt.Errorf("configure local lab: %w", err)
	}
	p := launchPlan{options: o.withDefaults()}
	var err error
	if p.root, err = rooted(o.Privilege); err != nil {
		return launchPlan{}, err
	}
	if p.sshd, err = findPrograms(p.root, os.Getenv("PATH")); err != nil {
		return launchPlan{}, err
	}
	if p.registry, err = openRegistry(o.Dir); err != nil {
		return launchPlan{}, err
	}
	return p, nil
}

// supervisorProcess is the program's handle on a running supervisor.
type supervisorProcess struct {
	link *link
	pid  int
	dead <-chan struct{}
}

// end ends the lab, unless it was told to stay, and waits until nothing of it is left.
func (s *supervisorProcess) end() {
	s.link.close()
	<-s.dead
}

// launch starts a supervisor and returns when its lab is up.
func (p launchPlan) launch(ctx context.Context, name, dir string, alive *os.File, detached bool) (
	*supervisorProcess, error,
) {
	spec := labSpec{Name: name, Dir: dir, Hosts: p.options.Hosts, Rootless: !p.root, Sshd: p.sshd}
	if p.options.Disk != "" {
		disk, err := makeDisk(dir, p.options.Disk)
		if err != nil {
			return nil, err
		}
		spec.Disk = disk
	}
	ours, theirs, err := socketPair("supervisor")
	if err != nil {
		return nil, err
	}
	s, err := p.fork(dir, theirs, alive, detached)
	_ = theirs.Close()
	if err != nil {
		ours.close()
		return nil, err
	}
	s.link = ours
	ctx, cancel := context.WithTimeout(ctx, buildMax)
	defer cancel()
	stop := context.AfterFunc(ctx, ours.close)
	err = ours.send(frame{Op: opBuild, Lab: &spec})
	if err == nil {
		_, err = ours.expect(opReady)
	}
	if !stop() {
		err = fmt.Errorf("not up in time: %w", context.Cause(ctx))
	}
	if err != nil {
		s.end()
		return nil, fmt.Errorf("make lab: %w", err)
	}
	return s, nil
}

// fork starts the supervisor in its namespaces. When the thread that forks it ends, and so when the program does,
// the kernel kills the supervisor; if the program dies before this takes effect, the supervisor notices by a closed
// socket instead.
func (p launchPlan) fork(dir string, control, alive *os.File, detached bool) (*supervisorProcess, error) {
	log, err := os.OpenFile(filepath.Join(dir, "supervisor.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{supervisorName}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{control, alive}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC,
		Setsid:     detached,
	}
	if !detached {
		cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	}
	if !p.root {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	started, dead := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread must outlive the supervisor
		defer close(dead)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // its log says why it ended, if it was not told to
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start supervisor: %w", diagnose(sysctl, err))
	}
	return &supervisorProcess{pid: cmd.Process.Pid, dead: dead}, nil
}

// command runs a command at the other end of the link and returns its exit code.
func (l *link) command(ctx context.Context, o Options, argv, env []string) (int, error) {
	dir, err := os.Getwd()
	if err != nil {
		return 0, fmt.Errorf("run command: %w", err)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)
	if ctx.Err() != nil { // whoever waited for the lab has been told to end
		return 0, fmt.Errorf("run command: %w", context.Cause(ctx))
	}
	env = slices.Concat(env, []string{EnvCaller + "=" + strconv.Itoa(os.Getpid())})
	files := o.files()
	if err := l.send(frame{Op: opExec, Argv: argv, Env: env, Dir: dir}, files[:]...); err != nil {
		return 0, fmt.Errorf("run command: %w", err)
	}
	type result struct {
		code int
		err  error
	}
	over := make(chan result, 1)
	go func() {
		f, err := l.expect(opExited)
		over <- result{f.Code, err}
	}()
	done, told := ctx.Done(), (<-chan time.Time)(nil)
	counts := make(map[syscall.Signal]int)
	for {
		select {
		case r := <-over:
			if r.err != nil {
				return 0, fmt.Errorf("run command: %w", r.err)
			}
			return r.code, nil
		case sig := <-signals:
			if sig, ok := sig.(syscall.Signal); ok {
				counts[sig]++
				_ = l.send(frame{Op: opSignal, Signal: int(sig), Count: counts[sig]})
			}
		case <-done:
			done, told = nil, time.After(groupSignalMax)
		case <-told: // if the context ended by a signal, the command already has it
			if len(counts) == 0 {
				_ = l.send(frame{Op: opAbandon})
			}
		}
	}
}

// files returns the command's standard input, output and error.
func (o Options) files() [3]*os.File {
	files := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	for i, f := range []*os.File{o.Stdin, o.Stdout, o.Stderr} {
		if f != nil {
			files[i] = f
		}
	}
	return files
}
