// Package client talks to one node of a cluster and never claims more about an outcome than it knows.
//
// # Outcomes
//
// Every operation ends in one of three ways: [OK], it took effect and this is its result; [Fail], it certainly did not
// and will not take effect; [Unknown], it may have taken effect, or may yet. The client never retries, follows no
// redirects, and closes a connection on any error. It speaks HTTP over a connection of its own, because the transport
// of net/http silently resends a GET when a reused connection turns out to be closed.
//
//	what happened                                                  outcome
//	the node says "ok" (200, or 412 for a CAS that did not match)  OK
//	the node says "fail" (400, 404, 405, 413, 429, 503)            Fail
//	the node says "unknown" (504)                                  Unknown
//	no connection, or given up before a byte was written           Fail
//	anything else: timeout, reset, an answer that is cut short,
//	is not JSON, or whose status and outcome are contradictory     Unknown
//
// # The API
//
// The node's API is described in package server. The types of its answers ([Answer], [Status]) are defined here, so
// that both sides share them.
package client
