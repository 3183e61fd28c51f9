package multipaxos

import "elenchus/node/protocol"

// SnapshotOff disables what a snapshot option controls: that snapshot trigger, or keeping entries.
const SnapshotOff = -1

// snapshotDefaults sets the defaults of the snapshot options that are zero, and replaces SnapshotOff with zero.
func (o *Options) snapshotDefaults() {
	number := func(field *int, value int) {
		switch *field {
		case 0:
			*field = value
		case SnapshotOff:
			*field = 0
		}
	}
	number(&o.SnapshotEntries, 10_000)
	number(&o.SnapshotBytes, 64<<20)
	number(&o.SnapshotKeep, o.keepByDefault())
	number(&o.SnapshotChunk, 1<<20)
}

// keepByDefault returns the default of SnapshotKeep: a tenth of the entries between snapshots, so that a new log costs
// little compared with what it replaces.
func (o *Options) keepByDefault() int {
	switch {
	case o.SnapshotEntries > 0:
		return o.SnapshotEntries / 10
	case o.SnapshotBytes > 0:
		return 1000
	}
	return 0
}

// checkSnapshots reports problems with the snapshot options. Defaults have been applied.
func (o *Options) checkSnapshots(add func(format string, args ...any)) {
	if o.SnapshotEntries < 0 {
		add("snapshot entries: %d is negative; %d turns it off", o.SnapshotEntries, SnapshotOff)
	}
	if o.SnapshotBytes < 0 {
		add("snapshot bytes: %d is negative; %d turns it off", o.SnapshotBytes, SnapshotOff)
	}
	if o.SnapshotKeep < 0 {
		add("snapshot keep: %d is negative; %d keeps none", o.SnapshotKeep, SnapshotOff)
	}
	if o.SnapshotEntries > 0 && o.SnapshotKeep > o.SnapshotEntries {
		add("snapshot keep: %d is above the snapshot entries %d, so that every snapshot would rewrite more entries than "+
			"it replaces", o.SnapshotKeep, o.SnapshotEntries)
	}
	if o.SnapshotEntries == 0 && o.SnapshotBytes == 0 && o.SnapshotKeep > 0 {
		add("snapshot keep: %d entries behind snapshots of which there are none, since neither entries nor bytes ask for "+
			"any", o.SnapshotKeep)
	}
	if o.SnapshotChunk < 1 || o.SnapshotChunk > protocol.ChunkBytesMax {
		add("snapshot chunk: %d; want 1 to %d", o.SnapshotChunk, protocol.ChunkBytesMax)
	}
}
