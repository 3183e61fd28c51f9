// Package wire turns messages and log records into bytes and back.
//
// An encoding is a version, a kind, a set saying which fields follow, and those fields. Integers are unsigned varints.
// Every value has exactly one encoding: fields that are zero are left out, varints are as short as they can be, and
// nothing may follow. A decoder that refuses all else cannot be made to read a damaged input as something its sender
// never wrote, and lets a fuzzer check it by encoding again what it decoded.
//
// The package is pure. Frames, lengths and checksums belong to those who move or store the bytes (packages transport
// and wal).
package wire
