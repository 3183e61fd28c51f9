package server

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"elenchus/node/client"
	"elenchus/node/clock"
	"elenchus/node/protocol"
)

// statusPatience is how long /status waits for the loop, which may be waiting for a CPU.
const statusPatience = 5 * time.Second

func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request) {
	answers := make(chan client.Status, 1)
	inspect := func(now clock.Reading) { answers <- s.status(now, s.loop.machine.Status(now)) }
	select {
	case s.loop.inspects <- inspect:
		s.write(w, http.StatusOK, s.withLinks(<-answers))
	case <-s.loop.done:
		s.fail(w, refuse(http.StatusServiceUnavailable, "node is stopping"))
	case <-time.After(statusPatience):
		s.fail(w, refuse(http.StatusServiceUnavailable, "node is too busy"))
	case <-r.Context().Done():
	}
}

// status returns the machine's part of the answer.
func (s *Server) status(now clock.Reading, m protocol.Status) client.Status {
	status := client.Status{
		Outcome: client.OK, Node: s.opts.ID.String(), Cluster: s.opts.Cluster,
		Protocol: s.opts.Protocol, Reads: s.opts.Reads, Version: s.opts.Version,
		PID: os.Getpid(), Boot: s.boot, UptimeNS: int64(time.Since(s.started)),
		Role: m.Role.String(), Ballot: m.Ballot.String(), Promised: m.Promised.String(),
		Committed: uint64(m.Committed), Applied: uint64(m.Applied), LastSlot: uint64(m.LastSlot),
		FirstSlot: uint64(m.FirstSlot), Snapshot: client.SnapshotStatus{Slot: uint64(m.Snapshot), Bytes: m.SnapshotBytes},
		Sessions: m.Sessions, Keys: m.Keys, Hash: fmt.Sprintf("%016x", m.Hash), Pending: m.Pending,
		MonoNS: int64(now.Mono), WallNS: now.Wall,
		Lease: client.LeaseStatus{
			Mode: m.Lease.Mode, Held: m.Lease.Held, HeldUntilNS: m.Lease.HeldUntil,
			GrantedUntilNS: m.Lease.GrantedUntil, Silent: m.Lease.Silent,
		},
	}
	if granted := m.Lease.Granted; !granted.IsZero() {
		status.Lease.Granted, status.Lease.Holder = granted.String(), granted.Node.String()
	}
	if m.Leader != 0 {
		status.Leader = m.Leader.String()
		status.HeardAgoNS = int64(now.Mono - m.HeardFrom)
	}
	return status
}

// withLinks adds the state of the components around the machine.
func (s *Server) withLinks(status client.Status) client.Status {
	status.Peers = make(map[string]client.PeerStatus)
	for id, p := range s.transport.Stats() {
		status.Peers[protocol.NodeID(id).String()] = client.PeerStatus{
			Address: s.opts.Peers[protocol.NodeID(id)], Connected: p.Connected, Inbound: p.Inbound,
			HeardAgoNS: int64(p.HeardAgo), RoundTripNS: int64(p.RoundTrip), Connects: p.Connects,
			Sent: p.Sent, Received: p.Received, Dropped: p.Dropped, Error: p.Error,
		}
	}
	log := s.store.Stats()
	status.WAL = client.WALStatus{
		Base: log.Base, Rotations: log.Rotations,
		Bytes: log.Bytes, Records: log.Records, Syncs: log.Syncs, SyncLatencyNS: int64(log.SyncLatency),
	}
	return status
}
