package multipaxos

// slab allocates small items in pieces of slabItems. The allocations per request and slot are small and live about as
// long as their neighbours, so one allocation serves many of them. Nothing is returned to the slab: a piece becomes
// garbage once none of its items is in use.
type slab[T any] struct {
	room []T // the unused rest of the current piece
}

// slabItems is the number of items in a piece.
const slabItems = 16

// open returns an empty list to append to. The list must be closed before another is opened.
func (s *slab[T]) open() []T {
	if len(s.room) == 0 {
		s.room = make([]T, slabItems)
	}
	return s.room[:0]
}

// close makes the memory of an open list permanent and returns the list. A list that outgrew the piece has its own
// memory.
func (s *slab[T]) close(list []T) []T {
	if len(list) <= len(s.room) {
		s.room = s.room[len(list):]
	}
	return list[:len(list):len(list)]
}

// put stores one item and returns its address.
func (s *slab[T]) put(item T) *T { return &s.close(append(s.open(), item))[0] }
