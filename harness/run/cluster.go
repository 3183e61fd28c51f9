package run

import (
	"context"
	"errors"
	"fmt"

	"elenchus/harness/control"
	"elenchus/harness/system"
	"elenchus/nemesis"
	"elenchus/node/client"
)

// cluster gives the nemesis access to the hosts and to the system that runs on them.
type cluster struct {
	clients []*control.Client
	byName  map[string]*control.Client
	system  onHosts
}

// onHosts is what the nemesis needs of the system that runs on the hosts.
type onHosts interface {
	PIDFile(host string) string
	HostClock(host string) system.HostClock
	Start(ctx context.Context, host string) error
	Leader(ctx context.Context) (string, error)
	HandOver(ctx context.Context, host string) (ballot string, err error)
}

var _ nemesis.Cluster = (*cluster)(nil)

// Hosts gives the nemesis access to the hosts that clients are connected to, and to the system on them.
func Hosts(clients []*control.Client, sys *system.Paxos) nemesis.Cluster {
	return newCluster(clients, sys)
}

// Bare gives the nemesis access to hosts on which no system is deployed, such as those that it heals. Clocks may be
// nil.
func Bare(clients []*control.Client, clocks *system.Clocks) nemesis.Cluster {
	return newCluster(clients, bareHosts{pidFile: noPIDFile, clocks: clocks})
}

func newCluster(clients []*control.Client, sys onHosts) *cluster {
	c := &cluster{clients: clients, byName: make(map[string]*control.Client), system: sys}
	for _, client := range clients {
		c.byName[client.Host().Name] = client
	}
	return c
}

// Hosts implements [nemesis.Cluster].
func (c *cluster) Hosts() []nemesis.Host {
	hosts := make([]nemesis.Host, len(c.clients))
	for i, client := range c.clients {
		h := client.Host()
		hosts[i] = nemesis.Host{Name: h.Name, Peer: h.Peer, PIDFile: c.system.PIDFile(h.Name),
			Clock: nemesis.HostClock(c.system.HostClock(h.Name))}
	}
	return hosts
}

// Run implements [nemesis.Cluster].
func (c *cluster) Run(ctx context.Context, host, script string) (string, error) {
	client, ok := c.byName[host]
	if !ok {
		return "", fmt.Errorf("run on %s: there is no such host", host)
	}
	out, err := client.Run(ctx, script)
	return string(out.Stdout), err
}

// Start implements [nemesis.Cluster].
func (c *cluster) Start(ctx context.Context, host string) error { return c.system.Start(ctx, host) }

// Leader implements [nemesis.Cluster].
func (c *cluster) Leader(ctx context.Context) (string, error) { return c.system.Leader(ctx) }

// HandOver implements [nemesis.Cluster].
func (c *cluster) HandOver(ctx context.Context, host string) (ballot string, err error) {
	ballot, err = c.system.HandOver(ctx, host)
	if errors.Is(err, client.ErrNotLeader) {
		return "", fmt.Errorf("%w: %w", nemesis.ErrNotLeader, err)
	}
	return ballot, err
}
