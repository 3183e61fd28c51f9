package nemesis

import (
	"fmt"
	"strconv"
	"strings"
)

// Process identifies one process of a host uniquely: PIDs are reused, but not together with the start time.
type Process struct {
	Host  string `json:"host"`
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // field 22 of /proc/PID/stat: clock ticks since the host was booted
}

func (p Process) String() string { return fmt.Sprintf("process %d (start %d)", p.PID, p.Start) }

// sighting is what was seen of a process.
type sighting struct {
	Process
	recorded         bool   // there is a readable PID file; otherwise the other fields are meaningless
	alive            bool   // it exists, has the start time recorded, and is no zombie
	state            string // of its main thread, as in /proc/PID/stat
	threads, stopped int    // number of threads, and number of them in state T
}

// dead returns the reason why there is no process to signal, or "".
func (s sighting) dead() string {
	switch {
	case !s.recorded:
		return "no process is recorded"
	case s.state == "Z" || s.state == "X":
		return fmt.Sprintf("%v is dead", s.Process)
	default:
		return fmt.Sprintf("%v is gone", s.Process)
	}
}

// stoppedWhole reports whether all threads are stopped. The kernel stops them one by one.
func (s sighting) stoppedWhole() bool { return s.alive && s.threads > 0 && s.stopped == s.threads }

// findScript inspects the process recorded in a file.
func findScript(pidFile string) string {
	return fmt.Sprintf("(\npid= start=\nread -r pid start 2>/dev/null <'%s' || { [ -n \"$start\" ] || exit 0; }\n%s)",
		pidFile, lookScript)
}

// watchScript inspects a known process.
func watchScript(p Process) string {
	return fmt.Sprintf("(\npid=%d start=%d\n%s)", p.PID, p.Start, lookScript)
}

// lookScript prints the state of process $pid: pid and recorded start, and if it exists its state, start time,
// number of stopped threads and number of threads. A program's name may contain blanks and parentheses, so fields
// are counted from the last parenthesis: the first one after it is number 3.
const lookScript = `case $pid$start in ''|*[!0-9]*) echo bad; exit 0;; esac
read -r line 2>/dev/null </proc/$pid/stat || { echo "$pid $start"; exit 0; }
set -f; set -- ${line##*) }; set +f
state=$1; shift 19; now=$1; all=0 stopped=0
for f in /proc/$pid/task/*/stat; do
read -r line 2>/dev/null <"$f" || continue
all=$((all+1))
case ${line##*) } in 'T '*) stopped=$((stopped+1));; esac
done
echo "$pid $start $state $now $stopped $all"
`

// parseSighting parses the output of findScript and watchScript.
func parseSighting(host, output string) (sighting, error) {
	fields := strings.Fields(output)
	if len(fields) == 0 {
		return sighting{}, nil
	}
	numbers := make([]uint64, len(fields))
	for i, field := range fields {
		if i == 2 {
			continue
		}
		var err error
		if numbers[i], err = strconv.ParseUint(field, 10, 63); err != nil {
			return sighting{}, fmt.Errorf("parse process of %s: the PID file or /proc says %q: %w", host, output, err)
		}
	}
	if len(fields) != 2 && len(fields) != 6 {
		return sighting{}, fmt.Errorf("parse process of %s: unexpected %q", host, output)
	}
	s := sighting{Process: Process{host, int(numbers[0]), numbers[1]}, recorded: true}
	if len(fields) == 2 {
		return s, nil
	}
	s.state, s.stopped, s.threads = fields[2], int(numbers[4]), int(numbers[5])
	if numbers[3] != s.Start {
		s.state = ""
		return s, nil
	}
	s.alive = s.state != "Z" && s.state != "X"
	return s, nil
}

// signalScript signals a process if it is still the same one, and prints whether it did.
func signalScript(p Process, signal string) string {
	return fmt.Sprintf(`(
read -r line 2>/dev/null </proc/%[1]d/stat || { echo gone; exit 0; }
set -f; set -- ${line##*) }; set +f
shift 19
[ "$1" = %[2]d ] || { echo gone; exit 0; }
kill -%[3]s %[1]d 2>/dev/null && echo sent || echo gone
)`, p.PID, p.Start, signal)
}
