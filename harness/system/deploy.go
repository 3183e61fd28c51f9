package system

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"elenchus/harness/control"
)

// machine is a processor architecture: its name in Go, and the outputs of `uname -m` on hosts that run its
// programs.
type machine struct {
	name  string
	uname []string
}

var machines = map[elf.Machine]machine{
	elf.EM_X86_64:  {"amd64", []string{"x86_64", "amd64"}},
	elf.EM_386:     {"386", []string{"i386", "i486", "i586", "i686", "x86_64", "amd64"}},
	elf.EM_AARCH64: {"arm64", []string{"aarch64", "arm64"}},
	elf.EM_ARM:     {"arm", []string{"armv5tel", "armv6l", "armv7l", "armv8l"}},
	elf.EM_RISCV:   {"riscv64", []string{"riscv64"}},
	elf.EM_PPC64:   {"ppc64", []string{"ppc64", "ppc64le"}},
	elf.EM_S390:    {"s390x", []string{"s390x"}},
}

// readMachine returns the machine that a program was built for.
func readMachine(file string) (machine, error) {
	f, err := elf.Open(file)
	var format *elf.FormatError
	if errors.As(err, &format) || errors.Is(err, io.EOF) {
		return machine{}, fmt.Errorf("%s is not a Linux program: build it with GOOS=linux: %w", file, err)
	}
	if err != nil {
		return machine{}, err
	}
	defer func() { _ = f.Close() }()
	m, ok := machines[f.Machine]
	if !ok {
		return machine{}, fmt.Errorf("%s is for an unknown machine, %v", file, f.Machine)
	}
	return m, nil
}

// Deploy prepares every host for the first start. It installs the program where it is missing, stops a node left by
// an earlier run, and empties its data directory and log. It refuses hosts of another architecture than the
// program's, and hosts whose data directory is not ours, or is full.
func (p *Paxos) Deploy(ctx context.Context) error { return p.each(ctx, p.deploy) }

func (p *Paxos) deploy(ctx context.Context, n *node) error {
	if err := p.checkMachine(ctx, n); err != nil {
		return err
	}
	if err := p.process(n).Stop(ctx, n.client, 0); err != nil {
		return fmt.Errorf("stop what an earlier run left: %w", err)
	}
	if err := p.clean(ctx, n); err != nil {
		return err
	}
	if err := p.checkSpace(ctx, n); err != nil {
		return err
	}
	if of := p.options.Clocks.shim(n.host.Name); of.Control != "" {
		if _, err := n.client.Run(ctx, freshControl(of)); err != nil {
			return fmt.Errorf("make a control file for clocks: %w", err)
		}
	}
	_, _, err := n.client.UploadFile(ctx, p.options.Binary, n.dirs.bin, 0o755)
	return err
}

func (p *Paxos) checkMachine(ctx context.Context, n *node) error {
	out, err := n.client.Run(ctx, "uname -s; uname -m")
	if err != nil {
		return fmt.Errorf("ask for the machine: %w", err)
	}
	kernel, uname, _ := strings.Cut(out.Text(), "\n")
	if kernel != "Linux" {
		return fmt.Errorf("host %s runs %s, and the node needs Linux", n.host.Name, kernel)
	}
	if !slices.Contains(p.machine.uname, uname) {
		return fmt.Errorf("node binary is for %s, host %s is %s", p.machine.name, n.host.Name, uname)
	}
	return nil
}

// cleanScript empties directories of ours of what earlier runs have left. A disk mounted there stays, with its
// lost+found.
const cleanScript = `
mark=$dir/.elenchus
if [ ! -e "$mark" ]; then
	[ -z "$(ls -A -- "$dir" 2>/dev/null | grep -vx lost+found)" ] || exit 3
	mkdir -p -- "$dir" && echo "Elenchus keeps data of its tests here, and deletes it." >"$mark" || exit 1
fi
mkdir -p -- "$data" && find "$data" -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf -- {} + && rm -f -- "$log"
`

const statusNotOurs = 3 // of cleanScript

func (p *Paxos) clean(ctx context.Context, n *node) error {
	script := fmt.Sprintf("dir=%s data=%s log=%s\n", control.Quote(n.dirs.data), control.Quote(n.dataDir()),
		control.Quote(n.logFile())) + cleanScript
	_, err := n.client.Run(ctx, script)
	if status, ok := control.ExitStatus(err); ok && status == statusNotOurs {
		return fmt.Errorf("data directory %s of host %s has files and no mark of ours (%s/.elenchus): "+
			"refusing to empty it", n.dirs.data, n.host.Name, n.dirs.data)
	}
	if err != nil {
		return fmt.Errorf("empty the data directory: %w", err)
	}
	return nil
}

// checkSpace requires room for data: a full disk stops a node for good, and should do so only if a test intends it.
func (p *Paxos) checkSpace(ctx context.Context, n *node) error {
	free, err := n.freeBytes(ctx)
	if err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	if free < p.options.FreeBytes {
		return fmt.Errorf("host %s has %d MiB left for data in %s, and needs %d MiB", n.host.Name, free>>20,
			n.dirs.data, p.options.FreeBytes>>20)
	}
	return nil
}

// freeBytes returns the free space where the host's data is.
func (n *node) freeBytes(ctx context.Context) (int64, error) {
	out, err := n.client.Run(ctx, "df -Pk "+control.Quote(n.dataDir())+" | tail -n 1")
	if err != nil {
		return 0, err
	}
	// POSIX df -P: filesystem, blocks, used, available, capacity, mount point. The first may contain spaces.
	var kib int64
	fields := strings.Fields(out.Text())
	for i, f := range fields {
		if i > 0 && strings.HasSuffix(f, "%") {
			if _, err := fmt.Sscan(fields[i-1], &kib); err != nil {
				return 0, fmt.Errorf("parse %q: %w", out.Text(), err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("df says %q", out.Text())
}
