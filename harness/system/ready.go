package system

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"elenchus/harness/control"
	"elenchus/node/client"
)

const (
	leaderTimeout       = 300 * time.Millisecond // for all to say who leads: a fault aimed at the leader waits for it
	leaderGrace         = 25 * time.Millisecond  // for others to contradict a node that claims to lead
	askTimeout          = time.Second            // for one answer of one node; a paused one never answers
	readyPoll           = 50 * time.Millisecond  // between queries of all nodes
	readyTimeoutDefault = time.Minute
	diagnoseTimeout     = 10 * time.Second       // to find out why nodes are not ready
	readTimeout         = 2 * time.Second        // of the trial read
	logLines            = 10                     // of a dead node's log, in an error
	readyKey            = "elenchus-ready"       // never written
	deadCheckEvery      = 500 * time.Millisecond // between checks whether a node that does not answer is dead
)

// ErrNoLeader means that no node that answered claims to lead.
var ErrNoLeader = errors.New("no leader")

// Status returns the status that the host's node reports.
func (p *Paxos) Status(ctx context.Context, host string) (client.Status, error) {
	n, err := p.find(host)
	if err != nil {
		return client.Status{}, err
	}
	return n.status(ctx)
}

func (n *node) status(ctx context.Context) (client.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return n.api.Status(ctx)
}

// HandOver asks the host's node to give up leading, as an operator would, and returns the ballot in which it led. The
// error matches [client.ErrNotLeader] if it did not lead. A paused node answers when it goes on: HandOver waits until
// ctx ends.
func (p *Paxos) HandOver(ctx context.Context, host string) (ballot string, err error) {
	n, err := p.find(host)
	if err != nil {
		return "", err
	}
	return n.api.Forsake(ctx)
}

// answer is one node's answer when all were asked.
type answer struct {
	node   *node
	status client.Status
	err    error
}

// ask queries all nodes concurrently. It calls heard with every answer as it comes, from several goroutines.
func (p *Paxos) ask(ctx context.Context, heard func(answer)) []answer {
	answers := make([]answer, len(p.nodes))
	var wg sync.WaitGroup
	for i, n := range p.nodes {
		wg.Go(func() {
			answers[i].node = n
			answers[i].status, answers[i].err = n.status(ctx)
			if answers[i].err == nil && answers[i].status.Cluster != p.options.Cluster {
				answers[i].err = fmt.Errorf("a node of cluster %q answers", answers[i].status.Cluster)
			}
			heard(answers[i])
		})
	}
	wg.Wait()
	return answers
}

// Leader returns the host of the current leader: of the nodes that claim to lead, the one with the highest ballot,
// because a deposed leader may not know it yet. It does not wait long for nodes that are slow to answer, or paused,
// once somebody claims to lead: whoever asks is about to do something to the leader. Errors match [ErrNoLeader] and
// contain every node's answer.
func (p *Paxos) Leader(ctx context.Context) (host string, err error) {
	soon, cancel := context.WithTimeout(ctx, leaderTimeout)
	defer cancel()
	answers := p.ask(soon, func(a answer) {
		if a.err == nil && a.status.Role == "leader" {
			time.AfterFunc(leaderGrace, cancel)
		}
	})
	if leader := chooseLeader(answers); leader != nil {
		return leader.node.host.Name, nil
	}
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("find the leader: %w", err)
	}
	return "", fmt.Errorf("%w: %s", ErrNoLeader, describe(answers))
}

// chooseLeader returns the answer of the leader with the highest ballot, or nil if there is none.
func chooseLeader(answers []answer) *answer {
	var best *answer
	var bestRound, bestID uint64
	for i := range answers {
		a := &answers[i]
		if a.err != nil || a.status.Role != "leader" {
			continue
		}
		round, id, err := parseBallot(a.status.Ballot)
		if err == nil && (best == nil || round > bestRound || round == bestRound && id > bestID) {
			best, bestRound, bestID = a, round, id
		}
	}
	return best
}

// parseBallot parses a ballot such as "7.n2".
func parseBallot(text string) (round, id uint64, err error) {
	first, second, _ := strings.Cut(text, ".n")
	round, err1 := strconv.ParseUint(first, 10, 64)
	id, err2 := strconv.ParseUint(second, 10, 16)
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, fmt.Errorf("parse ballot %q: %w", text, err)
	}
	return round, id, nil
}

// describe lists every node's answer.
func describe(answers []answer) string {
	parts := make([]string, len(answers))
	for i, a := range answers {
		switch s := a.status; {
		case a.err != nil:
			parts[i] = fmt.Sprintf("%s: %v", a.node.host.Name, a.err)
		case s.Role == "leader":
			parts[i] = fmt.Sprintf("%s leads in ballot %s", a.node.host.Name, s.Ballot)
		case s.Leader == "":
			parts[i] = fmt.Sprintf("%s is %s and knows no leader", a.node.host.Name, s.Role)
		default:
			parts[i] = fmt.Sprintf("%s is %s and takes %s for the leader, in ballot %s", a.node.host.Name, s.Role,
				s.Leader, s.Ballot)
		}
	}
	return strings.Join(parts, "; ")
}

// Ready returns when the cluster serves: all nodes answer, agree on one leader and its ballot, and each serves a
// read. It fails early if a node's process is dead, because nothing will restart it. If ctx has no deadline, Ready
// waits for one minute.
func (p *Paxos) Ready(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, readyTimeoutDefault)
		defer cancel()
	}
	var reason string
	lastDeadCheck := time.Now()
	for {
		answers := p.ask(ctx, func(answer) {})
		if now := disagreement(answers); now != "" && ctx.Err() == nil {
			reason = now
		} else if now == "" {
			if reason = p.tryReads(ctx); reason == "" {
				return nil
			}
		}
		dead := ""
		if ctx.Err() != nil || time.Since(lastDeadCheck) > deadCheckEvery {
			dead = p.findDead(ctx, answers)
			lastDeadCheck = time.Now()
		}
		switch {
		case dead != "":
			return fmt.Errorf("cluster is not ready: %s", dead)
		case ctx.Err() != nil:
			return fmt.Errorf("cluster is not ready: %w: %s", context.Cause(ctx), reason)
		}
		select {
		case <-ctx.Done():
		case <-time.After(readyPoll):
		}
	}
}

// disagreement returns why the answers do not describe a cluster under one leader; "" if they do.
func disagreement(answers []answer) string {
	leader := chooseLeader(answers)
	for _, a := range answers {
		if a.err != nil || leader == nil || a.status.Leader != leader.node.name || a.status.Ballot != leader.status.Ballot {
			return describe(answers)
		}
	}
	return ""
}

// tryReads reads at every node and lists those that did not answer; "" if all did.
func (p *Paxos) tryReads(ctx context.Context) string {
	reasons := make([]string, len(p.nodes))
	var wg sync.WaitGroup
	for i, n := range p.nodes {
		wg.Go(func() {
			// A new client, because a connection from before a fault may be half dead.
			api := client.New(p.url(n), client.Options{DialTimeout: askTimeout})
			defer api.Close()
			r := api.Do(ctx, client.Request{Op: client.OpRead, Key: readyKey, Timeout: readTimeout})
			if r.Outcome != client.OK {
				reasons[i] = fmt.Sprintf("%s does not serve a read: %v: %s", n.host.Name, r.Outcome, r.Reason)
			}
		})
	}
	wg.Wait()
	return joinNonEmpty(reasons)
}

// findDead checks the processes of the nodes that did not answer, and describes the dead ones with the end of their
// logs. It continues briefly after ctx has ended, because that is when the reason is needed.
func (p *Paxos) findDead(ctx context.Context, answers []answer) string {
	late := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnoseTimeout)
	defer cancel()
	reasons := make([]string, len(answers))
	var wg sync.WaitGroup
	for i, a := range answers {
		if a.err != nil {
			wg.Go(func() {
				var err error
				if reasons[i], err = p.obituary(ctx, a.node); err != nil && late { // before the deadline it may be temporary
					reasons[i] = fmt.Sprintf("%s cannot be asked: %v", a.node.host.Name, err)
				}
			})
		}
	}
	wg.Wait()
	return joinNonEmpty(reasons)
}

// obituary reports that the host's process is dead, with its last log lines; "" if it is alive.
func (p *Paxos) obituary(ctx context.Context, n *node) (string, error) {
	state, err := p.process(n).State(ctx, n.client)
	if err != nil || state != control.Dead && state != control.Zombie {
		return "", err
	}
	text := fmt.Sprintf("the process of %s is not running", n.host.Name)
	out, err := n.client.Run(ctx, fmt.Sprintf("tail -n %d -- %s", logLines, control.Quote(n.logFile())))
	if last := out.Text(); err == nil && last != "" {
		text += "; the end of its log:\n" + last
	}
	return text, nil
}

func joinNonEmpty(texts []string) string {
	var kept []string
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return strings.Join(kept, "; ")
}
