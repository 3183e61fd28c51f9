//go:build !(linux && amd64)

package clockshim

// Readings returns [ErrUnsupported].
func Readings() ([]Reading, error) { return nil, ErrUnsupported }
