package system

import (
	"context"
	"time"

	"elenchus/harness/control"
)

// Kill kills the host's node. Errors match [control.ErrNotRunning] if there is nothing to kill.
func (p *Paxos) Kill(ctx context.Context, host string) error {
	n := p.byName[host]
	return p.process(n).Signal(ctx, n.client, control.SIGKILL)
}

// State returns the state of the host's process.
func (p *Paxos) State(ctx context.Context, host string) (control.State, error) {
	n := p.byName[host]
	return p.process(n).State(ctx, n.client)
}

// DataDir returns the data directory of the host's node.
func (p *Paxos) DataDir(host string) string { return p.byName[host].dataDir() }

// LogFile returns the path of the log of the host's node.
func (p *Paxos) LogFile(host string) string { return p.byName[host].logFile() }

// SetStartPatience sets how long the first attempt to start a node may take.
func (p *Paxos) SetStartPatience(d time.Duration) { p.startPatience = d }
