package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// Process is a long-running program on a host, which outlives the connection that started it. It is identified by
// its pid file alone (see [ShellLibrary] for the format), so that any client, now or later, refers to the same
// process and never to an unrelated one.
type Process struct {
	Name    string   // for messages
	PIDFile string   // absolute, as all paths here
	Dir     string   // its working directory
	Argv    []string // the program and its arguments, without further quoting; ["env", "A=b", …] sets the environment
	LogFile string   // its standard output and standard error are appended to it

	// Settle is how long the process must live for Start to succeed; 200 ms when zero.
	Settle time.Duration

	// Patience is how long a signal may take to have an observable effect; 10 s when zero.
	Patience time.Duration
}

// State is the state of a process.
type State string

// The states of a process.
const (
	Running State = "running"
	Stopped State = "stopped" // by SIGSTOP, every thread of it
	Zombie  State = "zombie"  // dead, but not reaped
	Dead    State = "dead"    // or never started, or its pid file is gone
)

// Signal is a signal whose effect on a process can be observed.
type Signal string

// The signals.
const (
	SIGSTOP Signal = "STOP"
	SIGCONT Signal = "CONT"
	SIGTERM Signal = "TERM"
	SIGKILL Signal = "KILL"
)

var (
	// ErrNotRunning means that there was no process to signal, and no signal was sent.
	ErrNotRunning = errors.New("process is not running")

	// ErrRunning means that a process with this pid file is already running.
	ErrRunning = errors.New("process is running already")

	// ErrNoEffect means that the signal was sent, but its effect was not observed in time.
	ErrNoEffect = errors.New("signal had no effect")

	// ErrExited means that the process exited during its start. The message has its status and the end of its log.
	ErrExited = errors.New("process exited at once")
)

// Exit statuses of the scripts below. They differ from the shell's own.
const (
	statusNotRunning = 70
	statusRunning    = 71
	statusNoEffect   = 72
	statusExited     = 73
)

const (
	settleDefault   = 200 * time.Millisecond
	patienceDefault = 10 * time.Second
	pollsPerSec     = 100 // approximate frequency of proc_await's checks
	logTailLines    = 20
)

// startScript starts the program in its own session, detached from everything of this shell, and watches it for a
// while. The inner shell writes the pid file and turns into the program, which keeps its id and start time. The
// file appears complete or not at all.
//
// Two of these may run at once: if the first was given up on a slow host, its shell continues. So there is an order
// of succession. Only one inner shell can create the link named after the process whose file it found (or after
// none), and only that one may replace the file, if the file is still the one it found. A shell that comes too late
// acts on the link: its creator is alive and about to replace the file, or has died and is succeeded in turn. A
// file is removed only by the shell whose process it names, which takes the link for that, lest it remove the file of
// a successor. Otherwise a process could be left that no file names, and that nobody could ever stop.
const startScript = `
proc_state "$pidfile"
case $state in running | stopped) echo "process $pid is $state" >&2; exit 71 ;; esac
mkdir -p -- "$dir" "${pidfile%/*}" "${log%/*}" && cd -- "$dir" && : >>"$log" || exit 1
size=$(($(wc -c <"$log")))
setsid sh -c "$library"'
	pidfile=$0 own=$0.$$ heir=$0 tries=1000
	read_heir() {
		proc_state "$heir"
		case $pid$start in *[!0-9]*) pid= start= ;; esac
	}
	proc_read /proc/$$/stat && echo "$$ $began" >"$own" || exit 1
	while read_heir; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { rm -f -- "$own"; exit 1; }
		case $state:$heir in
		running:"$pidfile" | stopped:"$pidfile") rm -f -- "$own"; exit 71 ;;
		running:* | stopped:*) sleep 0.01; heir=$pidfile; continue ;; # it is about to replace the file
		esac
		[ "$heir" != "$pidfile" ] || found=$pid.$start
		link=$pidfile.after.$pid.$start
		if ln -- "$own" "$link" 2>/dev/null; then
			heir=$pidfile
			read_heir
			[ "$pid.$start" != "$found" ] || break
			rm -f -- "$link"
		else
			heir=$link
			[ -e "$link" ] || heir=$pidfile
		fi
	done
	mv -f -- "$own" "$pidfile" && rm -f -- "$pidfile".after.* && exec "$@"
' "$pidfile" "$@" </dev/null >>"$log" 2>&1 &
child=$!
while [ "$polls" -gt 0 ]; do
	sleep 0.01
	named=
	{ read -r named start <"$pidfile"; } 2>/dev/null
	proc_read "/proc/$child/stat" && [ "$letter" != Z ] || {
		wait $child
		status=$?
		link=$pidfile.after.$child.$start
		[ "$named" != "$child" ] || ! ln -- "$pidfile" "$link" 2>/dev/null || {
			{ read -r named start <"$link"; } 2>/dev/null
			[ "$named" != "$child" ] || rm -f -- "$pidfile"
			rm -f -- "$link"
		}
		proc_state "$pidfile"
		case $state in running | stopped) echo "process $pid is $state" >&2; exit 71 ;; esac
		echo "exit status $status" >&2
		tail -c +$((size + 1)) -- "$log" | tail -n "$lines" >&2
		exit 73
	}
	[ "$named" != "$child" ] || polls=$((polls - 1))
done
`

// Start starts the process and returns once it has lived for Settle. Errors match ErrRunning, or ErrExited with the
// process's exit status and the last lines that it logged. After any other error the process may have been started
// nevertheless: Stop it.
func (p Process) Start(ctx context.Context, c *Client) error {
	if err := p.validate(); err != nil {
		return fmt.Errorf("start process: %w", err)
	}
	script := fmt.Sprintf("library=%s\neval \"$library\"\npidfile=%s dir=%s log=%s polls=%d lines=%d\nset -- %s\n",
		Quote(ShellLibrary), Quote(p.PIDFile), Quote(p.Dir), Quote(p.LogFile),
		polls(cmp.Or(p.Settle, settleDefault)), logTailLines, QuoteAll(p.Argv)) + startScript
	_, err := c.Run(ctx, script)
	return p.explain("start", err)
}

// State returns the state of the process according to /proc.
func (p Process) State(ctx context.Context, c *Client) (State, error) {
	if err := p.validate(); err != nil {
		return "", fmt.Errorf("ask for the state of a process: %w", err)
	}
	out, err := c.Run(ctx, ShellLibrary+"proc_state "+Quote(p.PIDFile)+"; echo $state")
	if err != nil {
		return "", p.explain("ask for the state of", err)
	}
	switch s := State(out.Text()); s {
	case Running, Stopped, Zombie, Dead:
		return s, nil
	default:
		return "", fmt.Errorf("%s: unknown state %q of %s", c.Host().Name, s, p.Name)
	}
}

// signalScript checks twice, because proc_find also finds a zombie, on which no signal has an effect.
const signalScript = `
proc_state "$pidfile"
case $state in running | stopped) ;; *) exit 70 ;; esac
proc_find "$pidfile" && kill -s "$signal" "$pid" || exit 70
proc_await "$effect" "$polls" "$pidfile" || { echo "it is $state" >&2; exit 72; }
`

// Signal sends the signal and returns once its effect is observed: the process is stopped, running, or dead. Errors
// match ErrNotRunning (nothing was sent) or ErrNoEffect; for example, TERM kills a stopped process only once it is
// continued.
func (p Process) Signal(ctx context.Context, c *Client, s Signal) error {
	effects := map[Signal]State{SIGSTOP: Stopped, SIGCONT: Running, SIGTERM: Dead, SIGKILL: Dead}
	effect, ok := effects[s]
	if err := p.validate(); err != nil || !ok {
		return fmt.Errorf("send signal %q: %w", s, errors.Join(err, unknownUnless(ok)))
	}
	script := fmt.Sprintf("%spidfile=%s signal=%s effect=%s polls=%d\n", ShellLibrary, Quote(p.PIDFile), s, effect,
		polls(p.patience())) + signalScript
	_, err := c.Run(ctx, script)
	return p.explain("send SIG"+string(s)+" to", err)
}

func unknownUnless(known bool) error {
	if known {
		return nil
	}
	return errors.New("unknown signal")
}

// stopScript continues the process after TERM, which a stopped process would not receive.
const stopScript = `
if proc_find "$pidfile" && kill -s TERM "$pid" 2>/dev/null; then
	kill -s CONT "$pid" 2>/dev/null
	proc_await dead "$grace" "$pidfile" ||
		{ proc_find "$pidfile" && kill -s KILL "$pid" 2>/dev/null; proc_await dead "$polls" "$pidfile"; } ||
		{ echo "it is $state" >&2; exit 72; }
fi
rm -f -- "$pidfile"
`

// Stop ends the process: TERM, then KILL if it is still alive after grace. A stopped process is continued, and one
// that is not running is no error.
func (p Process) Stop(ctx context.Context, c *Client, grace time.Duration) error {
	if err := p.validate(); err != nil {
		return fmt.Errorf("stop process: %w", err)
	}
	script := fmt.Sprintf("%spidfile=%s grace=%d polls=%d\n", ShellLibrary, Quote(p.PIDFile), polls(grace),
		polls(p.patience())) + stopScript
	_, err := c.Run(ctx, script)
	return p.explain("stop", err)
}

func (p Process) patience() time.Duration { return cmp.Or(p.Patience, patienceDefault) }

// polls returns the number of checks, about 10 ms apart, for d to pass; at least one.
func polls(d time.Duration) int { return 1 + int(d*pollsPerSec/time.Second) }

// explain converts a script's exit status to the corresponding error.
func (p Process) explain(verb string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	status, ok := ExitStatus(err)
	if !ok || !errors.As(err, &e) {
		return fmt.Errorf("%s %s: %w", verb, p.Name, err)
	}
	causes := map[int]error{statusNotRunning: ErrNotRunning, statusRunning: ErrRunning,
		statusNoEffect: ErrNoEffect, statusExited: ErrExited}
	cause := causes[status]
	if cause == nil {
		return fmt.Errorf("%s %s: %w", verb, p.Name, err)
	}
	return &Error{Host: e.Host, ExitStatus: -1, Stderr: e.Stderr, Err: fmt.Errorf("%s %s: %w", verb, p.Name, cause)}
}

// validate lists everything that is wrong with the description.
func (p Process) validate() error {
	var errs []error
	if p.Name == "" {
		errs = append(errs, errors.New("process has no name"))
	}
	for _, file := range []struct{ what, path string }{
		{"pid file", p.PIDFile}, {"directory", p.Dir}, {"log file", p.LogFile},
	} {
		if !path.IsAbs(file.path) {
			errs = append(errs, fmt.Errorf("%s %q is not an absolute path", file.what, file.path))
		}
	}
	if len(p.Argv) == 0 {
		errs = append(errs, errors.New("process has no program"))
	}
	if strings.ContainsRune(p.PIDFile+p.Dir+p.LogFile+strings.Join(p.Argv, ""), 0) {
		errs = append(errs, errors.New("process has a NUL byte in a path or an argument"))
	}
	if p.Settle < 0 || p.Patience < 0 {
		errs = append(errs, fmt.Errorf("settle time %v or patience %v is negative", p.Settle, p.Patience))
	}
	return errors.Join(errs...)
}
