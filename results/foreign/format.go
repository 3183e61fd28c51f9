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

// Seems guesses the format of a file from its beginning, without consuming any of it. Name is for errors.
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

// headBytes is how much of a file is used to guess its format.
const headBytes = 4 << 10

// Read reads a history in the given format, or if that is empty in the format that it seems to have, and returns
// the format. File and history are held in memory; to process events one by one, use [Scan].
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

// Scan reads a history in the given format and calls each for its events, which each must not keep. The returned
// History has no events. Errors begin with name and line.
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

// guess guesses the format of a file that begins with head.
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

// scanOwn reads a history of the project's own, which must be complete.
func scanOwn(r io.Reader, name string, each func(*history.Event) error) (History, error) {
	complete, _, err := history.Scan(r, name, each)
	if err == nil && !complete {
		err = fmt.Errorf("%s has no end line: whatever wrote it was stopped before it could", name)
	}
	return History{}, err
}
