package history

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLineDetectsEveryFlippedBit(t *testing.T) {
	type record struct {
		Name  string `json:"name"`
		Count int    `json:"count"`
	}
	line, err := AppendLine(nil, record{"a \"quoted\" <name>", 7})
	if err != nil {
		t.Fatal(err)
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	var got record
	if err := ParseLine(line, &got); err != nil || got != (record{"a \"quoted\" <name>", 7}) {
		t.Fatalf("ParseLine(%s) = %+v, %v", line, got, err)
	}
	for i := range line {
		for bit := range 8 {
			bad := bytes.Clone(line)
			bad[i] ^= 1 << bit
			if err := ParseLine(bad, &got); err == nil {
				t.Fatalf("bit %d of byte %d flipped, not detected: %s", bit, i, bad)
			}
		}
	}
}

func TestAppendLineRefusesWhatIsNoObject(t *testing.T) {
	for _, v := range []any{nil, 7, "text", []int{1}, struct{}{}, func() {},
		struct{ S string }{strings.Repeat("x", LineBytesMax)}} {
		buf, err := AppendLine([]byte("kept"), v)
		if err == nil || string(buf) != "kept" {
			t.Errorf("AppendLine(%T) = %.20q, %v", v, buf, err)
		}
	}
}

func TestScanLines(t *testing.T) {
	long := strings.Repeat("y", 1<<17) // longer than the reader's buffer
	tests := []struct {
		name, in string
		want     []string
		torn     bool
	}{
		{"empty", "", nil, false},
		{"whole lines", "a\n\nb\n", []string{"a", "", "b"}, false},
		{"torn", "a\nb", []string{"a"}, true},
		{"long", long + "\nz\n", []string{long, "z"}, false},
		{"torn long", "a\n" + long, []string{"a"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.HalfReader(strings.NewReader(tt.in))} {
				var got []string
				torn, err := ScanLines(r, "f", func(line []byte, n int) error {
					got = append(got, string(line))
					if n != len(got) {
						t.Errorf("line number %d, want %d", n, len(got))
					}
					return nil
				})
				if err != nil || torn != tt.torn || strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
					t.Errorf("got %d lines, torn %v, %v", len(got), torn, err)
				}
			}
		})
	}

	endless := io.MultiReader(strings.NewReader("a\n"), io.LimitReader(zeros{}, LineBytesMax+1))
	_, err := ScanLines(endless, "file", func([]byte, int) error { return nil })
	if !errors.Is(err, ErrLineTooLong) || !strings.HasPrefix(err.Error(), "file:2: ") {
		t.Errorf("endless line: %v", err)
	}
	_, err = ScanLines(iotest.ErrReader(io.ErrUnexpectedEOF), "file", func([]byte, int) error { return nil })
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("failing reader: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
