package system

import "context"

// System is a replicated system on the hosts of a lab. Hosts are meant by name.
//
// Methods that command hosts return the errors of package control, which name the host. All of them may be called again
// after a failure.
type System interface {
	// Name says what it is, for reports.
	Name() string

	// Hosts are the names of the hosts, in order.
	Hosts() []string

	// Deploy makes every host ready for the first start: programs in place, nothing left of an earlier run.
	Deploy(ctx context.Context) error

	// Start starts the node of one host, StartAll those of all. A node starts with the data it has; one that runs, or
	// is paused, is left alone.
	Start(ctx context.Context, host string) error
	StartAll(ctx context.Context) error

	// StopAll ends all nodes in good order, or by force when they do not end. Those that do not run are no error.
	StopAll(ctx context.Context) error

	// Kill kills one node.
	Kill(ctx context.Context, host string) error

	// Ready returns when the system serves at every host, or says at the end of ctx why it does not.
	Ready(ctx context.Context) error

	// Leader is the host of the node that leads now.
	Leader(ctx context.Context) (host string, err error)

	// URL is where clients reach the host's node.
	URL(host string) string

	// PIDFile is the pid file of the host's node, in the format of [elenchus/harness/control.PID]. DataDir is where the
	// node keeps what must survive; LogFiles are its logs.
	PIDFile(host string) string
	DataDir(host string) string
	LogFiles(host string) []string

	// Collect copies logs and data of every host into dir/HOST. The nodes should have been stopped, so that the files
	// do not change. It copies what it can, and reports all that it could not.
	Collect(ctx context.Context, dir string) error
}
