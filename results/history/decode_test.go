package history

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// sealed completes a body, which lacks its last brace, to a line with a correct checksum.
func sealed(body []byte) []byte {
	return appendTrailer(bytes.Clone(body), crc32.Checksum(body, castagnoli))
}

// agree fails if decoder and encoding/json disagree on a line, and reports whether the decoder accepted it.
func agree(t *testing.T, d *decoder, line []byte) bool {
	t.Helper()
	var got Event
	var count int64
	if !d.decode(line, &got, &count) {
		return false
	}
	var l eventLine
	if err := json.Unmarshal(line, &l); err != nil {
		t.Fatalf("decoded, but encoding/json says %v: %s", err, line)
	}
	want, wantCount := l.event(), int64(-1)
	if l.Count != nil {
		wantCount = *l.Count
	}
	if !reflect.DeepEqual(got, want) || count != wantCount {
		t.Fatalf("decoded %s\nto   %+v, count %d\nwant %+v, count %d", line, got, count, want, wantCount)
	}
	return true
}

// Every line written by a run is decoded without encoding/json, with the same result.
func TestDecoderReadsWhatIsWritten(t *testing.T) {
	var d decoder
	lines := bytes.Split(bytes.TrimSuffix(recorded(2000), []byte("\n")), []byte("\n"))
	for _, line := range lines {
		if !agree(t, &d, line) {
			t.Fatalf("not decoded: %s", line)
		}
	}
	one := int64(-1)
	for _, e := range []Event{
		{Type: OK, Node: "n", Phase: PhaseFinal, Op: Op{Func: Append, Key: "k", Value: -5},
			Result: Result{Values: []int64{1, -2, 3}}},
		{Type: OK, Node: "n", Phase: PhaseSetup, Op: Op{Func: CAS, Key: "k", Expect: &one}, Result: Result{Matched: true}},
		{Type: OK, Node: "n", Phase: PhaseMain, Op: Op{Func: Append, Key: "k", Value: 5, Request: Request{13, 2}},
			Result: Result{Values: []int64{5}}},
		{Type: Unknown, Node: "n", Phase: PhaseRecovery, Op: Op{Func: CAS, Key: "k"}, Reason: "a < b", Time: time.Hour},
	} {
		line, err := AppendLine(nil, e.line())
		if err != nil || !agree(t, &d, bytes.TrimSuffix(line, []byte("\n"))) {
			t.Errorf("not decoded: %s, %v", line, err)
		}
	}
}

// Values that share memory do not overwrite one another.
func TestDecodedValuesAreSeparate(t *testing.T) {
	log, err := ReadFrom(bytes.NewReader(recorded(3000)), "h")
	if err != nil {
		t.Fatal(err)
	}
	before := make([]int64, len(log.Events))
	for i, e := range log.Events {
		if len(e.Result.Values) > 0 {
			before[i] = e.Result.Values[0]
			_ = append(e.Result.Values, -1)
		}
	}
	for i, e := range log.Events {
		if len(e.Result.Values) > 0 && e.Result.Values[0] != before[i] {
			t.Fatalf("event %d changed from %d to %d", i, before[i], e.Result.Values[0])
		}
	}
}

// unusual are lines that no run writes, though some are valid JSON.
var unusual = []string{
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n\u0031","phase":"main","f":"read","key":"x"`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":"ü"`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":"x","values":[]`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":"x","values":[1,]`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":"x","values":[01]`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":"x","values":null`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":""`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":"x","key":"y"`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":"x","slot":-3`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":"x","slot":18446744073709551615`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"cas","key":"x","value":9223372036854775807`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"cas","key":"x","value":1e3`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"cas","key":"x","matched":tru`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"cas","key":"x","extra":1`,
	`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"later","f":"cas","key":"x"`,
	`{"SEQ":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":"x"`,
	`{"t":2,"seq":1,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":"x"`,
	`{ "seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":"x"`,
	`{"seq":-,"t":2,"type":"end","count":1`,
	`{"seq":1,"t":2,"type":"end","count":null`,
	`{"seq":1,"t":2,"type":"end"`,
	`{"seq":1,"t":2,"type":"end`,
	`{"seq":1`,
	`{`,
	``,
}

func TestDecoderLeavesTheUnusualToJSON(t *testing.T) {
	var d decoder
	for _, body := range unusual {
		var e Event
		var count int64
		if d.decode(sealed([]byte(body)), &e, &count) {
			t.Errorf("decoded: %s", body)
		}
	}
	for _, body := range []string{ // usual, but for a detail that JSON does not mind either
		`{"seq":-0,"t":2,"type":"end","count":1`,
		`{"seq":1,"t":2,"type":"ok","process":0,"node":"n1","phase":"main","f":"read","key":"x","value":3`,
	} {
		if !agree(t, &d, sealed([]byte(body))) {
			t.Errorf("not decoded: %s", body)
		}
	}
}

// Lines with a few bytes changed and their checksums corrected are decoded as encoding/json does, or declined.
func TestDecoderAgreesOnDamagedLines(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	lines := bytes.Split(bytes.TrimSuffix(recorded(300), []byte("\n")), []byte("\n"))
	alphabet := []byte(`{}[]",:0123456789-+.eEtruefalsn\ x`)
	var d decoder
	taken := 0
	for range 60_000 {
		line := lines[rng.IntN(len(lines))]
		body := bytes.Clone(line[:len(line)-crcTrailer])
		for range 1 + rng.IntN(3) {
			i := rng.IntN(len(body))
			switch c := alphabet[rng.IntN(len(alphabet))]; rng.IntN(3) {
			case 0:
				body[i] = c
			case 1:
				body = append(body[:i], body[i+1:]...)
			default:
				body = append(body[:i], append([]byte{c}, body[i:]...)...)
			}
		}
		if agree(t, &d, sealed(body)) {
			taken++
		}
	}
	if taken < 1000 {
		t.Errorf("only %d damaged lines were decoded: nothing was compared", taken)
	}
}

func FuzzDecoder(f *testing.F) {
	for _, line := range bytes.Split(recorded(60), []byte("\n")) {
		if len(line) > crcTrailer {
			f.Add(line[:len(line)-crcTrailer])
		}
	}
	for _, body := range unusual {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var d decoder
		agree(t, &d, sealed(body))
	})
}

// Histories may contain whatever encoding/json accepts: lines in another style are read as well.
func TestHistoryInAnotherStyle(t *testing.T) {
	line := sealed([]byte(`{"f":"read","key":"\u0078","node":"n1","phase":"main","process":0,"seq":0,"t":5,"type":"invoke"`))
	log, err := ReadFrom(bytes.NewReader(append(line, '\n')), "h")
	if err != nil || len(log.Events) != 1 || log.Events[0].Op.Key != "x" {
		t.Errorf("%+v, %v", log, err)
	}
}
