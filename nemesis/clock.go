package nemesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"elenchus/nemesis/hostclock"
	"elenchus/results/history"
)

// clock moves the clocks of hosts and restores them.
type clock struct{ deedBase }

func (c *clock) apply(ctx context.Context) outcome {
	if err := c.enter(c.targets, nil); err != nil {
		return outcome{failed(err)}
	}
	results := c.each(c.targets, func(host Host) result { return c.move(ctx, host) })
	if status, _, _ := results.sum(history.FaultInstalled); status == history.FaultSkipped {
		c.written = false // nothing is left to revert
		return c.settle(results)
	}
	return results
}

// move moves one host's clocks and verifies from the readings that they moved.
func (c *clock) move(ctx context.Context, host Host) result {
	s, err := c.find(ctx, host)
	if err != nil {
		return failed(err)
	}
	report, err := c.moveClock(ctx, host, c.fault.ID, c.fault.Move, s.pid())
	if err != nil {
		return failed(err)
	}
	if report.Skipped != "" {
		return skipped(report.Skipped)
	}
	whose, err := c.whose(ctx, host, &report, s)
	if err != nil {
		return failed(err)
	}
	text, err := report.Moved(c.fault.Move)
	if err != nil {
		return failed(fmt.Errorf("%s: %w", host.Name, err))
	}
	return done(history.FaultInstalled, "%s%s; %s (%s)", text, also(report), whose, report.Way.Label())
}

// pid returns the PID of the process, or 0 if it is not alive.
func (s sighting) pid() int {
	if s.alive {
		return s.PID
	}
	return 0
}

// whose describes the process whose clocks the report covers. A process that is just being started may not have
// mapped them yet. On a host without a process the clocks are moved nevertheless: they belong to the host, and
// apply to whatever is started on it.
func (c *clock) whose(ctx context.Context, host Host, report *hostclock.Report, s sighting) (string, error) {
	if report.Attached == nil || *report.Attached {
		return c.owner(*report, s), nil
	}
	err := poll(ctx, c.proof, func(ctx context.Context) error {
		var err error
		if s, err = c.find(ctx, host); err != nil {
			return err
		}
		now, err := c.lookClock(ctx, host, s.pid())
		if err != nil {
			return err
		}
		report.Attached = now.Attached
		return now.Mapped()
	})
	if err != nil {
		return "", fmt.Errorf("%s: %v: %w", host.Name, s.Process, err)
	}
	return c.owner(*report, s), nil
}

func (c *clock) owner(report hostclock.Report, s sighting) string {
	switch {
	case report.Attached == nil || !s.alive:
		return "no process runs that could see it"
	case report.Way == hostclock.Kernel:
		return fmt.Sprintf("%v sees it", s.Process)
	default:
		return fmt.Sprintf("%v has it mapped", s.Process)
	}
}

// also formats the further things that the helper did.
func also(report hostclock.Report) string {
	if len(report.Done) == 0 {
		return ""
	}
	return "; " + strings.Join(report.Done, ", ")
}

// remains implements [deed]: the clocks have kept running at the rate that was set, from where they were left, and
// the host's process still sees them.
func (c *clock) remains(ctx context.Context) outcome {
	return c.each(c.targets, func(host Host) result { return c.movedStill(ctx, host) })
}

func (c *clock) movedStill(ctx context.Context, host Host) result {
	s, err := c.find(ctx, host)
	if err != nil {
		return failed(err)
	}
	var report hostclock.Report
	err = poll(ctx, c.proof, func(ctx context.Context) (err error) {
		report, err = c.lookClock(ctx, host, s.pid())
		return err
	})
	if err != nil {
		return failed(err)
	}
	whose, err := c.whose(ctx, host, &report, s)
	if err != nil {
		return gone("%v", err)
	}
	text, err := report.Remains(c.fault.Move)
	if err != nil {
		return gone("%s: %v", host.Name, err)
	}
	return done(history.FaultInstalled, "%s; %s", text, whose)
}

func (c *clock) revert(ctx context.Context) outcome {
	return c.settle(c.each(c.targets, func(host Host) result { return c.restore(ctx, host) }))
}

func (c *clock) restore(ctx context.Context, host Host) result {
	var report hostclock.Report
	err := poll(ctx, c.proof, func(ctx context.Context) (err error) {
		report, err = c.restoreClock(ctx, host, c.fault.ID)
		return err
	})
	if err != nil {
		return failed(err)
	}
	text, err := report.Restored()
	if err != nil {
		return failed(fmt.Errorf("%s: %w", host.Name, err))
	}
	return done(history.FaultReverted, "%s%s", text, also(report))
}

// errNoClock reports that a host's clocks cannot be moved.
var errNoClock = errors.New("there is no helper for clocks")

// args returns the helper's arguments that select the clocks.
func (c HostClock) args() string {
	if c.Boot != "" {
		return "-kernel '" + c.Boot + "'"
	}
	return "-f '" + c.Control + "'"
}

// Way returns how the clocks are moved, or "" if they cannot be.
func (c HostClock) Way() hostclock.Way {
	switch {
	case c.Helper == "":
		return ""
	case c.Boot != "":
		return hostclock.Kernel
	case c.Control != "":
		return hostclock.Shim
	}
	return ""
}

// clocks restores the clocks of a host, whoever moved them.
func (h *healer) clocks(ctx context.Context) error {
	if h.host.Clock.Way() == "" {
		for _, entry := range h.entries {
			if entry.Kind == Clock && slices.Contains(entry.Hosts, h.host.Name) {
				return fmt.Errorf("%s: its clocks were moved by %s (%s): %w", h.host.Name, entry.ID, entry.Played, errNoClock)
			}
		}
		return nil
	}
	return poll(ctx, h.proof, func(ctx context.Context) error {
		report, err := h.resetClock(ctx, h.host)
		if err != nil {
			return err
		}
		for _, what := range report.Done {
			h.note("%s", what)
		}
		if len(report.Done) == 0 {
			return nil
		}
		_, err = report.Restored()
		return err
	})
}
