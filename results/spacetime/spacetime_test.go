package spacetime

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

const ms = time.Millisecond

// busy is a diagram with every element, and many labels close to one another.
func busy() *Diagram {
	d := &Diagram{
		Title: "n1 & n2 both lead <at once>", Subtitle: "One leader at a time.", Caption: "a test", End: 900 * ms,
		Lanes: []Lane{{Name: "n1"}, {Name: "client 0", Client: true}, {Name: "n2"}, {Name: "n3"}},
		Bands: []Band{
			{Lane: 0, From: 10 * ms, To: 500 * ms, Kind: BandLeads, Label: "leads 1.n1"},
			{Lane: 2, From: 20 * ms, To: 600 * ms, Kind: BandGrant, Label: "owes 1.n1"},
			{Lane: 3, From: 30 * ms, To: 31 * ms, Kind: BandDown, Label: "down"},
		},
		Boxes: []Box{
			{Lane: 1, From: 40 * ms, To: 45 * ms, Label: "write r1 1", Result: "✓", State: "ok"},
			{Lane: 1, From: 50 * ms, To: 900 * ms, Label: "read r1", State: "unknown", Open: true},
		},
		Faults: []Fault{{From: 30 * ms, To: 31 * ms, Label: "kill n3"}, {From: 30 * ms, To: 800 * ms, Label: "pause n1"}},
		Notes: []Note{
			{At: 10 * ms, Lanes: []int{0}, Text: "n1 is elected."}, {At: 30 * ms, Lanes: []int{2, 3}, Text: "Each of n2 and n3 rests."},
			{At: 900 * ms, Lanes: []int{2}, Text: "n2 leads, too.", Violation: true},
		},
	}
	for i := range 30 {
		at := time.Duration(60+i) * ms
		d.Messages = append(d.Messages,
			Message{From: 0, To: 2, Sent: at, Arrived: at + 3*ms, Tone: ToneElection, Label: fmt.Sprintf("prepare %d", i)},
			Message{From: 0, To: 3, Sent: at, Arrived: at + 2*ms, Tone: ToneValue, Label: fmt.Sprintf("accept %d", i), Lost: i%5 == 0},
			Message{From: 3, To: 0, Sent: at, Arrived: at + 2*ms, Tone: ToneLease, Label: "faint", Faint: true, Open: i > 27})
	}
	return d
}

// words returns the texts of a document, which must be well-formed.
func words(t *testing.T, svg []byte) (texts []string) {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatalf("not well formed: %v", err)
		}
		if data, ok := token.(xml.CharData); ok {
			texts = append(texts, string(data))
		}
	}
}

func TestEverythingIsInThePicture(t *testing.T) {
	var first, second bytes.Buffer
	if err := errors.Join(busy().Render(&first), busy().Render(&second)); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Error("two pictures of the same diagram differ")
	}
	texts := words(t, first.Bytes())
	for _, want := range []string{
		"n1 & n2 both lead <at once>", "One leader at a time.", "n1", "client 0", "n2", "n3", "write r1 1", "read r1",
		"What happened", "n1 is elected.", "Each of n2 and n3 rests.", "n2 leads, too.", "kill n3", "pause n1", "who leads",
		"what is chosen", "lost", "leads", "owes a lease to somebody", "down", "leads 1.n1", "ms", "900.0",
	} {
		if !slices.Contains(texts, want) {
			t.Errorf("no %q in the picture", want)
		}
	}
	if slices.Contains(texts, "faint") {
		t.Error("a faint message has a label")
	}
	for _, absent := range []string{"stands still", "catching up"} {
		if slices.Contains(texts, absent) {
			t.Errorf("the legend has %q, which does not occur", absent)
		}
	}
}

// Labels cover neither one another nor operations and notes; most messages have one.
func TestLabelsKeepClear(t *testing.T) {
	p := &painter{layout: busy().layout()}
	p.document()
	for i, a := range p.taken {
		for _, b := range p.taken[:i] {
			if lost := a.overlaps(b); lost > 0.15*min(a.w*a.h, b.w*b.h) {
				t.Errorf("%+v covers %.0f of %+v", a, lost, b)
			}
		}
	}
	labels := strings.Count(p.b.String(), `class='label `)
	if labels < 45 {
		t.Errorf("only %d of 60 messages have a label", labels)
	}
}

// Time increases downwards, however much it is stretched.
func TestTimeRunsDown(t *testing.T) {
	l := busy().layout()
	last := 0.0
	for at := time.Duration(0); at <= 900*ms; at += ms / 3 {
		y := l.y(at)
		if y < last {
			t.Fatalf("%v is above what was before", at)
		}
		last = y
	}
	if len(l.gaps) == 0 {
		t.Error("nothing is said of a pause of half a second")
	}
	if l.height > 4000 {
		t.Errorf("the picture is %v high", l.height)
	}
}

func TestWhatCannotBeDrawn(t *testing.T) {
	for name, d := range map[string]*Diagram{
		"no lane": {},
		"message": {Lanes: []Lane{{}}, Messages: []Message{{To: 1}}},
		"band":    {Lanes: []Lane{{}}, Bands: []Band{{Lane: -1}}},
		"note":    {Lanes: []Lane{{}}, Notes: []Note{{Lanes: []int{3}}}},
	} {
		if err := d.Render(io.Discard); err == nil {
			t.Errorf("%s: it was drawn", name)
		}
	}
	empty := &Diagram{Title: "nothing", Lanes: []Lane{{Name: "n1"}}}
	if err := empty.Render(io.Discard); err != nil {
		t.Errorf("nothing at all: %v", err)
	}
}
