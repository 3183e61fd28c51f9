// Package client talks to one node of a cluster, and is honest about what it does not know.
//
// # Outcomes
//
// Every operation ends in one of three ways: [OK], it took effect and this is its result; [Fail], it certainly did not
// and will not take effect; [Unknown], it may have, or may yet. Nothing is ever retried, no redirect is followed, and
// a connection on which anything went wrong is closed. The client speaks HTTP over a connection of its own, because the
// transport of net/http silently sends a GET twice when a kept connection turns out to be closed.
//
//	what happened                                                  outcome
//	the node says "ok" (200, or 412 for a CAS that did not match)  OK
//	the node says "fail" (400, 404, 405, 413, 429, 503)            Fail
//	the node says "unknown" (504)                                  Unknown
//	no connection; or it was given up before a byte was written    Fail
//	anything else: timeout, reset, an answer that is cut short,
//	is no JSON, or whose status and outcome contradict each other  Unknown
//
// # The API
//
// The node's API is described in package server. The types of its answers are here ([Answer], [Status]), so that both
// sides have the same.
package client
