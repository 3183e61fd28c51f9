package multipaxos

import "time"

// retrying decides when unanswered Prepares and Accepts are sent again. A repetition that leaves before an answer could
// have come makes a slow link slower still. So the patience doubles with each repetition, and Accepts start with twice
// the time that the last slot chosen without repetition took. Repeated slots teach nothing: nobody knows which copy was
// answered (Karn and Partridge 1987; RFC 6298 §3, §5.5).
type retrying struct {
	patience time.Duration
}

// retryMax is the longest patience, in retry intervals. Jitter aside, it bounds how late a message is once a link that
// was cut is back.
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
