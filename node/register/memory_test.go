package register

import (
	"fmt"
	"testing"
)

// The answers that a store remembers are bounded by its sessions: a list that was replaced is kept only as long as some
// client's latest answer shows it.
func TestAnswersToReplacedListsAreFreed(t *testing.T) {
	s, err := New(Options{SessionsMax: 10})
	if err != nil {
		t.Fatal(err)
	}
	kept := func() (elements int) {
		for _, known := range s.sessions {
			elements += len(known.result.Values)
		}
		return elements
	}
	seq := uint64(0)
	apply := func(client ClientID, op Op, value string) {
		seq++
		if r := s.Apply(Command{Client: client, Seq: seq, Op: op, Key: "list", Value: value}); r.Code != CodeOK {
			t.Fatalf("%v of %s by %d: %v", op, value, client, r.Code)
		}
	}
	for round := range 50 {
		apply(10, OpWrite, "first")
		for i := range 9 {
			apply(ClientID(i+1), OpAppend, fmt.Sprint(round, i))
		}
		if most := 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10; kept() > most {
			t.Fatalf("after %d rounds %d elements of answers are remembered, at most %d were wanted", round+1, kept(), most)
		}
	}
	for client := range ClientID(10) {
		apply(client+1, OpWrite, "last")
	}
	if kept() != 0 {
		t.Errorf("all clients have gone on, and %d elements of old answers are remembered", kept())
	}
}
