package foreign

import (
	"bufio"
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

// Read reads a history of the given format, or of the one that it seems to have if that is empty, which it returns.
func Read(r io.Reader, name, format string, o Options) (History, string, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	if format == "" {
		var err error
		if format, err = Seems(in, name); err != nil {
			return History{}, "", err
		}
	}
	var h History
	var err error
	switch format {
	case FormatJSONL:
		h, err = readOwn(in, name)
	case FormatJepsen:
		h, err = ReadJepsen(in, name, o)
	case FormatPorcupine:
		h, err = ReadPorcupine(in, name)
	default:
		err = fmt.Errorf("unknown format %q: there are %s", format, strings.Join(Formats, ", "))
	}
	return h, format, err
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

// readOwn reads a history of the project's own. It must be whole.
func readOwn(r io.Reader, name string) (History, error) {
	log, err := history.ReadFrom(r, name)
	if err != nil {
		return History{}, err
	}
	if !log.Complete {
		return History{}, fmt.Errorf("%s has no end line: whatever wrote it was stopped before it could", name)
	}
	return History{Events: log.Events}, nil
}
