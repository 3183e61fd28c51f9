//go:build linux

package local

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

const (
	bridgeName    = "br0"
	bridgeAddress = "10.99.0.1/24"
	linkUpMax     = 30 * time.Second
)

// buildNetwork creates the bridge and connects every host to it. It waits until packets pass, not just until the
// commands have returned: a link drops packets until its carrier is detected, and a lost first packet costs the
// sender a second.
func buildNetwork(hosts []int) error {
	disableIPv6()
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	bridge, err := makeBridge()
	if err != nil {
		return err
	}
	enclosure, err := watchLinks(netns.None())
	if err != nil {
		return err
	}
	defer enclosure.close()
	ports := []string{bridgeName}
	watches := make([]*linkWatch, len(hosts))
	for i, pid := range hosts {
		port := fmt.Sprintf("v%d", i+1)
		ports = append(ports, port)
		if watches[i], err = joinHost(bridge, port, i+1, pid); err != nil {
			return fmt.Errorf("join %s: %w", hostName(i+1), err)
		}
		defer watches[i].close()
	}
	if err := enclosure.wait(ports...); err != nil {
		return err
	}
	for _, w := range watches {
		if err := w.wait("eth0"); err != nil {
			return err
		}
	}
	return nil
}

// disableIPv6 prevents link-local addresses in the current network namespace: they would bypass partitions that
// consist of IPv4 addresses. On a kernel without IPv6 the file does not exist, and nothing needs to be done.
func disableIPv6() {
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0)
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
}

func makeBridge() (*netlink.Bridge, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeName
	attrs.HardwareAddr = hardwareAddress(0) // else it would change as ports join, and hosts have cached the old one
	snooping := false
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := netlink.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("add bridge: %w", err)
	}
	address, err := netlink.ParseAddr(bridgeAddress)
	if err != nil {
		return nil, fmt.Errorf("parse bridge address: %w", err)
	}
	if err := netlink.AddrAdd(bridge, address); err != nil {
		return nil, fmt.Errorf("set bridge address: %w", err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return nil, fmt.Errorf("set bridge up: %w", err)
	}
	return bridge, nil
}

// hardwareAddress returns a locally administered Ethernet address for host i, or for the bridge if i is 0.
func hardwareAddress(i int) net.HardwareAddr {
	return net.HardwareAddr{0x02, 0xe1, 10, 99, 0, byte(i)}
}

// joinHost gives the host with the given process an eth0 whose other end is a port of the bridge.
func joinHost(bridge *netlink.Bridge, port string, i, pid int) (*linkWatch, error) {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	defer func() { _ = ns.Close() }()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = port
	attrs.MasterIndex = bridge.Attrs().Index
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(ns)), PeerHardwareAddr: hardwareAddress(i),
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("add veth pair: %w", err)
	}
	inside, err := netlink.NewHandleAt(ns)
	if err != nil {
		return nil, fmt.Errorf("talk to network namespace: %w", err)
	}
	defer inside.Close()
	if err := setUpInside(inside, i); err != nil {
		return nil, err
	}
	watch, err := watchLinks(ns)
	if err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(veth); err != nil {
		watch.close()
		return nil, fmt.Errorf("set %s up: %w", port, err)
	}
	return watch, nil
}

// setUpInside gives the host its address and sets its links up.
func setUpInside(inside *netlink.Handle, i int) error {
	for _, name := range []string{"lo", "eth0"} {
		l, err := inside.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		if name == "eth0" {
			address, err := netlink.ParseAddr(hostAddress(i).String() + "/24")
			if err != nil {
				return fmt.Errorf("parse address: %w", err)
			}
			if err := inside.AddrAdd(l, address); err != nil {
				return fmt.Errorf("set address of %s: %w", name, err)
			}
		}
		if err := inside.LinkSetUp(l); err != nil {
			return fmt.Errorf("set %s up: %w", name, err)
		}
	}
	return nil
}

// linkWatch reports when links of a network namespace have come up.
type linkWatch struct {
	updates chan netlink.LinkUpdate
	done    chan struct{}
	up      map[string]bool
}

func watchLinks(ns netns.NsHandle) (*linkWatch, error) {
	w := &linkWatch{updates: make(chan netlink.LinkUpdate, 64), done: make(chan struct{}), up: make(map[string]bool)}
	options := netlink.LinkSubscribeOptions{Namespace: &ns, ListExisting: true}
	if err := netlink.LinkSubscribeWithOptions(w.updates, w.done, options); err != nil {
		return nil, fmt.Errorf("watch links: %w", err)
	}
	return w, nil
}

// wait returns when all the links are operationally up: they have a carrier and their queues pass packets.
func (w *linkWatch) wait(names ...string) error {
	deadline := time.After(linkUpMax)
	for {
		missing := ""
		for _, name := range names {
			if !w.up[name] {
				missing = name
			}
		}
		if missing == "" {
			return nil
		}
		select {
		case u, ok := <-w.updates:
			if !ok {
				return errors.New("watch links: kernel closed the connection")
			}
			w.up[u.Attrs().Name] = u.Attrs().OperState == netlink.OperUp
		case <-deadline:
			return fmt.Errorf("wait for link %s: not up after %v", missing, linkUpMax)
		}
	}
}

// close ends the watch. Remaining messages of the kernel are drained until the reader has noticed.
func (w *linkWatch) close() {
	close(w.done)
	go func() {
		for range w.updates {
		}
	}()
}
