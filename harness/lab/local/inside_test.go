//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"elenchus/harness/control"
	"elenchus/harness/lab"
)

// insideRoles are what tests do in an enclosure.
var insideRoles = map[string]func(context.Context, *insider) error{
	"hosts":     insideHosts,
	"root":      insideRoot,
	"powerless": insidePowerless,
	"partition": insidePartition,
	"processes": insideProcesses,
	"doctor":    insideDoctor,
	"lock":      insideLock,
	"park":      insidePark,
}

// insider is a program in an enclosure with a connection to every host.
type insider struct {
	inv     lab.Inventory
	clients []*control.Client
}

func playInside(f func(context.Context, *insider) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	inv, err := lab.Load(os.Getenv(EnvFile))
	if err != nil {
		return err
	}
	in := &insider{inv: inv}
	for _, h := range inv.Hosts {
		c, err := control.Dial(ctx, h, control.Options{})
		if err != nil {
			return fmt.Errorf("dial %s: %w", h.Name, err)
		}
		defer func() { _ = c.Close() }()
		in.clients = append(in.clients, c)
	}
	return f(ctx, in)
}

// on runs a script on host i, from 0, and returns what it printed.
func (in *insider) on(ctx context.Context, i int, script string) (string, error) {
	out, err := in.clients[i].Run(ctx, script)
	return out.Text(), err
}

// expect runs a script on every host and compares what each printed, its lines joined by spaces. %s in want is the
// host's name, and %a its address.
func (in *insider) expect(ctx context.Context, script, want string) error {
	for i, h := range in.inv.Hosts {
		got, err := in.on(ctx, i, script)
		if err != nil {
			return err
		}
		got = strings.Join(strings.Fields(got), " ")
		if want := strings.NewReplacer("%s", h.Name, "%a", h.Peer.String()).Replace(want); got != want {
			return fmt.Errorf("%s: %s: got %q, want %q", h.Name, script, got, want)
		}
	}
	return nil
}

// await runs a script on host i until it succeeds.
func (in *insider) await(ctx context.Context, i int, script string) error {
	for {
		_, err := in.on(ctx, i, script)
		if _, failed := control.ExitStatus(err); !failed {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// insideHosts checks that hosts are hosts: apart from one another, and complete.
func insideHosts(ctx context.Context, in *insider) error {
	seen := make(map[string]string)
	for i, h := range in.inv.Hosts {
		ids, err := in.on(ctx, i, "cd /proc/1/ns && for ns in pid net mnt uts ipc; do readlink $ns; done")
		if err != nil {
			return err
		}
		for _, id := range strings.Fields(ids) {
			if other, taken := seen[id]; taken {
				return fmt.Errorf("%s and %s share %s", h.Name, other, id)
			}
			seen[id] = h.Name
		}
	}
	if want := 5 * len(in.inv.Hosts); len(seen) != want {
		return fmt.Errorf("%d namespaces, want %d", len(seen), want)
	}
	const (
		who    = `hostname; cat /etc/hostname; id -u; tr '\0' ' ' </proc/1/cmdline; hostname -I`
		names  = `for n in n1 n2 n3 n4 n5; do getent hosts $n; done | grep -c '^10\.99\.0\.1[1-5] *n[1-5]$'`
		tables = `iptables -w -N x && iptables -w -A x -j DROP && iptables -w -F x && iptables -w -X x && echo ok`
		dev    = `head -c3 /dev/zero | wc -c; test -c /dev/ptmx && ls /dev | grep -c '^[sv]d' || :`
		away   = `for a in 1.1.1.1 192.0.2.1; do (: >/dev/udp/$a/9) 2>/dev/null && echo $a; done; :`
		tcp6   = `cat /proc/net/if_inet6 2>/dev/null || :`
	)
	return errors.Join(
		in.expect(ctx, who, "%s %s 0 elenchus-host %a"),
		in.expect(ctx, names, "5"),
		in.expect(ctx, tables, "ok"),
		in.expect(ctx, dev, "3 0"),
		in.expect(ctx, "bash -c "+control.Quote(away), ""),
		in.expect(ctx, tcp6, ""),
	)
}

// marker is a file that a test makes in hosts, in directories where the machine must not have one.
const marker = "elenchus-was-here"

// insideRoot checks that every host has a root directory of its own to write in.
func insideRoot(ctx context.Context, in *insider) error {
	const (
		empty = "ls -A /var/lib /var/log /opt /root /dev/shm /tmp | grep -v : | grep . || :"
		write = "for d in /etc /usr /usr/local/bin /var/lib /var/log /opt /root /run /tmp /dev/shm; do" +
			" ls $d | grep " + marker + "; echo %s >$d/" + marker + " || echo $d; done; :"
		read = "cat /etc/" + marker + " /usr/" + marker + " /tmp/" + marker
	)
	if err := in.expect(ctx, empty, ""); err != nil {
		return err
	}
	for i, h := range in.inv.Hosts {
		if out, err := in.on(ctx, i, strings.ReplaceAll(write, "%s", h.Name)); err != nil || out != "" {
			return fmt.Errorf("write on %s: %q, %w", h.Name, out, err)
		}
	}
	if err := in.expect(ctx, read, "%s %s %s"); err != nil {
		return err
	}
	// What the machine has can be taken away and changed as well, unless it belongs to users that the host lacks.
	for i, h := range in.inv.Hosts {
		if _, err := in.on(ctx, i, "rm -f /etc/hosts && echo changed >/etc/hosts"); err != nil {
			return fmt.Errorf("change /etc/hosts of %s: %w", h.Name, err)
		}
	}
	return in.expect(ctx, "cat /etc/hosts; wc -l </etc/passwd | grep -c .", "changed 1")
}

// insidePowerless checks that root in a host cannot do to the machine what no host may do.
func insidePowerless(ctx context.Context, in *insider) error {
	const powers = `
date -s '2020-01-01' 2>/dev/null >&2 && echo clock
mknod /tmp/disk b 7 0 2>/dev/null && echo device
echo 1 2>/dev/null >/proc/sysrq-trigger && echo sysrq
echo 1 2>/dev/null >/proc/sys/kernel/panic && echo sysctl
dmesg 2>/dev/null >&2 && cat /dev/kmsg 2>/dev/null >&2 && echo kernel log
:`
	now := time.Now()
	if err := in.expect(ctx, powers, ""); err != nil {
		return err
	}
	if moved := time.Since(now); moved < 0 || time.Now().Year() < now.Year() {
		return fmt.Errorf("the machine's clock moved by %v", moved)
	}
	// Bits 16, 17, 22, 25, 27 and 34: modules, raw input and output, boot, time, device nodes, kernel log.
	const bounding = `read -r name caps <<E
$(grep CapBnd /proc/self/status)
E
echo $((0x$caps & ((1 << 16) | (1 << 17) | (1 << 22) | (1 << 25) | (1 << 27) | (1 << 34))))`
	const mounting = "mount -t tmpfs x /mnt && umount /mnt && echo ok"
	return errors.Join(in.expect(ctx, bounding, "0"), in.expect(ctx, mounting, "ok"))
}

// insidePartition checks that a rule cuts what it says and nothing else, and that the first packet after it is healed
// passes.
func insidePartition(ctx context.Context, in *insider) error {
	reach := func(from, to int) bool {
		script := fmt.Sprintf("timeout 1 bash -c ': </dev/tcp/%s/22'", in.inv.Hosts[to].Peer)
		_, err := in.on(ctx, from, script)
		return err == nil
	}
	matrix := func(when string, cut map[[2]int]bool) error {
		for _, pair := range [][2]int{{0, 1}, {1, 0}, {0, 2}, {2, 1}, {1, 2}, {3, 4}} {
			if got := reach(pair[0], pair[1]); got == cut[pair] {
				return fmt.Errorf("%s: %d reaches %d: %v", when, pair[0]+1, pair[1]+1, got)
			}
		}
		return nil
	}
	if err := matrix("before", nil); err != nil {
		return err
	}
	rule := fmt.Sprintf("INPUT -s %s -j DROP", in.inv.Hosts[1].Peer)
	if _, err := in.on(ctx, 0, "iptables -w -A "+rule); err != nil {
		return err
	}
	// TCP needs both directions, so one rule cuts both.
	if err := matrix("cut", map[[2]int]bool{{0, 1}: true, {1, 0}: true}); err != nil {
		return err
	}
	if _, err := in.on(ctx, 0, "iptables -w -D "+rule); err != nil {
		return err
	}
	return matrix("healed", nil)
}

// insideProcesses checks that a host keeps no dead, and that it can be commanded after everything in it was killed.
func insideProcesses(ctx context.Context, in *insider) error {
	const orphan = `sh -c 'setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $!'`
	pid, err := in.on(ctx, 0, orphan)
	if err != nil {
		return err
	}
	if _, err := in.on(ctx, 0, "kill -9 "+pid); err != nil {
		return err
	}
	if err := in.await(ctx, 0, "! test -e /proc/"+pid); err != nil {
		return fmt.Errorf("wait for the dead to be reaped: %w", err)
	}
	_, _ = in.on(ctx, 0, "kill -9 -1") // this ends the server of the connection as well
	for {
		if _, err = in.on(ctx, 0, "true"); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("reach host after everything was killed: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// insideDoctor checks that a local lab is fit for tests.
func insideDoctor(ctx context.Context, in *insider) error {
	findings := lab.Doctor(ctx, in.inv, control.Options{}, lab.BasicChecks())
	if want := len(in.inv.Hosts) * (1 + len(lab.BasicChecks())); !findings.OK() || len(findings) != want {
		return fmt.Errorf("%d findings, want %d good ones:\n%s", len(findings), want, findings)
	}
	return nil
}

// insidePark tells the namespaces of all processes of the lab, and stays.
func insidePark(context.Context, *insider) error {
	links, err := filepath.Glob("/proc/[0-9]*/ns/*")
	if err != nil {
		return err
	}
	for _, path := range links {
		if ns, err := os.Readlink(path); err == nil {
			fmt.Println(ns)
		}
	}
	fmt.Println("parked")
	select {}
}
