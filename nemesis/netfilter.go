package nemesis

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// baseChain is the first chain that INPUT jumps to. It jumps to the chains of the faults, which are named after it.
const baseChain = "ELENCHUS"

// chainName returns the name of the chain of a fault. Fault names keep it within iptables' 28 characters.
func chainName(id string) string { return baseChain + "-" + id }

// rule is a rule of one of our chains. It drops packets from a source, or merely counts them and passes them on.
type rule struct {
	source netip.Addr
	drop   bool
}

func (r rule) target() string {
	if r.drop {
		return "DROP"
	}
	return "RETURN"
}

// counter identifies a rule on a host.
type counter struct {
	chain string
	rule
}

// counters holds the packet counts of our rules on a host.
type counters map[counter]uint64

// hasChain reports whether the chain has rules. All our chains have some, except for the base chain.
func (c counters) hasChain(name string) bool {
	for k := range c {
		if k.chain == name {
			return true
		}
	}
	return false
}

// tool returns the iptables program for an address family.
func tool(addr netip.Addr) string {
	if addr.Is4() {
		return "iptables"
	}
	return "ip6tables"
}

// prelude defines has, which looks for a complete line in the current rules. Everything runs in a subshell, so that
// a reused shell is left unchanged.
const prelude = `rules=$(%[1]s -w -S) || exit 1
nl='
'
has() { case "$nl$rules$nl" in *"$nl$1$nl"*) return 0;; esac; return 1; }
`

// installScript installs a chain with these rules in one transaction, idempotently. INPUT must reach it before any
// rule of others: an earlier ACCEPT would let pass what is to be dropped.
func installScript(tool, chain string, rules []rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "(\n"+prelude, tool)
	fmt.Fprintf(&b, `first=${rules#*"$nl-A INPUT "}
{
echo '*filter'
has '-N %[1]s' || echo ':%[1]s - [0:0]'
echo ':%[2]s - [0:0]'
[ "${first%%%%"$nl"*}" = '-j %[1]s' ] || echo '-I INPUT 1 -j %[1]s'
has '-A %[1]s -j %[2]s' || echo '-A %[1]s -j %[2]s'
`, baseChain, chain)
	for _, r := range rules {
		fmt.Fprintf(&b, "echo '-A %s -s %v -j %s'\n", chain, r.source, r.target())
	}
	fmt.Fprintf(&b, "echo COMMIT\n} | %s-restore -w --noflush\n)", tool)
	return b.String()
}

// removeScript removes a chain, and the base chain with it if no other fault uses that, which leaves the host as it
// was found. It does nothing if there is no such chain.
//
// The rules of the base chain are deleted one by one: within a transaction, iptables 1.8.9 on nftables forgets the
// deletion of a rule if the chain is flushed afterwards.
func removeScript(tool, chain string) string {
	return fmt.Sprintf("(\n"+prelude+`has '-N %[3]s' || exit 0
last=
[ "$(printf '%%s\n' "$rules" | grep '^-A %[2]s ')" = '-A %[2]s -j %[3]s' ] && last=yes
{
echo '*filter'
[ -z "$last" ] || printf '%%s\n' "$rules" | sed -n 's/^-A INPUT -j %[2]s$/-D INPUT -j %[2]s/p'
has '-A %[2]s -j %[3]s' && echo '-D %[2]s -j %[3]s'
echo '-F %[3]s'
echo '-X %[3]s'
[ -z "$last" ] || echo '-X %[2]s'
echo COMMIT
} | %[1]s-restore -w --noflush
)`, tool, baseChain, chain)
}

// sweepScript removes and names every chain of ours, and removes every jump to one. A host without iptables, or
// without the table, has no rules of ours.
func sweepScript() string {
	return fmt.Sprintf(`(
for tool in iptables ip6tables; do
command -v $tool >/dev/null 2>&1 || continue
rules=$($tool -w -S 2>/dev/null) || { [ $tool = ip6tables ] && continue; echo "failed $tool -S"; exit 1; }
chains=$(printf '%%s\n' "$rules" | sed -n 's/^-N \(%[1]s\)$/\1/p; s/^-N \(%[1]s-[a-z][a-z0-9-]*\)$/\1/p')
jumps=$(printf '%%s\n' "$rules" | sed -n '/^-A %[1]s[ -]/d
s/^-A \(.*-j %[1]s\)$/-D \1/p; s/^-A \(.*-j %[1]s-[a-z][a-z0-9-]*\)$/-D \1/p')
[ -n "$chains" ] || continue
{
echo '*filter'
[ -z "$jumps" ] || printf '%%s\n' "$jumps"
for c in $chains; do echo "-F $c"; done
for c in $chains; do echo "-X $c"; done
echo COMMIT
} | $tool-restore -w --noflush || exit 1
for c in $chains; do echo "removed $tool $c"; done
done
)`, baseChain)
}

// chainsScript lists our chains, with the iptables program that shows them.
func chainsScript() string {
	return fmt.Sprintf(`(
for tool in iptables ip6tables; do
command -v $tool >/dev/null 2>&1 || continue
$tool -w -S 2>/dev/null | sed -n "s/^-N \(%[1]s\)\$/$tool \1/p; s/^-N \(%[1]s-[a-z][a-z0-9-]*\)\$/$tool \1/p"
done
)`, baseChain)
}

func listScript(tool string) string { return tool + " -w -nvxL" }

var chainHead = regexp.MustCompile(`^Chain (\S+) \(`)

// parseCounters parses the output of listScript. Our rules have a fixed form, so anything else in our chains is an
// error: somebody has changed them, and their effect is unknown.
func parseCounters(listing string) (counters, error) {
	found := counters{}
	chain, listed := "", false
	for _, text := range strings.Split(listing, "\n") {
		if head := chainHead.FindStringSubmatch(text); head != nil {
			chain, listed = head[1], true
			continue
		}
		fields := strings.Fields(text)
		ours := strings.HasPrefix(chain, baseChain+"-")
		if !ours || len(fields) == 0 || fields[0] == "pkts" {
			continue
		}
		// pkts bytes target prot opt in out source destination
		if len(fields) < 7 {
			return nil, fmt.Errorf("parse rules: chain %s: unexpected %q", chain, text)
		}
		packets, err := strconv.ParseUint(fields[0], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("parse rules: chain %s: %q: %w", chain, text, err)
		}
		source, err := parseSource(fields[len(fields)-2])
		if err != nil || fields[2] != "DROP" && fields[2] != "RETURN" {
			return nil, fmt.Errorf("parse rules: chain %s has a rule that is not ours: %q", chain, text)
		}
		found[counter{chain, rule{source, fields[2] == "DROP"}}] += packets
	}
	if !listed {
		return nil, fmt.Errorf("parse rules: no chains in %.100q", listing)
	}
	return found, nil
}

// parseSource parses an address, with or without the prefix length of a single address.
func parseSource(text string) (netip.Addr, error) {
	if !strings.Contains(text, "/") {
		return netip.ParseAddr(text)
	}
	prefix, err := netip.ParsePrefix(text)
	if err == nil && !prefix.IsSingleIP() {
		err = fmt.Errorf("%v is more than one address", prefix)
	}
	return prefix.Addr(), err
}

// knockScript sends a datagram to each address. Only the receiver can tell whether it arrived.
func knockScript(to []netip.Addr) string {
	return fmt.Sprintf(`bash -c 'for a in %s; do (printf elenchus >"/dev/udp/$a/%d") 2>/dev/null; done; exit 0'`,
		join(to), probePort)
}

// reachScript tries to connect to each address and prints the outcome: "open", "refused", or the reason for the
// failure. A refused connection proves that packets got there and back.
func reachScript(to []netip.Addr) string {
	return fmt.Sprintf(`LC_ALL=C bash -c 'for a in %s; do (
said=$(timeout 1 bash -c "exec 3<>/dev/tcp/$a/%d" 2>&1); code=$?
case $code,$said in
0,*) echo "$a open";;
124,*) echo "$a timeout";;
*refused*) echo "$a refused";;
*) echo "$a $said" | tr "\n" " "; echo;;
esac) & done; wait' </dev/null`, join(to), probePort)
}

func join(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, addr := range addrs {
		texts[i] = addr.String()
	}
	return strings.Join(texts, " ")
}

// parseReach parses the output of reachScript. The result has the reason for each address that was not reached.
func parseReach(to []netip.Addr, output string) map[netip.Addr]string {
	failed := map[netip.Addr]string{}
	for _, addr := range to {
		failed[addr] = "no answer from the probe"
	}
	for _, text := range strings.Split(output, "\n") {
		word, said, _ := strings.Cut(text, " ")
		addr, err := netip.ParseAddr(word)
		if err != nil {
			continue
		}
		switch said = strings.TrimSpace(said); said {
		case "open", "refused":
			delete(failed, addr)
		default:
			failed[addr] = said
		}
	}
	return failed
}
