package register

import (
	"encoding/binary"
	"math/bits"
)

// Odd constants without structure (digits of the golden ratio, √2 and √3), used only to spread bits.
const (
	spread1 = 0x9e3779b97f4a7c15
	spread2 = 0x6a09e667f3bcc909
	spread3 = 0xbb67ae8584caa73b
)

// mix combines a and b by folding the two halves of their 128-bit product.
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a^spread1, b^spread2)
	return high ^ low ^ spread3
}

// digest returns a 64-bit digest of a string, the same on every machine and in every run.
func digest(s string) uint64 {
	h := mix(uint64(len(s)), spread1)
	var word [8]byte
	for len(s) >= 8 {
		copy(word[:], s)
		h = mix(h, binary.LittleEndian.Uint64(word[:]))
		s = s[8:]
	}
	if len(s) > 0 {
		word = [8]byte{}
		copy(word[:], s)
		h = mix(h, binary.LittleEndian.Uint64(word[:]))
	}
	return h
}

// chain extends the digest of a sequence by one element. The empty sequence has digest 0.
func chain(h uint64, element string) uint64 { return mix(h+1, digest(element)) }

// contribution returns the register's share of the store's hash. Shares are summed, so their order does not matter.
func (r *register) contribution() uint64 {
	return mix(mix(r.name, r.chain), uint64(len(r.values)))
}

func (s *session) contribution(client ClientID) uint64 {
	h := mix(mix(uint64(client), s.seq), digest(s.key))
	h = mix(h, s.chain)
	return mix(h, uint64(s.result.Code)<<32|uint64(len(s.result.Values)))
}
