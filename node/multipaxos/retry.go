package multipaxos

import "time"

// retrying determines when unanswered Prepares and Accepts are resent. A copy sent before an answer could have arrived
// makes a slow link slower still. So the patience doubles with each retransmission, and Accepts start with twice the
// time that the last slot chosen without retransmission took. Retransmitted slots give no sample, because it is unknown
// which copy was answered (Karn and Partridge 1987; RFC 6298 §3, §5.5).
type retrying struct {
	patience time.Duration
}

// retryMax is the upper bound of the patience, in retry intervals. Jitter aside, it bounds the delay of a message after
// a cut link has healed.
const retryMax = 4

// resetRetries forgets what was learned about the links.
func (m *Machine) resetRetries() { m.retry.patience = m.opts.RetryInterval }

// repeated records a retransmission and sets the retry timer. Jitter keeps the retransmissions of several nodes,
// triggered together by a healed link, from colliding again and again.
func (m *Machine) repeated() {
	m.retry.patience = min(2*m.retry.patience, retryMax*m.opts.RetryInterval)
	m.after(TimerRetry, m.stretched(m.retry.patience))
}

// learnRetry takes a sample if this vote is the one that makes a proposal chosen.
func (m *Machine) learnRetry(p *proposal, member int) {
	if p.resent || p.votes.has(member) || p.votes.len() != m.members.quorum-1 {
		return
	}
	took := m.now - p.sent
	m.retry.patience = min(max(2*took, m.opts.RetryInterval), retryMax*m.opts.RetryInterval)
	if t := &m.timers[TimerRetry]; t.due > m.now+m.retry.patience {
		m.after(TimerRetry, m.retry.patience) // others are answered again, so retry the unanswered ones soon
	}
}
