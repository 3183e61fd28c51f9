package control

// ShellLibrary defines POSIX shell functions for processes, to be prepended to a script. They use nothing but the
// shell, /proc and sleep.
//
// A process is identified by its pid file, uniquely for all time: the kernel reuses process ids, but never with the
// same start time. The file has one line, "PID STARTTIME\n". STARTTIME is field 22 of /proc/PID/stat (proc(5)):
// when the process started, in clock ticks since the machine booted. It stays the same when the process executes
// another program. A different start time means that the process is gone.
//
//	proc_read FILE          sets letter and began (state and start time) from a /proc/PID/stat; fails when there is none
//	proc_find PIDFILE       sets pid and start from a pid file; fails unless that very process exists, dead or alive
//	proc_state PIDFILE      sets state to "running", "stopped", "zombie" or "dead"
//	proc_await STATE TRIES PIDFILE
//	                        waits until the process is "stopped", "running" or "dead" (a zombie is dead), looking up to
//	                        TRIES times, about 10 ms apart; sets state; fails when it never is
//
// A process counts as stopped when all its threads are: the kernel stops them one by one. It counts as a zombie
// only when its last thread is gone, because until then it keeps its files and ports. The time between finding a
// process and signalling it is that of one built-in command; only if its id were freed and reused meanwhile would
// the signal hit another process.
const ShellLibrary = `
proc_read() {
	stat=
	{ read -r stat <"$1"; } 2>/dev/null
	set -- ${stat##*)} # the second field is a name in parentheses, and may hold spaces and parentheses itself
	[ $# -ge 20 ] || return 1
	letter=$1 began=${20}
}
proc_find() {
	pid= start=
	{ read -r pid start <"$1"; } 2>/dev/null
	[ -n "$pid" ] && [ -n "$start" ] && proc_read "/proc/$pid/stat" && [ "$began" = "$start" ]
}
proc_state() {
	state=dead
	proc_find "$1" || return 0
	letters=
	for task in /proc/"$pid"/task/*/stat; do
		! proc_read "$task" || letters=$letters$letter
	done
	case $letters in
	"") ;;
	*[!ZXTt]*) state=running ;;
	*[Tt]*) state=stopped ;;
	*) state=zombie ;;
	esac
}
proc_await() {
	tries=$2
	while proc_state "$3"; do
		case $1:$state in
		dead:zombie | "$1:$1") return 0 ;;
		esac
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.01
	done
}
`
