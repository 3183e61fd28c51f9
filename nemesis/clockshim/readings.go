package clockshim

// Reading is what one clock says at one moment, in nanoseconds.
type Reading struct {
	Name  string
	Seen  int64 // by the vDSO, as programs ask
	Real  int64 // by system calls before and after, which no shim reaches: the middle
	Error int64 // half of the distance between them: at Seen, it was Real ± Error
}
