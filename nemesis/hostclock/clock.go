//go:build linux

package hostclock

import (
	"errors"
	"fmt"
	"math"
	"time"

	"elenchus/nemesis/clockshim"
)

// driver is one way of moving clocks.
type driver interface {
	eye
	way() Way

	// begin is called before the first change, and may record the previous state in the book. end is called after
	// the last revert, and restores what is neither a rate nor a step. Both return what they did, and may be called
	// again.
	begin(b *book, save func() error) (did []string, err error)
	end(b *book) (did []string, err error)

	// rate, step and reset move the clocks; their notes are for the report. reset makes the rate nominal and sets
	// the wall clock to where it would be if nobody had moved it; off is its distance from there.
	rate(r clockshim.Rate) (note string, err error)
	step(d time.Duration) (note string, err error) // of the wall clock
	reset(b *book) (note string, err error)
	off(b *book, m clockshim.Moment) (time.Duration, error)

	attached(pid int) (bool, error)
	close()
}

// strobers manages the processes that strobe a clock.
type strobers interface {
	start(m Move) (process, error)

	// stop makes a process put the clock back and exit. The note says if it had to be killed.
	stop(p process) (note string, err error)
}

// Clock is the set of clocks of one host. Open it with [OpenShim] or [OpenKernel], and close it.
type Clock struct {
	driver   driver
	shelf    shelf
	strobers strobers
	sleep    func(time.Duration)
}

// Close releases what was needed to read the clocks. The clocks stay as they are.
func (c *Clock) Close() { c.driver.close() }

// with runs do on the book under its lock.
func (c *Clock) with(do func(b *book) error) error {
	unlock, err := c.shelf.lock()
	if err != nil {
		return err
	}
	defer unlock()
	b, err := c.shelf.load()
	if err != nil {
		return err
	}
	return do(&b)
}

// Apply makes a move on behalf of a fault and reports what was observed. It is idempotent per fault: a move already
// in effect under that name is not made again.
func (c *Clock) Apply(fault string, m Move, pid int) (Report, error) {
	r := Report{Way: c.driver.way()}
	if err := m.Validate(); err != nil {
		return r, fmt.Errorf("move clocks: %w", err)
	}
	if err := r.Way.Fit(m); err != nil {
		return r, fmt.Errorf("move clocks: %w", err)
	}
	err := c.with(func(b *book) error {
		if err := c.before(b, &r, pid); err != nil {
			return err
		}
		if m.Strobe != 0 && b.index(fault) < 0 && b.strobing() {
			r.Skipped = "another fault strobes these clocks"
			return nil
		}
		if b.index(fault) >= 0 {
			r.Done = append(r.Done, "was moved already")
		} else if err := c.apply(b, &r, entry{Fault: fault, Move: m}); err != nil {
			return err
		}
		return c.after(b, &r, m)
	})
	if err != nil {
		return r, fmt.Errorf("move clocks: %w", err)
	}
	return r, nil
}

func (c *Clock) apply(b *book, r *Report, e entry) error {
	rate, step := b.rate(), b.step()
	b.Moves = append(b.Moves, e)
	save := func() error { return c.shelf.save(*b) }
	if err := save(); err != nil {
		return err
	}
	did, err := c.driver.begin(b, save)
	r.Done = append(r.Done, did...)
	if err != nil {
		return err
	}
	if err := c.shift(b, r, rate, step); err != nil {
		return err
	}
	if e.Strobe == 0 {
		return nil
	}
	p, err := c.strobers.start(e.Move)
	if err != nil {
		return err
	}
	b.Moves[len(b.Moves)-1].Strober = &p
	return save()
}

// shift changes rate and step total from the given ones to those that the book now asks for.
func (c *Clock) shift(b *book, r *Report, rate clockshim.Rate, step time.Duration) error {
	if now := b.rate(); now != rate {
		if err := r.note(c.driver.rate(now)); err != nil {
			return err
		}
	}
	if now := b.step(); now != step {
		return r.note(c.driver.step(now - step))
	}
	return nil
}

// note adds what a driver said to the report.
func (r *Report) note(text string, err error) error {
	if text != "" {
		r.Done = append(r.Done, text)
	}
	return err
}

// Revert undoes the move of a fault; it does nothing if there is none in effect. After the last one the clocks are
// restored.
func (c *Clock) Revert(fault string, pid int) (Report, error) {
	r := Report{Way: c.driver.way()}
	err := c.with(func(b *book) error {
		if err := c.before(b, &r, pid); err != nil {
			return err
		}
		i := b.index(fault)
		if i < 0 {
			r.Done = append(r.Done, "was not moved any more")
			return c.after(b, &r, Move{})
		}
		if err := c.stopStrober(b, &r, i); err != nil {
			return err
		}
		if len(b.Moves) == 1 {
			if err := c.right(b, &r); err != nil {
				return err
			}
			return c.after(b, &r, Move{})
		}
		rate, step := b.rate(), b.step()
		b.Moves = append(b.Moves[:i:i], b.Moves[i+1:]...)
		if err := c.shift(b, &r, rate, step); err != nil {
			return err
		}
		return c.after(b, &r, Move{})
	})
	if err != nil {
		return r, fmt.Errorf("put clocks right: %w", err)
	}
	return r, nil
}

// Reset undoes everything in the book. It is for hosts left behind by somebody else; the report's Done is empty if
// there was nothing to do.
func (c *Clock) Reset() (Report, error) {
	r := Report{Way: c.driver.way()}
	err := c.with(func(b *book) error {
		if len(b.Moves) == 0 && b.Origin == nil {
			return nil
		}
		for i := range b.Moves {
			r.Done = append(r.Done, "put right what "+b.Moves[i].Fault+" moved")
			if err := c.stopStrober(b, &r, i); err != nil {
				return err
			}
		}
		if err := c.right(b, &r); err != nil {
			return err
		}
		return c.after(b, &r, Move{})
	})
	if err != nil {
		return r, fmt.Errorf("put clocks right: %w", err)
	}
	return r, nil
}

// right restores everything and clears the book.
func (c *Clock) right(b *book, r *Report) error {
	if err := r.note(c.driver.reset(b)); err != nil {
		return err
	}
	m, err := sharp(c.driver)
	if err != nil {
		return err
	}
	if r.Off, err = c.driver.off(b, m); err != nil {
		return err
	}
	did, err := c.driver.end(b)
	r.Done = append(r.Done, did...)
	if err != nil {
		return err
	}
	*b = book{}
	return nil
}

// stopStrober ends move i's strobe, if it is one.
func (c *Clock) stopStrober(b *book, r *Report, i int) error {
	e := &b.Moves[i]
	if e.Strober == nil {
		return nil
	}
	if err := r.note(c.strobers.stop(*e.Strober)); err != nil {
		return err
	}
	e.Strober = nil
	return nil
}

// gained returns how much the clocks should have gained on the raw clock since then.
func (l leftAt) gained(m clockshim.Moment) int64 {
	return int64(float64(m.Raw-l.Raw) * (factor(l.Rate) - 1))
}

// before measures the clocks as they are, and detects interference by others.
func (c *Clock) before(b *book, r *Report, pid int) error {
	var err error
	if pid > 0 {
		if r.Attached, err = c.attached(pid); err != nil {
			return err
		}
	}
	if r.Before, err = look(c.driver, c.sleep, bar(Move{}), Move{}); err != nil {
		return err
	}
	r.Fight = b.fight(r.Before.From)
	return nil
}

// attached reports whether a process uses these clocks; nil if the process is gone.
func (c *Clock) attached(pid int) (*bool, error) {
	yes, err := c.driver.attached(pid)
	if err == nil && yes {
		return &yes, nil
	}
	if _, gone := startTime(pid); gone != nil || errors.Is(err, clockshim.ErrGone) {
		return nil, nil //nolint:nilerr,nilnil // there is nothing to be said of it
	}
	return &yes, err
}

// fight describes how the clocks are not where they should be by now.
func (b *book) fight(m clockshim.Moment) string {
	if b.Left == nil {
		return ""
	}
	l, since := b.Left, m.Raw-b.Left.Raw
	allowed := int64(slack) + 2*int64(math.Abs(float64(since))*discipline) + m.Error + l.Error
	mono := m.Mono - l.Mono - since - l.gained(m)
	wall := ahead(m) - ahead(l.Moment) - l.gained(m)
	text := func(name string, off int64) string {
		return fmt.Sprintf("somebody else moves the clocks: %s is %v off where it was left %v ago", name,
			time.Duration(off).Round(time.Microsecond), short(time.Duration(since)))
	}
	switch {
	case mono > allowed || -mono > allowed:
		return text("the monotonic clock", mono)
	case !l.Strobing && (wall > allowed || -wall > allowed):
		return text("the wall clock", wall)
	}
	return ""
}

// bar returns the precision to which rates are measured to prove a move.
func bar(m Move) float64 {
	if m.Rate == 0 {
		return 1e-3
	}
	return min(1e-3, math.Abs(factor(m.Rate)-1)/20)
}

// after measures the clocks again and records where they are.
func (c *Clock) after(b *book, r *Report, m Move) error {
	var err error
	if r.After, err = look(c.driver, c.sleep, bar(m), m); err != nil {
		return err
	}
	r.Left = b.moves()
	if len(b.Moves) > 0 {
		b.Left = &leftAt{Moment: r.After.To, Rate: b.rate(), Strobing: b.strobing()}
		if r.Off, err = c.driver.off(b, r.After.To); err != nil {
			return err
		}
	}
	return c.shelf.save(*b)
}

// Look reports how the clocks run without changing anything.
func (c *Clock) Look(pid int) (Report, error) {
	r := Report{Way: c.driver.way()}
	err := c.with(func(b *book) error {
		if err := c.before(b, &r, pid); err != nil {
			return err
		}
		r.After, r.Left = r.Before, b.moves()
		var err error
		r.Off, err = c.driver.off(b, r.After.To)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("look at clocks: %w", err)
	}
	return r, nil
}
