//go:build !linux

package clockshim

// Create returns [ErrUnsupported]: control files are made for processes on Linux.
func Create(string) error { return ErrUnsupported }

// Set returns [ErrUnsupported].
func Set(string, Change) (State, error) { return State{}, ErrUnsupported }

// Get returns [ErrUnsupported].
func Get(string) (State, error) { return State{}, ErrUnsupported }

// Attached returns [ErrUnsupported].
func Attached(int, string) (bool, error) { return false, ErrUnsupported }

// Watch reads clocks repeatedly.
type Watch struct{}

// NewWatch returns [ErrUnsupported].
func NewWatch() (*Watch, error) { return nil, ErrUnsupported }

// Now returns [ErrUnsupported].
func (w *Watch) Now() (Moment, error) { return Moment{}, ErrUnsupported }
