package nemesis

import (
	"fmt"
	"strings"
)

// SyntaxError is one error in a schedule file.
type SyntaxError struct {
	File   string // as given to Parse
	Line   int    // from 1
	Column int    // in characters, from 1
	Msg    string
	Text   string // the line
}

// Error returns the position and the message, followed by the line with a caret under the position.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s\n\t%s\n\t%s^", e.File, e.Line, e.Column, e.Msg, e.Text, indent(e.Text, e.Column))
}

// indent returns white space as wide as the first column-1 characters of text: tabs stay tabs, whatever their
// width.
func indent(text string, column int) string {
	var b strings.Builder
	at := 1
	for _, r := range text {
		if at >= column {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
		at++
	}
	for ; at < column; at++ {
		b.WriteByte(' ')
	}
	return b.String()
}

// SyntaxErrors lists all errors in a file, in order of position.
type SyntaxErrors []*SyntaxError

// Error joins the messages of all errors.
func (e SyntaxErrors) Error() string {
	texts := make([]string, len(e))
	for i, one := range e {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap lets errors.As find the individual errors.
func (e SyntaxErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, one := range e {
		errs[i] = one
	}
	return errs
}

// token is a word or a sign in a line.
type token struct {
	text   string
	column int // in characters, from 1
}

// tokenize splits a line into words and the signs , | : and ->, which need no space around them. A number sign
// begins a comment. A colon is a sign only at the end of a word: "f3:".
func tokenize(line string) []token {
	var tokens []token
	runes := []rune(line)
	word := -1
	flush := func(end int) {
		if word >= 0 {
			tokens = append(tokens, token{string(runes[word:end]), word + 1})
			word = -1
		}
	}
	i := 0
	for ; i < len(runes) && runes[i] != '#'; i++ {
		switch r := runes[i]; {
		case r == ' ' || r == '\t' || r == '\r':
			flush(i)
		case r == ',' || r == '|' || r == ':':
			flush(i)
			tokens = append(tokens, token{string(r), i + 1})
		case r == '-' && i+1 < len(runes) && runes[i+1] == '>':
			flush(i)
			tokens = append(tokens, token{"->", i + 1})
			i++
		case word < 0:
			word = i
		}
	}
	flush(i)
	return tokens
}

func isSign(text string) bool { return text == "," || text == "|" || text == ":" || text == "->" }

// line is a line being parsed: its tokens, and how many have been consumed.
type line struct {
	number int
	text   string
	tokens []token
	next   int
}

// peek returns the text of the next token, or "" at the end of the line.
func (l *line) peek() string {
	if l.next < len(l.tokens) {
		return l.tokens[l.next].text
	}
	return ""
}

// place returns the column of the next token, or the one after the last.
func (l *line) place() int {
	if l.next < len(l.tokens) {
		return l.tokens[l.next].column
	}
	if len(l.tokens) == 0 {
		return 1
	}
	last := l.tokens[len(l.tokens)-1]
	return last.column + len([]rune(last.text))
}

// take consumes the next token if it is the given one.
func (l *line) take(text string) bool {
	if l.peek() != text || l.next >= len(l.tokens) {
		return false
	}
	l.next++
	return true
}

// found describes the next token for a message.
func (l *line) found() string {
	if l.next >= len(l.tokens) {
		return "the line ends"
	}
	return fmt.Sprintf("found %q", l.peek())
}
