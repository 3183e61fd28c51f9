//go:build linux

package hostclock

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"elenchus/nemesis/clockshim"
)

// OpenShim opens the clocks of the processes that run under a control file. Self is the path of the calling
// program, which is run as "SELF probe -bars -f FILE" to read them, and as "SELF strobe ...".
func OpenShim(control, self string) (*Clock, error) {
	real, err := clockshim.NewWatch()
	if err != nil {
		return nil, fmt.Errorf("open clocks: %w", err)
	}
	if _, err := clockshim.Get(control); err != nil {
		return nil, fmt.Errorf("open clocks: %w", err)
	}
	under, err := openProbe(self, control)
	if err != nil {
		return nil, fmt.Errorf("open clocks: %w", err)
	}
	return &Clock{
		driver: &shim{probe: under, control: control, real: real}, shelf: file{control + ".book"},
		strobers: programs{self, []string{"-f", control}}, sleep: time.Sleep,
	}, nil
}

// shim moves clocks through a control file.
type shim struct {
	*probe
	control string
	real    eye // of this process, which is under no shim
}

func (s *shim) way() Way { return Shim }

func (s *shim) begin(*book, func() error) ([]string, error) { return nil, nil }

func (s *shim) end(*book) ([]string, error) { return nil, nil }

func (s *shim) set(c clockshim.Change) (note string, err error) {
	_, err = clockshim.Set(s.control, c)
	if errors.Is(err, clockshim.ErrLate) {
		return err.Error(), nil // the change was made nevertheless, and its effect is measured
	}
	return "", err
}

func (s *shim) rate(r clockshim.Rate) (string, error) {
	return s.set(clockshim.Change{MonoRate: r, WallRate: r})
}

func (s *shim) step(d time.Duration) (string, error) { return s.set(clockshim.Change{WallStep: d}) }

func (s *shim) reset(*book) (string, error) { return s.set(clockshim.Change{Reset: true}) }

// off compares with the machine's own wall clock, read now: both share the same raw clock.
func (s *shim) off(_ *book, m clockshim.Moment) (time.Duration, error) {
	now, err := sharp(s.real)
	return time.Duration(ahead(m) - ahead(now)), err
}

func (s *shim) attached(pid int) (bool, error) { return clockshim.Attached(pid, s.control) }

// probe is a process under the shim that reads its clocks. The process that moves them is not under the shim, or
// its own sleeps would be distorted.
type probe struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors *strings.Builder
}

func openProbe(self, control string) (*probe, error) {
	p := &probe{cmd: exec.Command(self, "probe", "-bars", "-f", control), errors: &strings.Builder{}}
	p.cmd.Stderr = p.errors
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

// Now implements eye.
func (p *probe) Now() (m clockshim.Moment, err error) {
	if _, err := io.WriteString(p.in, "now\n"); err != nil {
		return m, p.failed(err)
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return m, p.failed(err)
	}
	if _, err := fmt.Sscanf(line, "now %d %d %d %d\n", &m.Mono, &m.Wall, &m.Raw, &m.Error); err != nil {
		return m, fmt.Errorf("read clocks: the probe says %q: %w", line, err)
	}
	return m, nil
}

// failed adds the probe's last output to an error.
func (p *probe) failed(err error) error {
	p.close()
	if said := strings.TrimSpace(p.errors.String()); said != "" {
		err = errors.New(said)
	}
	return fmt.Errorf("read clocks under the shim: %w", err)
}

func (p *probe) close() {
	_ = p.in.Close()
	_ = p.cmd.Wait() // it exits at the end of its input, and everything that matters has been read
}

// Self returns the path of the calling program.
func Self() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return path, nil
}
