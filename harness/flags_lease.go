package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"elenchus/harness/run"
	"elenchus/harness/system"
)

// readsFlag chooses how nodes serve reads.
func readsFlag() *cli.StringFlag {
	return &cli.StringFlag{Name: "reads", Category: catSystem, Value: "lease",
		Usage: "serve reads by `KIND`: lease (the leader alone, while its lease is valid), quorum (the leader asks a " +
			"majority), log (through the log, like a write) or local (any node, possibly stale)"}
}

// leaseFlags configure leader leases and elections.
func leaseFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "lease", Category: catSystem, Value: system.LeaseRate,
			Usage: "base leader leases on `CLOCKS`: rate (monotonic clocks with bounded drift), wall (wall clocks with " +
				"bounded offset) or none (no leases)"},
		&cli.DurationFlag{Name: "lease-term", Category: catSystem, DefaultText: system.LeaseTermDefault.String(),
			Usage: "let a lease last `TIME`"},
		&cli.DurationFlag{Name: "lease-renew", Category: catSystem, DefaultText: system.LeaseRenewDefault.String(),
			Usage: "renew a lease every `TIME`"},
		&cli.StringFlag{Name: "drift-bound", Category: catSystem, DefaultText: system.DriftBoundDefault,
			Usage: "for --lease rate: one clock may run faster than another by `SHARE`, such as 0.01 or 1%"},
		&cli.DurationFlag{Name: "max-offset", Category: catSystem, DefaultText: system.MaxOffsetDefault.String(),
			Usage: "for --lease wall: wall clocks may be `TIME` apart"},
		&cli.DurationFlag{Name: "election-timeout", Category: catSystem, DefaultText: "the node's",
			Usage: "let a node campaign after hearing from no leader for `TIME`"},
		&cli.DurationFlag{Name: "promise-grace", Category: catSystem, DefaultText: "the node's",
			Usage: "let a candidate wait up to `TIME` for more promises than a majority"},
		&cli.IntFlag{Name: "window", Category: catSystem, DefaultText: "the node's",
			Usage: "let a leader have `N` slots outstanding"},
	}
}

// leaseOptions parses leaseFlags. The options are validated later, where an empty drift bound means the default; so the
// error here says that it was given as empty.
func leaseOptions(c *cli.Context, opts *run.Options) error {
	opts.Reads = c.String("reads")
	opts.Lease = system.Lease{
		Mode: c.String("lease"), Term: c.Duration("lease-term"), Renew: c.Duration("lease-renew"),
		DriftBound: c.String("drift-bound"), MaxOffset: c.Duration("max-offset"),
	}
	opts.ElectionTimeout, opts.PromiseGrace = c.Duration("election-timeout"), c.Duration("promise-grace")
	opts.Window = c.Int("window")
	if c.IsSet("drift-bound") && opts.Lease.DriftBound == "" {
		return errors.New("--drift-bound must not be empty")
	}
	return nil
}
