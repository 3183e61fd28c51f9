package synthetic

// timeline is a heap of steps by time. Steps of the same time happen in the order in which they were scheduled.
type timeline struct {
	steps []timed
	next  int64
}

type timed struct {
	at, order int64
	step      step
}

func (t *timeline) less(i, j int) bool {
	a, b := &t.steps[i], &t.steps[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (t *timeline) push(at int64, s step) {
	t.next++
	t.steps = append(t.steps, timed{at, t.next, s})
	for i := len(t.steps) - 1; i > 0; {
		up := (i - 1) / 2
		if !t.less(i, up) {
			return
		}
		t.steps[i], t.steps[up] = t.steps[up], t.steps[i]
		i = up
	}
}

func (t *timeline) pop() timed {
	top, n := t.steps[0], len(t.steps)-1
	t.steps[0] = t.steps[n]
	t.steps = t.steps[:n]
	for i := 0; ; {
		down := 2*i + 1
		if down+1 < n && t.less(down+1, down) {
			down++
		}
		if down >= n || !t.less(down, i) {
			return top
		}
		t.steps[i], t.steps[down] = t.steps[down], t.steps[i]
		i = down
	}
}
