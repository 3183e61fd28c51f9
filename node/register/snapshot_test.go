package register

import (
	"bytes"
	"fmt"
	"testing"
)

// TestSnapshotOfManyAnswers checks answers to two lists that lived under one key, the second starting like the first
// and then diverging: they are told apart whatever memory they share.
func TestSnapshotOfManyAnswers(t *testing.T) {
	var original Store
	var asked []Command
	apply := func(op Op, value string) {
		c := Command{Client: ClientID(len(asked) + 1), Seq: 1, Op: op, Key: "list", Value: value}
		asked = append(asked, c)
		original.Apply(c)
	}
	grow := func(life string) {
		apply(OpWrite, "first")
		for i := range 40 {
			if i == 25 {
				life += ", another way"
			}
			apply(OpAppend, fmt.Sprint(i, life))
			apply(OpCAS, "never") // a mismatch, whose answer is the list as well
		}
	}
	grow("")
	grow("")
	grow(", from the beginning")
	original.Apply(Command{Client: 1, Seq: 2, Op: OpRead, Key: "list"})

	data := original.Snapshot()
	var restored Store
	if err := restored.Restore(data); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(restored.Snapshot(), data) || restored.Hash() != original.Hash() {
		t.Error("what was restored has another snapshot")
	}
	for _, c := range asked {
		if was, is := original.Apply(c), restored.Apply(c); !equalResults(was, is) {
			t.Errorf("%v %s of client %d was answered with %v, and now with %v", c.Op, c.Value, c.Client, was, is)
		}
	}
	for _, s := range []*Store{&original, &restored} { // a later command must leave them equal
		s.Apply(Command{Client: 1000, Seq: 1, Op: OpAppend, Key: "list", Value: "later"})
	}
	if !bytes.Equal(original.Snapshot(), restored.Snapshot()) {
		t.Error("snapshots differ after one more append")
	}
}
