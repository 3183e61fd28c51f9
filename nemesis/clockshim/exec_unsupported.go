//go:build !(linux && amd64)

package clockshim

// Exec returns [ErrUnsupported].
func Exec(string, []string, []string) error { return ErrUnsupported }
