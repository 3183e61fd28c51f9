package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
)

// protocols lists the protocols that --protocol accepts, with functions that check the flags and create a machine.
var protocols = map[string]struct {
	validate func(*config) error
	machine  func(*config, uint64, protocol.Recovered) (protocol.Machine, error)
}{
	"multipaxos": {
		validate: func(c *config) error {
			opts, err := c.multipaxos(1)
			if c.peerAddresses[opts.Self] == "" { // already reported; check the rest
				opts.Self, opts.Members = 1, []protocol.NodeID{1}
			}
			return errors.Join(err, opts.Validate())
		},
		machine: func(c *config, seed uint64, recovered protocol.Recovered) (protocol.Machine, error) {
			opts, err := c.multipaxos(seed)
			if err != nil {
				return nil, err
			}
			return multipaxos.New(opts, recovered)
		},
	},
}

func protocolNames() []string { return slices.Sorted(maps.Keys(protocols)) }

func (c *config) validateProtocol() []error {
	p, ok := protocols[c.protocol]
	if !ok {
		return []error{fmt.Errorf("--protocol must be %s: %q", strings.Join(protocolNames(), " or "), c.protocol)}
	}
	if err := p.validate(c); err != nil {
		return []error{err}
	}
	return nil
}

// machine creates the machine of one incarnation. Its seed differs between incarnations, even if --seed is the same.
func (c *config) machine(recovered protocol.Recovered, boot uint64) (protocol.Machine, error) {
	seed := c.seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	return protocols[c.protocol].machine(c, rand.NewPCG(seed, boot).Uint64(), recovered)
}

// backoffDoublings is how many times the shortest delay of a losing candidate the longest is, as in the defaults of
// [multipaxos.Options].
const backoffDoublings = 16

func (c *config) multipaxos(seed uint64) (multipaxos.Options, error) {
	reads, err := multipaxos.ParseReads(c.reads)
	if err != nil {
		err = fmt.Errorf("--reads: %w", err)
	}
	lease, leaseErr := multipaxos.ParseLease(c.lease)
	if leaseErr != nil {
		leaseErr = fmt.Errorf("--lease: %w", leaseErr)
		lease = multipaxos.LeaseRate // avoid consequential errors for want of a lease
	}
	drift, driftErr := parseDrift(c.driftBound)
	ballots, ballotsErr := multipaxos.ParseBallots(c.ballot)
	if ballotsErr != nil {
		ballotsErr = fmt.Errorf("--ballot: %w", ballotsErr)
	}
	return multipaxos.Options{
		Self: protocol.NodeID(c.id), Members: slices.Sorted(maps.Keys(c.peerAddresses)), Reads: reads,
		ElectionTimeout: c.electionTimeout, HeartbeatInterval: c.heartbeat, PromiseGrace: c.promiseGrace,
		RetryInterval: c.retryInterval, BackoffMin: c.backoff, BackoffMax: backoffDoublings * c.backoff,
		Ballots: ballots, FirstBallotShortcut: c.firstBallot, NoPreVote: !c.preVote,
		Window: c.window, BatchMax: c.batch, Seed: seed,
		SnapshotEntries: c.snapshotEntries, SnapshotBytes: c.snapshotBytes, SnapshotKeep: c.snapshotKeep,
		SnapshotChunk: c.snapshotChunk, CatchupChunk: c.catchupChunk,
		Lease: lease, LeaseTerm: c.leaseTerm, LeaseRenew: c.leaseRenew, DriftBound: drift, MaxOffset: c.maxOffset,
	}, errors.Join(err, leaseErr, driftErr, ballotsErr)
}
