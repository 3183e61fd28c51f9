// Package clockprobe measures the clocks of hosts all through a run.
//
// On every host one small process answers questions over a connection that is kept: a line with a token goes out, and
// comes back with what the host's clocks show. Sent and received are the harness's, the readings lie in between; what
// follows from that is the business of package results/clocks.
//
// Measuring never disturbs a run: it is some ten questions a second for each host, one at a time, on connections of its
// own, so that no bulk delays them. A connection that breaks is a gap in the record, and is made again.
package clockprobe
