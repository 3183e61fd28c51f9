package clockshim

// Moment is a reading of the calling process's clocks, in nanoseconds: Mono and Wall as programs see them, through
// the vDSO and so through a shim, and Raw, CLOCK_MONOTONIC_RAW, by system calls before and after, which no shim
// reaches. Raw is the middle of the two, and Error half of their distance: Mono and Wall were read at Raw ± Error.
type Moment struct {
	Mono, Wall, Raw int64
	Error           int64
}

// between brackets a reading of clocks with two readings of the raw one.
func between(raw func() int64, read func() (mono, wall int64, err error)) (Moment, error) {
	before := raw()
	mono, wall, err := read()
	half := (raw() - before + 1) / 2
	return Moment{Mono: mono, Wall: wall, Raw: before + half, Error: half}, err
}
