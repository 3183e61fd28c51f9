package multipaxos

// slab gives out memory from pieces that have room for many. What a machine allocates for every request and slot is
// small and lives about as long as its neighbours, so one allocation can serve for all of them. Nothing is ever given
// back: a piece is garbage when nothing in it is in use any more.
type slab[T any] struct {
	room []T // what is left of the present piece
}

// slabItems is how many items a piece has room for.
const slabItems = 16

// open returns an empty list with room behind it, to be appended to and closed before another is opened.
func (s *slab[T]) open() []T {
	if len(s.room) == 0 {
		s.room = make([]T, slabItems)
	}
	return s.room[:0]
}

// close gives a list its memory for good. One that has outgrown the room has got memory of its own.
func (s *slab[T]) close(list []T) []T {
	if len(list) <= len(s.room) {
		s.room = s.room[len(list):]
	}
	return list[:len(list):len(list)]
}

// put keeps one item.
func (s *slab[T]) put(item T) *T { return &s.close(append(s.open(), item))[0] }
