package register

import (
	"cmp"
	"slices"
)

// Order appends a linearization to dst: the operations by number, in an order in which one register could have
// performed them. Updates of unknown outcome that are missing in it never took effect, as far as anybody saw. It
// returns nil unless the last decision was Valid. [Verify] replays it.
func (c *Checker) Order(dst []int32) []int32 {
	if c.decision != Valid {
		return nil
	}
	reads, ends := c.readsBySegment()
	dst = slices.Grow(dst, len(c.ops))
	dst = c.appendBlock(dst, &c.blocks[initial], reads, ends)
	for _, k := range c.order {
		dst = c.appendBlock(dst, &c.blocks[k.id], reads, ends)
	}
	return dst
}

func (c *Checker) appendBlock(dst []int32, b *block, reads, ends []int32) []int32 {
	for v := b.root; ; {
		s := &c.segs[v]
		if s.writer != none {
			dst = append(dst, s.writer)
		}
		begin := int32(0)
		if v > 0 {
			begin = ends[v-1]
		}
		dst = append(dst, reads[begin:ends[v]]...)
		if v = s.next; v == 0 {
			return dst
		}
	}
}

// readsBySegment sorts the reads by the segment that they saw, those of one segment by call. ends[v] is where those of
// segment v end, and those of v+1 begin.
func (c *Checker) readsBySegment() (reads, ends []int32) {
	c.counts = grown(c.counts, len(c.segs)+len(c.ops))[:len(c.segs)+len(c.ops)]
	ends, reads = c.counts[:len(c.segs)], c.counts[len(c.segs):]
	clear(ends)
	total, inOrder := int32(0), true
	for i := range c.ops {
		if c.ops[i].Kind == Read {
			ends[c.sees[i]]++
			total++
		}
		inOrder = inOrder && (i == 0 || c.ops[i-1].Call <= c.ops[i].Call)
	}
	at := int32(0)
	for v, n := range ends {
		ends[v] = at
		at += n
	}
	for i := range c.ops {
		if c.ops[i].Kind == Read {
			end := &ends[c.sees[i]]
			reads[*end] = int32(i)
			*end++
		}
	}
	reads = reads[:total]
	if !inOrder {
		begin := int32(0)
		for _, end := range ends {
			slices.SortFunc(reads[begin:end], func(x, y int32) int {
				return cmp.Compare(c.ops[x].Call, c.ops[y].Call)
			})
			begin = end
		}
	}
	return reads, ends
}
