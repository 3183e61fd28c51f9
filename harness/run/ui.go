package run

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"
)

// UI reports the progress of a run: a line for every step that is done, and between these one status line, which is
// redrawn in place on a terminal and repeated every few seconds elsewhere. The zero value writes nothing.
type UI struct {
	out      io.Writer
	terminal bool
	width    int
	start    time.Time

	mu     sync.Mutex
	status string // the text of the status line; empty if there is none
	last   time.Time

	waits string      // a status that came too soon after another; shown later, unless something else comes first
	timer *time.Timer // that shows it
}

// Intervals between updates of the status line.
const (
	redrawEvery = 200 * time.Millisecond
	repeatEvery = 5 * time.Second
)

// NewUI writes to out.
func NewUI(out io.Writer) *UI {
	u := &UI{out: out, start: time.Now(), width: 80}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		u.terminal = true
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			u.width = w
		}
	}
	return u
}

// Color reports whether the output understands colours.
func (u *UI) Color() bool { return u.terminal && os.Getenv("NO_COLOR") == "" }

// Say prints a line.
func (u *UI) Say(format string, args ...any) {
	if u.out == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clear()
	u.waits = ""
	fmt.Fprintln(u.out, Printable(fmt.Sprintf(format, args...)))
}

// Printable escapes everything in a text that a terminal would not display but execute, as in text from files and
// from other programs.
func Printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// Step prints a step that is done, and the time since the program began.
func (u *UI) Step(format string, args ...any) {
	u.Say("%6.1fs  %s", time.Since(u.start).Seconds(), fmt.Sprintf(format, args...))
}

// Status shows a status line until the next output. One that comes too soon after another is shown when it is time, if
// nothing else has come by then.
func (u *UI) Status(format string, args ...any) {
	if u.out == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	every := repeatEvery
	if u.terminal {
		every = redrawEvery
	}
	text := fmt.Sprintf(format, args...)
	if early := every - time.Since(u.last); early > 0 {
		if u.waits = text; u.timer == nil {
			u.timer = time.AfterFunc(early, u.overdue)
		}
		return
	}
	u.show(text)
}

// overdue shows the status that waits.
func (u *UI) overdue() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.timer = nil
	if u.waits != "" {
		u.show(u.waits)
	}
}

// show shows a status line now.
func (u *UI) show(text string) {
	u.waits, u.last = "", time.Now()
	line := Printable(fmt.Sprintf("%6.1fs  %s", time.Since(u.start).Seconds(), text))
	if !u.terminal {
		fmt.Fprintln(u.out, line)
		return
	}
	if runes := []rune(line); len(runes) >= u.width {
		line = string(runes[:u.width-1])
	}
	u.clear()
	fmt.Fprint(u.out, line)
	u.status = line
}

// clear removes the status line from the terminal.
func (u *UI) clear() {
	if u.status != "" {
		fmt.Fprint(u.out, "\r"+strings.Repeat(" ", len([]rune(u.status)))+"\r")
		u.status = ""
	}
}
