package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"elenchus/harness/control"
)

// diskFreeMin is the space that logs and binaries of a run may need, in MiB.
const diskFreeMin = 256

// BasicChecks returns the checks that every test requires of a host. What a fault requires is proven by the fault
// itself.
func BasicChecks() []Check {
	return []Check{
		{"root", "log in as root, or set become, e.g. to \"sudo -n\", and allow that without a password", checkRoot},
		{"machine", "use hosts with Linux on x86_64 or aarch64: programs for these are uploaded", checkMachine},
		{"bash", "apt-get install -y bash", checkBash},
		{"peer address", "set peer to an address of the host that the other hosts reach", checkPeer},
		{"iptables", "apt-get install -y iptables; in a container, give it the capability NET_ADMIN", checkIptables},
		{"signals", "see what keeps root from stopping its own processes", checkSignals},
		{"disk", fmt.Sprintf("make room: a run needs %d MiB", diskFreeMin), checkDisk},
		{"clock", "see why the host's clock cannot be read", checkClock},
	}
}

func checkRoot(ctx context.Context, c *control.Client) (string, error) {
	out, err := c.Run(ctx, "id -u")
	if err != nil {
		return "", err
	}
	if out.Text() != "0" {
		return "", fmt.Errorf("commands run as user %s", out.Text())
	}
	if become := c.Host().Become; become != "" {
		return "through " + become, nil
	}
	return "by login", nil
}

func checkMachine(ctx context.Context, c *control.Client) (string, error) {
	out, err := c.Run(ctx, "uname -s -m -r")
	if err != nil {
		return "", err
	}
	// uname prints in a fixed order: system, release, machine.
	fields := strings.Fields(out.Text())
	if len(fields) != 3 || fields[0] != "Linux" || !slices.Contains([]string{"x86_64", "aarch64"}, fields[2]) {
		return "", fmt.Errorf("machine is %s", out.Text())
	}
	return out.Text(), nil
}

func checkBash(ctx context.Context, c *control.Client) (string, error) {
	out, err := c.Run(ctx, `bash -c 'echo $BASH_VERSION'`)
	return out.Text(), err
}

// checkPeer looks for the peer address on the host's own interfaces. With a wrong one, partitions would cut
// nothing.
func checkPeer(ctx context.Context, c *control.Client) (string, error) {
	const script = `ip -o addr show 2>/dev/null | while read -r n dev family addr rest; do echo ${addr%/*}; done
hostname -I 2>/dev/null || :`
	out, err := c.Run(ctx, script)
	if err != nil {
		return "", err
	}
	peer := c.Host().Peer.String()
	if addresses := strings.Fields(out.Text()); !slices.Contains(addresses, peer) {
		return "", fmt.Errorf("%s is none of the host's addresses: %s", peer, strings.Join(addresses, " "))
	}
	return peer, nil
}

// checkIptables adds a rule in a new chain and removes both. Standard error is ignored, because some versions
// always warn about tables of the other kind.
func checkIptables(ctx context.Context, c *control.Client) (string, error) {
	const script = `chain=ELENCHUS-DOCTOR; drop() { iptables -w -F $chain; iptables -w -X $chain; } 2>/dev/null
rule='-s 203.0.113.1 -j DROP'
drop; iptables -w -N $chain && iptables -w -A $chain $rule && iptables -w -C $chain $rule
status=$?; drop; [ $status = 0 ] && iptables -V`
	out, err := c.Run(ctx, script)
	return out.Text(), err
}

// checkSignals stops, continues and kills a process. Stopping is asynchronous, so its state is polled.
func checkSignals(ctx context.Context, c *control.Client) (string, error) {
	const script = `sleep 60 </dev/null >/dev/null 2>&1 & p=$!
state() { read -r line </proc/$p/stat; line=${line##*) }; echo ${line%% *}; }
await() {
  n=0
  until [ "$(state)" = $1 ]; do n=$((n + 1)); [ $n -lt 500 ] || { echo "state $(state)"; return 1; }; sleep 0.01; done
}
kill -STOP $p && await T && kill -CONT $p && await S; status=$?; kill -KILL $p; wait $p 2>/dev/null; exit $status`
	out, err := c.Run(ctx, script)
	if err != nil {
		return "", errors.Join(err, errors.New(out.Text()))
	}
	return "stop, continue, kill", nil
}

func checkDisk(ctx context.Context, c *control.Client) (string, error) {
	const script = `for dir in /var/lib /tmp; do line=$(df -Pk $dir | tail -n 1); set -- $line; echo $dir $4; done`
	out, err := c.Run(ctx, script)
	if err != nil {
		return "", err
	}
	var details []string
	var errs []error
	for line := range strings.Lines(out.Text()) {
		dir, kib, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(kib, 10, 64)
		if err != nil {
			return "", fmt.Errorf("parse answer of df: %w", err)
		}
		if n>>10 < diskFreeMin {
			errs = append(errs, fmt.Errorf("%s has only %d MiB free", dir, n>>10))
		}
		details = append(details, fmt.Sprintf("%s %d MiB free", dir, n>>10))
	}
	return strings.Join(details, ", "), errors.Join(errs...)
}

// checkClock compares the host's clock with ours. No offset is an error: tests depend on no host's clock.
func checkClock(ctx context.Context, c *control.Client) (string, error) {
	before := time.Now()
	out, err := c.Run(ctx, "date +%s%N")
	after := time.Now()
	if err != nil {
		return "", err
	}
	ns, err := strconv.ParseInt(out.Text(), 10, 64)
	if err != nil {
		return "", fmt.Errorf("parse answer of date: %w", err)
	}
	middle := before.Add(after.Sub(before) / 2)
	offset := time.Unix(0, ns).Sub(middle).Round(100 * time.Microsecond)
	uncertain := (after.Sub(before) / 2).Round(100 * time.Microsecond)
	return fmt.Sprintf("%v ± %v from here", offset, uncertain), nil
}
