//go:build !(linux && amd64)

package clockshim

// Exec is refused with [ErrUnsupported].
func Exec(string, []string, []string) error { return ErrUnsupported }
