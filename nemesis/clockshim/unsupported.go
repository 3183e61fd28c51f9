//go:build !linux

package clockshim

// Create is refused: control files are made for processes on Linux.
func Create(string) error { return ErrUnsupported }

// Set is refused like [Create].
func Set(string, Change) (State, error) { return State{}, ErrUnsupported }

// Get is refused like [Create].
func Get(string) (State, error) { return State{}, ErrUnsupported }

// Attached is refused like [Create].
func Attached(int, string) (bool, error) { return false, ErrUnsupported }

// Watch reads clocks again and again.
type Watch struct{}

// NewWatch is refused like [Create].
func NewWatch() (*Watch, error) { return nil, ErrUnsupported }

// Now is refused like [Create].
func (w *Watch) Now() (Moment, error) { return Moment{}, ErrUnsupported }
