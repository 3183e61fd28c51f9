//go:build !(linux && amd64)

package clockshim

// Readings is refused with [ErrUnsupported].
func Readings() ([]Reading, error) { return nil, ErrUnsupported }
