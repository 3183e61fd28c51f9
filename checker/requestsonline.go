package checker

import (
	"fmt"
	"slices"

	"elenchus/results/history"
)

// onlineRequest is a request that may be sent several times, while it goes on. To the monitors of its key it is one
// operation, as [history.Once] makes it: it begins with the first attempt, and ends with the first answer, or when all
// attempts so far have failed. Then it begins anew with the next.
type onlineRequest struct {
	call     onlineCall
	open     int  // attempts without an outcome
	perhaps  bool // an attempt of unknown outcome may have taken effect
	answered bool
	length   int // of the list that was the first answer, which begins the longest answer so far
}

// attempt takes the next event of an attempt at a request on a key. It is exact, but where an attempt fails while later
// ones are under way: until then the request may have been executed since its first attempt, and that is not taken
// back.
func (o *Online) attempt(k *onlineKey, e *history.Event) {
	if o.requests == nil {
		o.requests = make(map[history.Request]*onlineRequest)
	}
	r := o.requests[e.Op.Request]
	if r == nil {
		r = new(onlineRequest)
		o.requests[e.Op.Request] = r
	}
	under := r.open > 0 || r.perhaps || r.answered
	if e.Type == history.Invoke {
		if r.open++; !under {
			r.call = k.invoke(e)
		}
		return
	}
	r.open--
	switch {
	case e.Type == history.Unknown:
		r.perhaps = true
	case e.Type == history.OK && r.answered:
		r.compare(k, e)
	case e.Type == history.OK:
		r.answered, r.length = true, len(e.Result.Values)
		k.complete(r.call, e)
	case r.open == 0 && !r.perhaps && !r.answered:
		k.complete(r.call, e)
	}
}

// compare compares a further answer to a request with the first one. Requests to registers are left to the end.
func (r *onlineRequest) compare(k *onlineKey, e *history.Event) {
	if k.list.abstained || k.list.violated {
		return
	}
	seen := e.Result.Values
	same := len(seen) == r.length && r.length <= len(k.list.longest) && slices.Equal(seen, k.list.longest[:r.length])
	if !same {
		k.list.violated = true
		k.list.reason = fmt.Sprintf("request %v was answered otherwise before", e.Op.Request)
	}
}
