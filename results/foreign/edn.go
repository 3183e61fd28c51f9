package foreign

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// Limits on the input: far above any history, they bound the memory and stack that a damaged file can take.
const (
	depthMax = 64
	atomMax  = 1 << 20 // bytes of one string, number or name
	itemsMax = 1 << 22 // in one vector or map
)

// EDN values (github.com/edn-format/edn) are represented as nil, bool, int64, float64, string, and these.
type (
	keyword string // without the colon
	symbol  string
	vector  []any // vectors, lists and sets
	entry   struct{ key, value any }
	ednMap  []entry
	tagged  struct {
		tag   string
		value any
	}
)

// get returns the value of a keyword in the map, and whether it is present.
func (m ednMap) get(k keyword) (any, bool) {
	for _, e := range m {
		if e.key == k {
			return e.value, true
		}
	}
	return nil, false
}

// ednReader reads EDN values one after another.
type ednReader struct {
	in   *bufio.Reader
	name string
	line int // current line, from 1
}

func newEDNReader(r io.Reader, name string) *ednReader {
	return &ednReader{in: bufio.NewReaderSize(r, 1<<16), name: name, line: 1}
}

// errorf returns an error with the current position.
func (d *ednReader) errorf(format string, args ...any) error {
	return fmt.Errorf("%s:%d: "+format, append([]any{d.name, d.line}, args...)...)
}

// errClose is returned by value for a closing bracket.
var errClose = errors.New("closing bracket")

func (d *ednReader) next() (rune, error) {
	r, _, err := d.in.ReadRune()
	if r == '\n' && err == nil {
		d.line++
	}
	return r, err
}

func (d *ednReader) back(r rune) {
	if r == '\n' {
		d.line--
	}
	_ = d.in.UnreadRune() // cannot fail after ReadRune
}

// skip consumes white space and comments and returns the character after them.
func (d *ednReader) skip() (rune, error) {
	for {
		r, err := d.next()
		switch {
		case err != nil:
			return 0, err
		case r == ';':
			for r != '\n' && err == nil {
				r, err = d.next()
			}
		case r != ',' && !unicode.IsSpace(r):
			return r, nil
		}
	}
}

// value reads a value at the given depth of brackets. The error is io.EOF at the end of the input, and errClose at
// a closing bracket, with the bracket as the value.
func (d *ednReader) value(depth int) (any, error) {
	if depth > depthMax {
		return nil, d.errorf("brackets are nested more than %d deep", depthMax)
	}
	r, err := d.skip()
	if err != nil {
		return nil, err
	}
	switch r {
	case '(', '[':
		return d.sequence(r, depth)
	case '{':
		items, err := d.sequence(r, depth)
		if err != nil {
			return nil, err
		}
		return d.pairs(items)
	case ')', ']', '}':
		return r, errClose
	case '"':
		return d.text()
	case '#':
		return d.dispatch(depth)
	case '\\':
		return d.character()
	}
	d.back(r)
	return d.atom()
}

var closing = map[rune]rune{'(': ')', '[': ']', '{': '}'}

// sequence reads values up to the bracket that closes open.
func (d *ednReader) sequence(open rune, depth int) (vector, error) {
	begin, items := d.line, vector{}
	for {
		v, err := d.value(depth + 1)
		switch {
		case errors.Is(err, errClose) && v == closing[open]:
			return items, nil
		case errors.Is(err, errClose):
			return nil, d.errorf("%q closes the %q of line %d", v, open, begin)
		case errors.Is(err, io.EOF):
			return nil, d.errorf("the file ends inside the %q of line %d", open, begin)
		case err != nil:
			return nil, err
		case len(items) == itemsMax:
			return nil, d.errorf("more than %d values in the %q of line %d", itemsMax, open, begin)
		}
		items = append(items, v)
	}
}

func (d *ednReader) pairs(items vector) (ednMap, error) {
	if len(items)%2 != 0 {
		return nil, d.errorf("a map has a key without a value")
	}
	m := make(ednMap, 0, len(items)/2)
	for i := 0; i < len(items); i += 2 {
		m = append(m, entry{items[i], items[i+1]})
	}
	return m, nil
}

// inner reads a value that must be present.
func (d *ednReader) inner(depth int) (any, error) {
	v, err := d.value(depth + 1)
	if errors.Is(err, io.EOF) || errors.Is(err, errClose) {
		return nil, d.errorf("a value is missing")
	}
	return v, err
}

// dispatch reads what follows a number sign: a set, a discarded value, or a tag and its value.
func (d *ednReader) dispatch(depth int) (any, error) {
	r, err := d.next()
	switch {
	case err != nil:
		return nil, d.errorf("the file ends after #")
	case r == '{':
		return d.sequence(r, depth)
	case r == '_':
		if _, err := d.inner(depth); err != nil {
			return nil, err
		}
		return d.value(depth + 1) // count these as depth too, so that a chain of them is bounded
	}
	d.back(r)
	name, err := d.inner(depth)
	if err != nil {
		return nil, err
	}
	tag, ok := name.(symbol)
	if !ok {
		return nil, d.errorf("#%v is no tag", name)
	}
	v, err := d.inner(depth)
	return tagged{string(tag), v}, err
}

var escapes = map[rune]rune{'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 'f': '\f', '\\': '\\', '"': '"'}

func (d *ednReader) text() (string, error) {
	var b strings.Builder
	begin := d.line
	for b.Len() <= atomMax {
		r, err := d.next()
		if err != nil {
			return "", d.errorf("the file ends inside the string of line %d", begin)
		}
		if r == '"' {
			return b.String(), nil
		}
		if r == '\\' {
			if r, err = d.escape(); err != nil {
				return "", err
			}
		}
		b.WriteRune(r)
	}
	return "", d.errorf("the string of line %d is longer than %d bytes", begin, atomMax)
}

func (d *ednReader) escape() (rune, error) {
	r, err := d.next()
	if err != nil {
		return 0, d.errorf("the file ends after \\")
	}
	if r != 'u' {
		c, ok := escapes[r]
		if !ok {
			return 0, d.errorf("\\%c means nothing in a string", r)
		}
		return c, nil
	}
	var digits [4]byte
	if _, err := io.ReadFull(d.in, digits[:]); err != nil {
		return 0, d.errorf("the file ends inside a \\u")
	}
	code, err := strconv.ParseUint(string(digits[:]), 16, 16)
	if err != nil {
		return 0, d.errorf("\\u%q is no character", digits[:])
	}
	return rune(code), nil
}

// character reads a literal such as \a or \newline, and returns its name, which is enough for histories.
func (d *ednReader) character() (any, error) {
	first, err := d.next()
	if err != nil {
		return nil, d.errorf("the file ends after \\")
	}
	rest, err := d.word()
	return string(first) + rest, err
}

// word reads up to the next character that cannot be part of a number or a name.
func (d *ednReader) word() (string, error) {
	var b strings.Builder
	for b.Len() <= atomMax {
		r, err := d.next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		if unicode.IsSpace(r) || strings.ContainsRune(`,;"()[]{}\`, r) {
			d.back(r)
			return b.String(), nil
		}
		b.WriteRune(r)
	}
	return "", d.errorf("a word is longer than %d bytes", atomMax)
}

// atom reads a number, a keyword, a symbol, nil, true or false.
func (d *ednReader) atom() (any, error) {
	w, err := d.word()
	if err != nil {
		return nil, err
	}
	switch {
	case w == "nil":
		return nil, nil
	case w == "true" || w == "false":
		return w == "true", nil
	case len(w) > 1 && w[0] == ':':
		return keyword(w[1:]), nil
	}
	digits := strings.TrimLeft(w, "+-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' {
		return symbol(w), nil
	}
	if n, err := strconv.ParseInt(strings.TrimSuffix(w, "N"), 10, 64); err == nil {
		return n, nil
	}
	if x, err := strconv.ParseFloat(strings.TrimSuffix(w, "M"), 64); err == nil {
		return x, nil
	}
	return nil, d.errorf("%q is no number that can be read here", w)
}
