package lab

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"elenchus/harness/control"
)

// Check is a check of one host.
type Check struct {
	// Name is what is checked, in a word or two.
	Name string

	// Remedy is what to do when it fails.
	Remedy string

	// Run returns details, or an error. It may be called for several hosts concurrently.
	Run func(ctx context.Context, c *control.Client) (detail string, err error)
}

// Finding is the result of a check on a host.
type Finding struct {
	Host   string `json:"host"`
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"` // only if it is not ok
}

// Findings are the findings of all hosts, in the order of the inventory, and for each host in the order of the
// checks.
type Findings []Finding

// checkMax limits one check on one host.
const checkMax = 30 * time.Second

// Doctor connects to every host and runs the checks on each: see [BasicChecks]. Hosts are checked concurrently, but
// the checks of one host sequentially, because faults tried by checks would disturb one another. A host that cannot
// be reached has that as its only finding.
func Doctor(ctx context.Context, inv Inventory, o control.Options, checks []Check) Findings {
	byHost := make([]Findings, len(inv.Hosts))
	var hosts sync.WaitGroup
	for i, h := range inv.Hosts {
		hosts.Go(func() { byHost[i] = examine(ctx, h, o, checks) })
	}
	hosts.Wait()
	var all Findings
	for _, f := range byHost {
		all = append(all, f...)
	}
	return all
}

func examine(ctx context.Context, h control.Host, o control.Options, checks []Check) Findings {
	began := time.Now()
	client, err := control.Dial(ctx, h, o)
	reached := Finding{Host: h.Name, Check: "ssh", OK: err == nil}
	if err != nil {
		reached.Detail = message(h, err)
		reached.Remedy = fmt.Sprintf("try: ssh -p %d -i %s %s@%s", h.Port, h.KeyFile, h.User, h.Address)
		return Findings{reached}
	}
	defer func() { _ = client.Close() }()
	reached.Detail = fmt.Sprintf("%s@%s, in %v", h.User, h.Address, time.Since(began).Round(time.Millisecond))
	found := Findings{reached}
	for _, check := range checks {
		ctx, cancel := context.WithTimeout(ctx, checkMax)
		detail, err := check.Run(ctx, client)
		cancel()
		f := Finding{Host: h.Name, Check: check.Name, OK: err == nil, Detail: detail}
		if err != nil {
			f.Detail = message(h, err)
			f.Remedy = check.Remedy
		}
		found = append(found, f)
	}
	return found
}

// message returns an error without the host's name, which is shown beside it.
func message(h control.Host, err error) string { return strings.TrimPrefix(err.Error(), h.Name+": ") }

// OK reports whether all checks passed. No findings at all is not OK.
func (f Findings) OK() bool {
	for _, one := range f {
		if !one.OK {
			return false
		}
	}
	return len(f) > 0
}

// String formats the findings as a table, followed by the remedies.
func (f Findings) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tCHECK\tOK\tDETAIL")
	for _, one := range f {
		ok := "yes"
		if !one.OK {
			ok = "NO"
		}
		detail := strings.Join(strings.Fields(one.Detail), " ")
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", one.Host, one.Check, ok, detail)
	}
	_ = w.Flush() // writing to a strings.Builder never fails
	for _, one := range f {
		if !one.OK && one.Remedy != "" {
			fmt.Fprintf(&b, "%s, %s: %s\n", one.Host, one.Check, one.Remedy)
		}
	}
	return b.String()
}
