package multipaxos

import "time"

// retrying is when Prepares and Accepts that were not answered are sent again. What is sent before an answer could have
// come makes a slow link slower still, so that the patience doubles each time, and Accepts wait from the start for twice
// as long as the last slot took that was chosen at once. From those that were repeated nothing can be learned: nobody
// knows which copy was answered (Karn and Partridge 1987; RFC 6298 §3, §5.5).
type retrying struct {
	patience time.Duration
}

// retryMax is the longest patience, in retry intervals. It is what a message is late at most, but for jitter, when a
// link that was cut is there again.
const retryMax = 4

// resetRetries forgets what was learned of the links.
func (m *Machine) resetRetries() { m.retry.patience = m.opts.RetryInterval }

// repeated takes in that something was sent again, and makes the retry timer due. Jitter keeps the repetitions of
// several nodes, which a healed link has set off, from meeting again and again.
func (m *Machine) repeated() {
	m.retry.patience = min(2*m.retry.patience, retryMax*m.opts.RetryInterval)
	m.after(TimerRetry, m.stretched(m.retry.patience))
}

// learnRetry takes in that this vote is about to make a proposal chosen.
func (m *Machine) learnRetry(p *proposal, member int) {
	if p.resent || p.votes.has(member) || p.votes.len() != m.members.quorum-1 {
		return
	}
	took := m.now - p.sent
	m.retry.patience = min(max(2*took, m.opts.RetryInterval), retryMax*m.opts.RetryInterval)
	if t := &m.timers[TimerRetry]; t.due > m.now+m.retry.patience {
		m.after(TimerRetry, m.retry.patience) // others are answered again: what is still unanswered need not wait
	}
}
