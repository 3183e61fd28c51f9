//go:build linux

package local

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"elenchus/harness/control"
	"elenchus/harness/lab"
)

// inventoryFile is the name of the inventory in a lab's directory.
const inventoryFile = "inventory.toml"

// inventoryHost describes host i for the inventory.
func inventoryHost(i int, keyFile, hostKey string, caps []lab.Capability) control.Host {
	h := control.Host{
		Name: hostName(i), Address: hostAddress(i).String(), Port: 22, User: "root",
		KeyFile: keyFile, HostKey: hostKey, Peer: hostAddress(i),
	}
	for _, c := range caps {
		h.Capabilities = append(h.Capabilities, string(c))
	}
	return h
}

// capabilities lists what every host of this lab has. Capabilities that depend on the machine are tried, or looked
// for.
func capabilities(rootless bool) []lab.Capability {
	caps := []lab.Capability{lab.Root, lab.Iptables, lab.Signals, lab.Ptrace, lab.SharedKernel, lab.Mount}
	if netemWorks() {
		caps = append(caps, lab.Netem)
	}
	if kernelHas("nfnetlink_queue") {
		caps = append(caps, lab.NFQueue)
	}
	if unix.Access("/dev/fuse", unix.R_OK|unix.W_OK) == nil {
		caps = append(caps, lab.Fuse)
	}
	if _, err := os.Stat("/dev/loop-control"); err == nil && !rootless {
		caps = append(caps, lab.Loop)
	}
	return caps
}

// netemWorks tries netem on the bridge, and removes it again.
func netemWorks() bool {
	bridge, err := netlink.LinkByName(bridgeName)
	if err != nil {
		return false
	}
	attrs := netlink.QdiscAttrs{
		LinkIndex: bridge.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT,
	}
	qdisc := netlink.NewNetem(attrs, netlink.NetemQdiscAttrs{})
	return netlink.QdiscAdd(qdisc) == nil && netlink.QdiscDel(qdisc) == nil
}

// kernelHas reports whether a kernel feature is built in, loaded, or available as a module that is loaded on
// demand.
func kernelHas(module string) bool {
	if _, err := os.Stat(filepath.Join("/proc/net/netfilter", module)); err == nil {
		return true
	}
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	release := unix.ByteSliceToString(name.Release[:])
	for _, list := range []string{"modules.builtin", "modules.dep"} {
		data, err := os.ReadFile(filepath.Join("/lib/modules", release, list))
		if err == nil && strings.Contains(string(data), "/"+module+".ko") {
			return true
		}
	}
	return false
}
