package foreign

import (
	"errors"
	"fmt"

	"elenchus/results/history"
)

// errTransaction rejects transactions that are not an operation on one list.
var errTransaction = errors.New("the only transactions that are supported are [[:append k v]], " +
	"[[:append k v] [:r k nil]] and [[:r k nil]]")

// transaction converts a transaction on lists, as checked by Elle.
func (t *translator) transaction(l *line, op operation) error {
	steps, ok := op.value.(vector)
	if !ok && l.typ != history.Invoke {
		if open := t.outstanding(l.process); open != nil {
			l.op = open.Op // completions may leave the value out
			if l.typ != history.OK {
				return nil
			}
		}
	}
	if !ok || len(steps) == 0 || len(steps) > 2 {
		return errTransaction
	}
	f, key, value, err := step(steps[0])
	if err != nil {
		return err
	}
	l.op.Key = show(key)
	switch f {
	case "r":
		if len(steps) > 1 {
			return errTransaction
		}
		l.op.Func = history.Read
	case "append":
		l.op.Func = history.Append
		if l.op.Value, ok = t.number(value); !ok {
			return errors.New("nil cannot be appended")
		}
		if len(steps) == 1 {
			if l.typ == history.OK { // no read: the append took effect, but its list is unknown
				return errors.New("an append that does not read the list afterwards is not supported")
			}
			return nil
		}
		var again any
		if f, again, value, err = step(steps[1]); err != nil || f != "r" || show(again) != l.op.Key {
			return errTransaction
		}
	default:
		return errTransaction
	}
	if l.typ == history.OK {
		return t.list(l, value)
	}
	return nil
}

// list returns what an ok transaction has read.
func (t *translator) list(l *line, value any) error {
	items, ok := value.(vector)
	if !ok && value != nil {
		return fmt.Errorf("a list was read as %s", show(value))
	}
	for _, item := range items {
		id, present := t.number(item)
		if !present {
			return errors.New("a list with nil in it was read")
		}
		l.values = append(l.values, id)
	}
	return nil
}

// step splits a step of a transaction, [:append k v].
func step(v any) (f keyword, key, value any, err error) {
	items, ok := v.(vector)
	if !ok || len(items) != 3 {
		return "", nil, nil, errTransaction
	}
	f, ok = items[0].(keyword)
	if !ok {
		return "", nil, nil, errTransaction
	}
	return f, items[1], items[2], nil
}
