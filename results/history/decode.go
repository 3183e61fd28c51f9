package history

import "time"

// decoder decodes event lines as this package writes them, thirty times as fast as encoding/json. It accepts only
// the exact encoding, field for field in the same order, without escapes; anything else it declines, and
// encoding/json decides. So it needs no errors of its own, and cannot disagree.
//
// Equal strings of different lines share memory, and so do small slices, which must never be appended to in place.
type decoder struct {
	line []byte
	at   int

	strings [256]string // recently seen strings, by hash
	numbers []int64     // free space for numbers that events point to
}

// decode decodes a line into e. For the End line, count is the number of events before it. It returns false if the
// line is unusual; e is undefined then.
func (d *decoder) decode(line []byte, e *Event, count *int64) bool {
	d.line, d.at = line, 0
	*e, *count = Event{}, -1
	var seq, t int64
	if !d.literal(`{"seq":`) || !d.int(&seq) || !d.literal(`,"t":`) || !d.int(&t) || !d.literal(`,"type":"`) ||
		!pick(d, &e.Type, types[:]) {
		return false
	}
	e.Seq, e.Time = seq, time.Duration(t)
	if e.Type == End {
		return d.literal(`,"count":`) && d.int(count) && d.end()
	}
	var process int64
	if !d.literal(`,"process":`) || !d.int(&process) || int64(int(process)) != process ||
		!d.literal(`,"node":"`) || !d.text(&e.Node) || !d.literal(`,"phase":"`) || !pick(d, &e.Phase, Phases) ||
		!d.literal(`,"f":"`) || !pick(d, &e.Op.Func, Funcs) || !d.literal(`,"key":"`) || !d.text(&e.Op.Key) {
		return false
	}
	e.Process = int(process)
	return d.numbersOf(e) && d.stringsOf(e) && d.end()
}

// types lists the types of lines, most frequent first.
var types = [...]Type{OK, Invoke, Fail, Unknown, End}

// numbersOf decodes the optional number fields.
func (d *decoder) numbersOf(e *Event) bool {
	if d.literal(`,"value":`) && !d.int(&e.Op.Value) {
		return false
	}
	if d.literal(`,"expect":`) {
		place := d.room(1)[:1]
		if e.Op.Expect = &place[0]; !d.int(e.Op.Expect) {
			return false
		}
	}
	if d.literal(`,"request":"`) && !d.request(&e.Op.Request) {
		return false
	}
	if d.literal(`,"matched":`) {
		e.Result.Matched = d.literal(`true`)
		if !e.Result.Matched && !d.literal(`false`) {
			return false
		}
	}
	if !d.literal(`,"values":[`) {
		return true
	}
	values := d.room(1)
	for {
		var v int64
		if !d.int(&v) {
			return false
		}
		values = append(values, v) // beyond the capacity of room, append copies
		if d.literal(`]`) {
			e.Result.Values = values
			return true
		}
		if !d.literal(`,`) {
			return false
		}
	}
}

// request decodes a request and its closing quote.
func (d *decoder) request(r *Request) bool {
	var client, seq int64
	if d.literal(`-`) || !d.int(&client) || !d.literal(`:`) || d.literal(`-`) || !d.int(&seq) || !d.literal(`"`) {
		return false
	}
	*r = Request{uint64(client), uint64(seq)}
	return true
}

// stringsOf decodes the optional fields after the numbers.
func (d *decoder) stringsOf(e *Event) bool {
	if d.literal(`,"reason":"`) && !d.text(&e.Reason) {
		return false
	}
	if d.literal(`,"slot":`) {
		var slot int64
		if !d.int(&slot) || slot < 0 {
			return false
		}
		e.By.Slot = uint64(slot)
	}
	if d.literal(`,"ballot":"`) && !d.text(&e.By.Ballot) {
		return false
	}
	return !d.literal(`,"leader":"`) || d.text(&e.By.Leader)
}

// end reports whether only the checksum is left, which [verifyLine] has checked.
func (d *decoder) end() bool {
	return d.literal(crcPrefix) && len(d.line)-d.at == 8+len(crcSuffix)
}

// literal consumes text if it comes next, and reports whether it did.
func (d *decoder) literal(text string) bool {
	end := d.at + len(text)
	if end > len(d.line) || string(d.line[d.at:end]) != text {
		return false
	}
	d.at = end
	return true
}

// int decodes a number of at most eighteen digits, which cannot overflow.
func (d *decoder) int(n *int64) bool {
	const digitsMax = 18
	i, line := d.at, d.line
	negative := i < len(line) && line[i] == '-'
	if negative {
		i++
	}
	first, v := i, int64(0)
	for ; i < len(line) && '0' <= line[i] && line[i] <= '9'; i++ {
		if i-first == digitsMax {
			return false
		}
		v = 10*v + int64(line[i]-'0')
	}
	if i == first || line[first] == '0' && i > first+1 {
		return false
	}
	if negative {
		v = -v
	}
	*n, d.at = v, i
	return true
}

// word consumes input through the closing quote and returns the text before it. It fails for anything but plain
// ASCII.
func (d *decoder) word() ([]byte, bool) {
	for i := d.at; i < len(d.line); i++ {
		switch c := d.line[i]; {
		case c == '"':
			w := d.line[d.at:i]
			d.at = i + 1
			return w, true
		case c < ' ', c > '~', c == '\\':
			return nil, false
		}
	}
	return nil, false
}

// text reads a string.
func (d *decoder) text(s *string) bool {
	w, ok := d.word()
	if !ok || len(w) == 0 { // empty strings are omitted
		return false
	}
	const prime = 16777619
	h := uint32(len(w))
	h = (h*prime ^ uint32(w[0])) * prime
	h = (h ^ uint32(w[len(w)-1])) * prime
	h = (h ^ uint32(w[len(w)/2])) * prime
	place := &d.strings[h>>24]
	if *place != string(w) {
		*place = string(w)
	}
	*s = *place
	return true
}

// pick decodes a string that is one of among.
func pick[T ~string](d *decoder, s *T, among []T) bool {
	w, ok := d.word()
	if !ok {
		return false
	}
	for _, a := range among {
		if string(a) == string(w) {
			*s = a
			return true
		}
	}
	return false
}

// room returns an empty slice with capacity exactly n.
func (d *decoder) room(n int) []int64 {
	const chunk = 128 // one number that somebody keeps keeps them all
	if cap(d.numbers)-len(d.numbers) < n {
		d.numbers = make([]int64, 0, chunk)
	}
	at := len(d.numbers)
	d.numbers = d.numbers[:at+n]
	return d.numbers[at : at : at+n]
}
