package foreign

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"elenchus/results/history"
)

// The formats that [Read] reads.
const (
	FormatJSONL     = "jsonl" // the project's own history.jsonl
	FormatJepsen    = "jepsen"
	FormatPorcupine = "porcupine"
)

// Formats lists them all.
var Formats = []string{FormatJSONL, FormatJepsen, FormatPorcupine}

// Seems says which format a file has that begins like in, of which it takes nothing. Name is for errors.
func Seems(in *bufio.Reader, name string) (format string, err error) {
	head, err := in.Peek(min(headBytes, in.Size()))
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return "", fmt.Errorf("read %s: %w", name, err)
	case len(head) == 0:
		return "", fmt.Errorf("%s: there is no history in the file: it is empty", name)
	}
	return guess(string(head)), nil
}

// headBytes is how much of a file says which format it has.
const headBytes = 4 << 10

// Read reads a history of the given format, or of the one that it seems to have if that is empty, which it returns. The
// file is held in memory, and so is the history: who need not have all of it takes [Scan].
func Read(r io.Reader, name, format string, o Options) (History, string, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return History{}, "", fmt.Errorf("read %s: %w", name, err)
	}
	if format == "" {
		if format, err = Seems(bufio.NewReader(bytes.NewReader(data)), name); err != nil {
			return History{}, "", err
		}
	}
	for {
		var events []history.Event
		h, err := Scan(bytes.NewReader(data), name, format, o, func(e *history.Event) error {
			events = append(events, *e)
			return nil
		})
		if errors.Is(err, ErrMixed) {
			o.Keys = KeysNone
			continue
		}
		if err != nil {
			return History{}, format, err
		}
		h.Events = events
		return h, format, nil
	}
}

// Scan reads a history of a format and shows its events to each, which must not keep them. What it returns has no
// events. Errors begin with name and line.
func Scan(r io.Reader, name, format string, o Options, each func(*history.Event) error) (History, error) {
	switch format {
	case FormatJSONL:
		return scanOwn(r, name, each)
	case FormatJepsen:
		return scanJepsen(r, name, o, each)
	case FormatPorcupine:
		return scanPorcupine(r, name, each)
	}
	return History{}, fmt.Errorf("unknown format %q: there are %s", format, strings.Join(Formats, ", "))
}

// guess says which format a file has that begins so.
func guess(head string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(head), "\n")
	switch {
	case strings.HasPrefix(first, `{"`):
		return FormatJSONL
	case strings.HasPrefix(first, "INFO"), strings.HasPrefix(first, "{") && strings.Contains(first, ":key "):
		return FormatPorcupine
	}
	return FormatJepsen
}

// scanOwn reads a history of the project's own. It must be whole.
func scanOwn(r io.Reader, name string, each func(*history.Event) error) (History, error) {
	complete, _, err := history.Scan(r, name, each)
	if err == nil && !complete {
		err = fmt.Errorf("%s has no end line: whatever wrote it was stopped before it could", name)
	}
	return History{}, err
}
