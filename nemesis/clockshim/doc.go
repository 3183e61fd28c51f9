package clockshim

import "errors"

// ExitFailed is the exit status of a process that was to become the target and did not.
const ExitFailed = 125

// Errors of launches.
var (
	// ErrUnsupported says that there is no shim for this system or processor: the code that a target runs instead of
	// its vDSO exists for x86-64 on Linux only. Start the target without it, and do not call its clocks faulty.
	ErrUnsupported = errors.New("no clock shim for this operating system and processor, only for linux/amd64")
	// ErrPrivileged refuses a target that would gain privileges, since a traced program must not.
	ErrPrivileged = errors.New("target would gain privileges")
)
