package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"elenchus/results/verdict"
)

// A number without a limit reaches code that knows nothing of options.
func TestEveryNumberHasALimit(t *testing.T) {
	t.Parallel()
	var check func(c *cli.Command)
	check = func(c *cli.Command) {
		for _, sub := range c.Subcommands {
			check(sub)
		}
		for _, f := range c.Flags {
			name, ok := f.Names()[0], true
			switch f.(type) {
			case *cli.IntFlag:
				_, ok = limitOf(numberLimits, c.Name, "", name)
			case *cli.Float64Flag:
				_, ok = limitOf(rateLimits, c.Name, "", name)
			case *cli.DurationFlag:
				_, ok = limitOf(timeLimits, c.Name, "", name)
			}
			if !ok {
				t.Errorf("--%s of %s has no limit", name, c.Name)
			}
		}
	}
	for _, c := range newApp(io.Discard, io.Discard).Commands {
		check(c)
	}
}

// Values that make no sense are refused before anything is made, in words that have the value in them and say what the
// option takes.
func TestBadValues(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	for _, c := range []struct{ args, want string }{
		{"test --dry-run --hunt 300%", `--hunt must be more than 0% and at most 100%, or none, not "300%"`},
		{"test --dry-run --hunt=-1", "--hunt must be a share"},
		{"test --dry-run --hunt NaN", "--hunt must be a share"},
		{"test --dry-run --hunt=", "--hunt must be a share"},
		{"test --dry-run --clock-drift -2%", "--clock-drift must be a share"},
		{"test --dry-run --clock-step -1s", "--clock-step must be a time"},
		{"test --dry-run --clock-step=", "--clock-step must be a time"},
		{"test --rate -1", "--rate must be from 0 to 1e+06, not -1"},
		{"test --rate NaN", "not NaN"},
		{"test --rate +Inf", "not +Inf"},
		{"test --time-limit 0s", "--time-limit must be from 1s to 24h0m0s, not 0s"},
		{"test --time-limit 1ns", "from 1s to 24h0m0s, not 1ns"},
		{"test --time-limit 100000h", "from 1s to 24h0m0s"},
		{"test --op-timeout 0s", "--op-timeout must be from 10ms to 1h0m0s, not 0s"},
		{"test --op-timeout -1s", "--op-timeout must be from 10ms"},
		{"test --check-time 0s", "--check-time must be from 1ms to 24h0m0s, not 0s"},
		{"test --check-memory 1", "--check-memory must be from 64 to 1048576, not 1"},
		{"test --check-memory 999999999999 --op-timeout 0s", "--check-memory"},
		{"test --deposed-reads -5", "--deposed-reads must be from -1"},
		{"test --promise-grace -1s", "--promise-grace must be from 0s to 1h0m0s, not -1s"},
		{"test --promise-grace 100h", "--promise-grace"},
		{"test --recovery-timeout 0s", "--recovery-timeout must be from 1ms"},
		{"test --nodes 0", "--nodes must be from 1 to 9, not 0"},
		{"test --concurrency 1000000n", "--concurrency must be from 1 to 1000 clients, not 5000000"},
		{"test --concurrency -1", `"-1" is neither a number of clients`},
		{"test --drift-bound 200%", `--drift-bound must be at most 100%, not "200%"`},
		{"test --lease-term -1s", "--lease-term must be from 1µs to 1h0m0s, not -1s"},
		{"test --lease-renew 0s", "--lease-renew must be from 1µs"},
		{"test --election-timeout 0s", "--election-timeout must be from 1µs"},
		{"test --window -1", "--window must be from 1 to 65536, not -1"},
		{"test --seed -1", "--seed: \"-1\" is not a whole number"},
		{"sim --seeds 5-1", `"5-1" ends before it begins`},
		{"sim --seeds 1-18446744073709551616", "--seeds"},
		{"sim --seeds 1 --workers -1", "--workers must be from 1 to 1024, not -1"},
		{"sim --seeds 1 --nodes 10", "--nodes: a cluster has 1 to 9 nodes, not 10"},
		{"replay --nodes 99 3", "--nodes: a cluster has 1 to 9 nodes, not 99"},
		{"sim --time-limit 11m", "--time-limit must be from 1s to 10m0s, not 11m0s"},
		{"shrink --time-limit 11m 3", "--time-limit must be from 1s to 10m0s, not 11m0s"},
		{"test --lab sim --time-limit 11m", "--time-limit must be from 1s to 10m0s, not 11m0s"},
		{"test --lab sim --lease moon", `--lease is one of rate, wall, none, not "moon"`},
		{"test --workload bank", `not "bank"`},
		{"test --retry 200%", "--retry must be at most 100%"},
		{"test --drift-bound x", "--drift-bound: "},
		{"test --lease wall --drift-bound 1%", "--drift-bound is for leases by rate"},
		{"sim --reads moon", `--reads is one of lease, quorum, log, local, not "moon"`},
		{"envelope --mode moon", `--mode is one of rate, wall, not "moon"`},
		{"sim --seeds 1 --keep -1", "--keep must be from 0"},
		{"sim --seeds 1 --style baroque", `--style is one of`},
		{"envelope --lab sim --probes 1000000000", "--probes must be from 1 to 1000, not 1000000000"},
		{"envelope --lab sim --bounds 0%,101%", "101%"},
		{"envelope --lab sim --bounds=", "--bounds"},
		{"envelope --lab sim --drifts 0%,100000%", "drifts, from"},
		{"envelope --lab sim --lease-term 0s", "--lease-term must be from 1µs to 1h0m0s, not 0s"},
		{"envelope --lab sim --election-timeout 0s", "--election-timeout must be from 1µs to 1h0m0s, not 0s"},
		{"envelope --lab sim --check-memory -5", "--check-memory must be from 64"},
		{"lab up --nodes 1000", "--nodes must be from 1 to 9, not 1000"},
		{"lab status --lab-name ../x", "--lab-name"},
		{"lab leftovers --lab moon", `--lab: unknown lab "moon"`},
		{"lab doctor --nemesis x", "--nemesis"},
		{"check --check-time -1s", "--check-time must be from 1ms"},
		{"check --check-memory 0", "--check-memory must be from 64 to 1048576, not 0"},
		{"bench reads --time -1s", "--time must be from 1ms to 1h0m0s, not -1s"},
		{"bench reads --rounds 1000000000", "--rounds must be from 1 to 1000, not 1000000000"},
		{"bench reads --clients 1000000", "--clients must be from 1 to 1000, not 1000000"},
		{"bench reads --keys -1", "--keys must be from 1 to 10000, not -1"},
		{"mutants run --seeds -1", "--seeds must be from 1 to 1000000, not -1"},
		{"mutants run --workers -1", "--workers must be from 1 to 1024, not -1"},
		{"replay --bisect-time --samples -1 3", "--samples must be from 1 to 1000000, not -1"},
		{"shrink --budget -1s 3", "--budget"},
	} {
		code, stdout, stderr := call(t, []string{"ELENCHUS_RESULTS=" + dir}, strings.Fields(c.args)...)
		if code != verdict.ExitUsage || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, no %q in\n%s%s", c.args, code, c.want, stderr, stdout)
		}
		if strings.Contains(stderr, "goroutine ") {
			t.Errorf("%s: it panics\n%s", c.args, stderr)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("something was made for one of them")
	}
}
