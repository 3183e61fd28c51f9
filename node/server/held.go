package server

import "elenchus/node/protocol"

// held are things that wait for a write to become durable, in the order in which they were held.
type held[T any] struct {
	items []heldItem[T]
}

type heldItem[T any] struct {
	after protocol.WriteSeq
	thing T
}

func (h *held[T]) add(after protocol.WriteSeq, thing T) {
	h.items = append(h.items, heldItem[T]{after, thing})
}

// release hands out what waits for nothing above durable. Usually that is a prefix; a machine may also let something
// newer depend on something older.
func (h *held[T]) release(durable protocol.WriteSeq, out func(T)) {
	kept := h.items[:0]
	for _, item := range h.items {
		if item.after <= durable {
			out(item.thing)
		} else {
			kept = append(kept, item)
		}
	}
	clear(h.items[len(kept):])
	h.items = kept
}
