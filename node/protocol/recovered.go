package protocol

// Recovered is the state recovered from a node's disk at start: its snapshot, and the fold of the records in its log.
// The zero value is the state of a new node.
//
// A crash can leave a newer snapshot beside a log that was not yet compacted, so the log may hold entries that the
// snapshot covers. Those up to Committed are chosen. Nothing is known of those above it, and the snapshot takes their
// place.
type Recovered struct {
	Snapshot  *Snapshot // nil if there is none; everything up to its Slot is chosen
	Round     Ballot    // the highest ballot seen or used
	Promised  Ballot
	Committed Slot           // from the log; may be below Snapshot.Slot
	Entries   map[Slot]Entry // the accepted entry with the highest ballot of each slot
}

// Virgin reports whether the disk was empty: no incarnation of the node has promised, accepted, proposed or learned
// anything.
func (r *Recovered) Virgin() bool {
	return r.Snapshot == nil && r.Round.IsZero() && r.Promised.IsZero() && r.Committed == 0 && len(r.Entries) == 0
}

// Apply folds one record into the recovered state.
func (r *Recovered) Apply(rec Record) {
	raise := func(b *Ballot, to Ballot) {
		if b.Less(to) {
			*b = to
		}
	}
	switch rec.Kind {
	case RecordRound:
		raise(&r.Round, rec.Ballot)
	case RecordPromise:
		raise(&r.Round, rec.Ballot)
		raise(&r.Promised, rec.Ballot)
	case RecordAccept:
		raise(&r.Round, rec.Entry.Ballot)
		raise(&r.Promised, rec.Entry.Ballot)
		if old, ok := r.Entries[rec.Entry.Slot]; !ok || !rec.Entry.Ballot.Less(old.Ballot) {
			if r.Entries == nil {
				r.Entries = make(map[Slot]Entry)
			}
			r.Entries[rec.Entry.Slot] = rec.Entry
		}
	case RecordCommit:
		r.Committed = max(r.Committed, rec.Slot)
	}
}
