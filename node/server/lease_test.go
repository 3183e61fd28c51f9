package server

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"elenchus/node/client"
	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
)

// leasedCluster starts a cluster whose leader serves reads under a lease.
func leasedCluster(t testing.TB, size int) *cluster {
	return newClusterWith(t, size, func(o *multipaxos.Options) {
		o.Reads, o.Lease = multipaxos.ReadsLease, multipaxos.LeaseRate
	})
}

// holder waits until a node other than not holds a lease, and returns it.
func (c *cluster) holder(not protocol.NodeID) protocol.NodeID {
	c.t.Helper()
	var holder protocol.NodeID
	eventually(c.t, "a lease", func() bool {
		for _, id := range c.ids() {
			if s, err := c.status(id); id != not && err == nil && s.Lease.Held {
				holder = id
				return true
			}
		}
		return false
	})
	return holder
}

func TestLeaseIsHeldAndServes(t *testing.T) {
	c := leasedCluster(t, 3)
	leader := c.holder(0)
	must(t, c.client(leader), client.Request{Op: client.OpWrite, Key: "x", Value: "1"})
	for _, id := range c.ids() {
		got := must(t, c.client(id), client.Request{Op: client.OpRead, Key: "x"})
		if !slices.Equal(got.Values, []string{"1"}) {
			t.Errorf("read at %v: %+v", id, got)
		}
		eventually(t, "everybody honours the lease", func() bool {
			s, err := c.status(id)
			l := s.Lease
			return err == nil && l.Mode == "rate" && l.Holder != "" && l.Granted == s.Ballot && l.GrantedUntilNS > s.MonoNS &&
				l.Held == (s.Role == "leader")
		})
	}
}

// TestForsake checks that the leader gives up leadership when asked, and that another node leads afterwards. Other
// nodes refuse and name the leader.
func TestForsake(t *testing.T) {
	c := leasedCluster(t, 3)
	leader := c.holder(0)
	must(t, c.client(leader), client.Request{Op: client.OpWrite, Key: "x", Value: "1"})
	for _, id := range c.ids() {
		if id == leader {
			continue
		}
		status, body := call(t, c.nodes[id], http.MethodPost, "/v1/admin/forsake", "")
		if s, err := c.status(leader); err == nil && s.Role == "leader" && status != http.StatusConflict {
			t.Errorf("forsake at %v, which does not lead: %d %s", id, status, body)
		}
	}
	if status, body := call(t, c.nodes[leader], http.MethodGet, "/v1/admin/forsake", ""); status != 405 {
		t.Errorf("GET: %d %s", status, body)
	}
	var answer client.Answer
	eventually(t, "a leader that forsakes", func() bool {
		leader = c.holder(0)
		status, body := call(t, c.nodes[leader], http.MethodPost, "/v1/admin/forsake", "")
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		return status == http.StatusOK
	})
	if answer.Outcome != client.OK || answer.Ballot == "" {
		t.Fatalf("forsake: %+v", answer)
	}
	eventually(t, "the ballot ends", func() bool {
		s, err := c.status(leader)
		return err == nil && s.Ballot != answer.Ballot
	})
	got := must(t, c.client(c.holder(0)), client.Request{Op: client.OpRead, Key: "x"})
	if !slices.Equal(got.Values, []string{"1"}) {
		t.Errorf("read after that: %+v", got)
	}
	seen := leaseLines(t, readFile(t, c.data[leader], ObservationsName))
	for _, kind := range []string{"lease-held", "lease-asked", "lease-forsaken"} {
		if seen[kind] == 0 {
			t.Errorf("no observation %s: %v", kind, seen)
		}
	}
}

// leaseLines counts the lease observations by kind, and checks that each has both clocks and names the lease clock.
func leaseLines(t *testing.T, lines string) map[string]int {
	t.Helper()
	seen := make(map[string]int)
	for line := range strings.Lines(lines) {
		var o observation
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("observation %q: %v", line, err)
		}
		if !strings.HasPrefix(o.Kind, "lease-") {
			continue
		}
		seen[o.Kind]++
		if o.MonoNS <= 0 || o.WallNS <= 0 || o.Lease != "rate" {
			t.Errorf("lease line without its clocks: %s", line)
		}
		if o.Since != 0 && (o.Since > o.MonoNS || o.Until <= o.Since) {
			t.Errorf("term that makes no sense: %s", line)
		}
	}
	return seen
}

// TestStopHandsOver checks, in the observations of another node, that an orderly shutdown releases the granters.
func TestStopHandsOver(t *testing.T) {
	c := leasedCluster(t, 3)
	var leader protocol.NodeID
	eventually(t, "a leader that stops", func() bool {
		leader = c.linkedHolder()
		c.mu.Lock()
		s := c.nodes[leader]
		delete(c.nodes, leader)
		c.mu.Unlock()
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(readFile(t, c.data[leader], ObservationsName), "asked to give up leading") {
			return true
		}
		c.start(leader) // it was deposed just before, so try again
		return false
	})
	c.holder(leader)
	freed := false
	for _, id := range c.ids() {
		if id != leader && strings.Contains(readFile(t, c.data[id], ObservationsName), `"kind":"lease-freed"`) {
			freed = true
		}
	}
	if !freed {
		t.Error("nobody was freed")
	}
}

// linkedHolder waits for a lease holder that is connected to all others, and returns it.
func (c *cluster) linkedHolder() protocol.NodeID {
	c.t.Helper()
	var holder protocol.NodeID
	eventually(c.t, "all links of a holder are up", func() bool {
		holder = c.holder(0)
		s, err := c.status(holder)
		linked := 0
		for _, p := range s.Peers {
			if p.Connected {
				linked++
			}
		}
		return err == nil && linked == len(c.ids())-1
	})
	return holder
}

// TestForsakeWhileStopping checks that a request to forsake is answered even when the loop can no longer act on it.
func TestForsakeWhileStopping(t *testing.T) {
	c := leasedCluster(t, 1)
	s := c.nodes[1]
	s.Kill()
	if _, err := s.forsake(context.Background()); err == nil {
		t.Error("a node that has ended forsakes")
	}
}
