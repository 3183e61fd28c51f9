package run

import (
	"errors"
	"slices"
	"time"

	"elenchus/checker"
	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/report"
)

// pass is one reading of a run's history, in which everything is made that a verdict and a report need of most runs.
type pass struct {
	dir      results.Run
	running  bool // something may have been sent
	prefix   bool // what stands before the first damaged line is to be judged
	stream   *checker.Stream
	activity *report.Activity // nil when the history is not whole
	how      checker.Ending
	begun    time.Time
}

func newPass(dir results.Run, m *results.Manifest, prefix bool) *pass {
	begun := time.Now()
	in, faultDamage := checkInput(dir, m, prefix)
	in.Facts.HarnessErrors = append(slices.Clone(in.Facts.HarnessErrors), dir.Tampered(m)...)
	p := &pass{dir: dir, running: m.Reached(results.StateRunning), prefix: prefix, begun: begun,
		stream: checker.NewStream(in), activity: report.NewActivity(m.Recovery.HealedAt)}
	p.stream.Watch(p.activity)
	if faultDamage != nil {
		p.how.Prefix = []*history.Damage{faultDamage}
	}
	return p
}

// read reads the history. What is wrong with it is part of how it ended.
func (p *pass) read() {
	if !p.running {
		p.how.Complete = true
		return
	}
	var damage *history.Damage
	p.how.Complete, p.how.Truncated, p.how.Err = history.ScanFile(p.dir.History(), func(e *history.Event) error {
		p.stream.Observe(e)
		return nil
	})
	if p.prefix && errors.As(p.how.Err, &damage) {
		p.how.Err, p.how.Complete, p.how.Truncated = nil, false, false
		p.how.Prefix = append([]*history.Damage{damage}, p.how.Prefix...)
	}
	if p.how.Err != nil || damage != nil {
		p.activity = nil // the report says what the matter is when it reads the history itself
	}
}

// again shows what read has read once more.
func (p *pass) again(each func(*history.Event)) error {
	if !p.running {
		return nil
	}
	_, _, err := history.ScanFile(p.dir.History(), func(e *history.Event) error {
		each(e)
		return nil
	})
	if damage := (*history.Damage)(nil); p.prefix && errors.As(err, &damage) {
		return nil // as it was found before
	}
	return err
}
