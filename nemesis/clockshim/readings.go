package clockshim

// Reading is a comparison of one clock with the machine's, in nanoseconds.
type Reading struct {
	Name  string
	Seen  int64 // by the vDSO, as programs read it
	Real  int64 // midpoint of two readings, before and after, by system calls, which no shim reaches
	Error int64 // half of their distance: when Seen was read, the clock was at Real ± Error
}
