// Package bench measures what it costs to read under a lease, against reads that ask a majority and reads that go
// through the log.
//
// What is compared runs under the same conditions: three clusters on the same hosts, equal but for how they read, and
// never two of them under load at once. Each round loads each of them once, in an order that is drawn anew, so that
// whatever else the machine does in the meantime hits all of them alike; ratios are taken within a round. A client is
// closed loop: it asks the leader again as soon as it has an answer, so that operations a second and latencies are two
// sides of one thing.
package bench
