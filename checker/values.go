package checker

import (
	"math/bits"
	"slices"
)

// valueSet is a set of numbers that takes about two bytes for each of them where they are dense, as counters are, and
// less where they are very dense. Numbers of the same upper bits stand together: as a sorted list of lower bits, or as
// a bitmap when that is smaller (Chambi, Lemire, Kaser and Godin, "Better bitmap performance with Roaring bitmaps",
// Softw. Pract. Exper. 46(5), 2016). The zero value is empty.
type valueSet struct {
	chunks map[int64]*valueChunk
	latest int64 // the chunk that was used last, and its number: most values are close to the one before
	chunk  *valueChunk
}

const (
	chunkBits  = 16
	listedMax  = 1 << chunkBits / 16 // as a list, a chunk of so many takes as much as a bitmap
	chunkWords = 1 << chunkBits / bits.UintSize
)

type valueChunk struct {
	list   []uint16 // sorted; nil when there is a bitmap
	bitmap *[chunkWords]uint
}

// add adds v and reports whether it was not there before.
func (s *valueSet) add(v int64) bool {
	upper, lower := v>>chunkBits, uint16(v&(1<<chunkBits-1)) //nolint:gosec // the mask says that it fits
	if s.chunk == nil || s.latest != upper {
		if s.chunks == nil {
			s.chunks = make(map[int64]*valueChunk)
		}
		if s.chunks[upper] == nil {
			s.chunks[upper] = new(valueChunk)
		}
		s.chunk, s.latest = s.chunks[upper], upper
	}
	return s.chunk.add(lower)
}

func (c *valueChunk) add(v uint16) bool {
	if c.bitmap != nil {
		word, bit := &c.bitmap[v/bits.UintSize], uint(1)<<(v%bits.UintSize)
		if *word&bit != 0 {
			return false
		}
		*word |= bit
		return true
	}
	at, there := len(c.list), false
	if at > 0 && c.list[at-1] >= v { // else it is the greatest, as counters have it
		at, there = slices.BinarySearch(c.list, v)
	}
	if there {
		return false
	}
	if len(c.list) < listedMax {
		if len(c.list) == cap(c.list) { // there are very many of these lists, and what they could grow to adds up
			c.list = append(make([]uint16, 0, len(c.list)+4+len(c.list)/8), c.list...)
		}
		c.list = slices.Insert(c.list, at, v)
		return true
	}
	c.bitmap = new([chunkWords]uint)
	for _, known := range c.list {
		c.bitmap[known/bits.UintSize] |= 1 << (known % bits.UintSize)
	}
	c.list = nil
	return c.add(v)
}

// Values remembers which values were written to which key, in little memory. The zero value is empty.
type Values struct{ byKey map[string]*valueSet }

// Add takes note that a value was written to a key, and reports whether that was the first time.
func (v *Values) Add(key string, value int64) bool {
	set := v.byKey[key]
	if set == nil {
		if v.byKey == nil {
			v.byKey = make(map[string]*valueSet)
		}
		set = new(valueSet)
		v.byKey[key] = set
	}
	return set.add(value)
}
