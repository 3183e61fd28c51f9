package clockshim

// Reading is what one clock says at about one moment, in nanoseconds.
type Reading struct {
	Name string
	Seen int64 // by the vDSO, as programs ask
	Real int64 // by a system call, which no shim reaches
}
