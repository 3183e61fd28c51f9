package run

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/checker"
	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/report"
	"elenchus/results/verdict"
)

// pass reads the history of a run once, and collects everything that verdict and report need of most runs.
type pass struct {
	dir      results.Run
	running  bool // operations may have been sent
	prefix   bool // what stands before the first damaged line is to be judged
	stream   *checker.Stream
	activity *report.Activity // nil if the history is incomplete
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

// read reads the history. Errors are part of the result.
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
		p.activity = nil // the report reads the history itself and shows what is wrong
	}
}

// again reads the history again, for a caller that needs all events.
func (p *pass) again(each func(*history.Event)) error {
	if !p.running {
		return nil
	}
	_, _, err := history.ScanFile(p.dir.History(), func(e *history.Event) error {
		each(e)
		return nil
	})
	if damage := (*history.Damage)(nil); p.prefix && errors.As(err, &damage) {
		return nil // the first reading has reported it
	}
	return err
}

// summary says what was read and judged of the history, and what was not.
func (p *pass) summary(keys int) string {
	operations := verdict.Count(p.stream.Operations(), "operation")
	if damage := (*history.Damage)(nil); errors.As(p.how.Err, &damage) {
		return fmt.Sprintf("read %s of %s before line %d, which is damaged, and judged none of them", operations,
			damage.File, damage.Line)
	}
	if p.how.Err != nil {
		return fmt.Sprintf("read %s of the history, and judged none of them: %v", operations, p.how.Err)
	}
	checked := fmt.Sprintf("checked %s on %s in %v", operations, verdict.Count(keys, "key"), round(time.Since(p.begun)))
	var not []string
	for _, damage := range p.how.Prefix {
		not = append(not, fmt.Sprintf("nothing from line %d of %s on, which is damaged", damage.Line, damage.File))
	}
	if !p.how.Complete && len(p.how.Prefix) == 0 {
		not = append(not, "nothing of what followed, because the history breaks off there")
	}
	if len(not) > 0 {
		checked += ", and " + strings.Join(not, ", and ")
	}
	return checked
}
