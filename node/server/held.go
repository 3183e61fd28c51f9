package server

import "elenchus/node/protocol"

// held is a list of items waiting for a write to become durable, in the order in which they were added.
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

// release passes every item that waits for no write above durable to out. These are usually a prefix, but a machine may
// also let a newer item depend on an older write.
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
