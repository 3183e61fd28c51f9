package vagrant

import (
	"errors"
	"net/netip"
	"strings"
)

// addressScript prints the IPv4 addresses of a machine, "eth1 192.168.56.11/24", and the devices of its default routes,
// "default eth0".
const addressScript = `ip -4 -o addr show scope global | while read -r n dev inet addr rest; do echo "$dev $addr"; done
ip -4 route show default | while read -r line; do
  set -- $line
  while [ $# -gt 1 ]; do [ "$1" = dev ] && echo "default $2"; shift; done
done`

// choosePeers finds for every machine the address by which the others reach it: the one on a network that all
// share, and on which all addresses differ (VirtualBox gives every machine the same address on a network of its
// own). Of several such networks, the one to the outside is the last choice: a partition would cut the machine off
// from the harness as well.
func choosePeers(outputs []string) ([]netip.Addr, error) {
	type network struct {
		addrs   []netip.Addr // by machine
		outside bool
	}
	networks := make(map[netip.Prefix]*network)
	var order []netip.Prefix
	for i, out := range outputs {
		outside := make(map[string]bool)
		for line := range strings.Lines(out) {
			if dev, ok := strings.CutPrefix(strings.TrimSpace(line), "default "); ok {
				outside[dev] = true
			}
		}
		for line := range strings.Lines(out) {
			dev, text, _ := strings.Cut(strings.TrimSpace(line), " ")
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				continue
			}
			n := networks[prefix.Masked()]
			if n == nil {
				n = &network{addrs: make([]netip.Addr, len(outputs))}
				networks[prefix.Masked()] = n
				order = append(order, prefix.Masked())
			}
			n.addrs[i] = prefix.Addr()
			n.outside = n.outside || outside[dev]
		}
	}
	var best *network
	for _, prefix := range order {
		n := networks[prefix]
		if distinct(n.addrs) && (best == nil || best.outside && !n.outside) {
			best = n
		}
	}
	if best == nil {
		return nil, errors.New("there is none on which every machine has an address of its own:" +
			" give them config.vm.network \"private_network\"")
	}
	return best.addrs, nil
}

// distinct reports whether all addresses are valid and different.
func distinct(addrs []netip.Addr) bool {
	seen := make(map[netip.Addr]bool)
	for _, a := range addrs {
		if !a.IsValid() || seen[a] {
			return false
		}
		seen[a] = true
	}
	return true
}
