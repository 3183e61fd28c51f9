package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
)

// LineBytesMax bounds a line of any checksummed file, newline included: enough for a list of a hundred thousand
// elements, and a limit on what a damaged file can make a reader allocate.
const LineBytesMax = 4 << 20

// The end of every line is `,"crc":"xxxxxxxx"}`: the CRC32C of all bytes of the line before that comma, as eight
// lower-case hexadecimal digits, and a part of the JSON object, so that any JSON tool can read the file.
const (
	crcPrefix  = `,"crc":"`
	crcSuffix  = `"}`
	crcTrailer = len(crcPrefix) + 8 + len(crcSuffix)
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Errors wrapped by ParseLine.
var (
	ErrChecksum    = errors.New("checksum does not match")
	ErrLineTooLong = fmt.Errorf("line longer than %d bytes", LineBytesMax)
)

// Damage is a damaged or invalid line. The lines before it are intact; those after it were not checked.
type Damage struct {
	File string
	Line int // from 1
	Err  error
}

// Error formats the damage as "history.jsonl:812: checksum does not match in …".
func (d *Damage) Error() string { return fmt.Sprintf("%s:%d: %v", d.File, d.Line, d.Err) }

// Unwrap returns what is wrong with the line.
func (d *Damage) Unwrap() error { return d.Err }

// AppendLine appends v, which must encode to a JSON object with at least one field, to buf as one checksummed line
// with a newline. On error buf is returned unchanged.
func AppendLine(buf []byte, v any) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // for readability; reports escape it themselves
	if err := enc.Encode(v); err != nil {
		return buf, fmt.Errorf("encode line: %w", err)
	}
	b := bytes.TrimSuffix(body.Bytes(), []byte("\n"))
	if len(b) <= len("{}") || b[0] != '{' {
		return buf, fmt.Errorf("encode line: %T is not an object with fields", v)
	}
	b = b[:len(b)-1]
	if len(b)+crcTrailer+1 > LineBytesMax {
		return buf, fmt.Errorf("encode line: %w", ErrLineTooLong)
	}
	buf = append(buf, b...)
	buf = appendTrailer(buf, crc32.Checksum(b, castagnoli))
	return append(buf, '\n'), nil
}

func appendTrailer(buf []byte, crc uint32) []byte {
	buf = append(buf, crcPrefix...)
	for shift := 28; shift >= 0; shift -= 4 {
		buf = append(buf, "0123456789abcdef"[crc>>shift&0xf])
	}
	return append(buf, crcSuffix...)
}

// ParseLine verifies the checksum of line (without its newline) and decodes it into v.
func ParseLine(line []byte, v any) error {
	if err := verifyLine(line); err != nil {
		return err
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("decode line: %w", err)
	}
	return nil
}

// verifyLine verifies the checksum of line.
func verifyLine(line []byte) error {
	if len(line) < crcTrailer {
		return fmt.Errorf("no checksum in %s", quoteStart(line))
	}
	body, trailer := line[:len(line)-crcTrailer], line[len(line)-crcTrailer:]
	// Build the expected trailer and compare it byte by byte, so that any change in it is detected, even in the
	// case of a digit.
	var want [crcTrailer]byte
	if !bytes.Equal(trailer, appendTrailer(want[:0], crc32.Checksum(body, castagnoli))) {
		return fmt.Errorf("%w in %s", ErrChecksum, quoteStart(line))
	}
	return nil
}

func quoteStart(line []byte) string {
	const most = 60
	if len(line) > most {
		return strconv.Quote(string(line[:most])) + "…"
	}
	return strconv.Quote(string(line))
}

// ScanLines calls each for every line of r that ends in a newline, with the line (without the newline, valid until
// each returns) and its number from 1. Bytes after the last newline are left by a crash during a write: they are
// not passed on, and torn reports that there were some. An error of each is returned as a [Damage].
func ScanLines(r io.Reader, name string, each func(line []byte, number int) error) (torn bool, err error) {
	in := bufio.NewReaderSize(r, 1<<14)
	var long []byte // the part read so far of a line longer than the reader's buffer
	for number := 1; ; {
		part, err := in.ReadSlice('\n')
		line := part
		if len(long) > 0 || errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, part...)
			line = long
		}
		switch {
		case len(line) > LineBytesMax:
			return false, &Damage{File: name, Line: number, Err: ErrLineTooLong}
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return len(line) > 0, nil
		case err != nil:
			return false, fmt.Errorf("read %s: %w", name, err)
		}
		if err := each(line[:len(line)-1], number); err != nil {
			return false, &Damage{File: name, Line: number, Err: err}
		}
		long = long[:0]
		number++
	}
}
