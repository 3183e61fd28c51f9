package clockshim

// Moment is what the calling process's clocks say at one time, in nanoseconds: Mono and Wall as programs are told,
// through the vDSO and so through a shim, and Raw, CLOCK_MONOTONIC_RAW, by system calls before and after, which nothing
// moves. Raw is the middle of the two, and Error half of the distance: Mono and Wall were read at Raw ± Error.
type Moment struct {
	Mono, Wall, Raw int64
	Error           int64
}

// between brackets a reading of clocks with readings of the raw one.
func between(raw func() int64, read func() (mono, wall int64, err error)) (Moment, error) {
	before := raw()
	mono, wall, err := read()
	half := (raw() - before + 1) / 2
	return Moment{Mono: mono, Wall: wall, Raw: before + half, Error: half}, err
}
