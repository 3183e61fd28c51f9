// Package wire encodes and decodes messages and log records.
//
// An encoding consists of a version, a kind, a set telling which fields follow, and those fields. Integers are unsigned
// varints. Every value has exactly one encoding: zero fields are omitted, varints are minimal, and trailing bytes are
// not allowed. Because the decoder rejects everything else, damaged input cannot pass for a message its sender never
// wrote, and a fuzzer can check decoding by encoding the result again.
//
// The package is pure. Framing, lengths and checksums are the job of the packages that move or store the bytes
// (transport and wal).
package wire
