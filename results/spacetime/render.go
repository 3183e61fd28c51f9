package spacetime

import (
	_ "embed"
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

//go:embed style.css
var style string

// Render draws the diagram as an SVG document.
func (d *Diagram) Render(out io.Writer) error {
	if err := d.validate(); err != nil {
		return err
	}
	p := &painter{layout: d.layout()}
	p.document()
	if _, err := io.WriteString(out, p.b.String()); err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	return nil
}

// validate lists everything that cannot be drawn.
func (d *Diagram) validate() error {
	var problems []error
	lane := func(what string, i int) {
		if i < 0 || i >= len(d.Lanes) {
			problems = append(problems, fmt.Errorf("%s is at lane %d of %d", what, i, len(d.Lanes)))
		}
	}
	if len(d.Lanes) == 0 {
		problems = append(problems, errors.New("there is no lane"))
	}
	for _, m := range d.Messages {
		lane("a message", m.From)
		lane("a message", m.To)
	}
	for _, b := range d.Bands {
		lane("a band", b.Lane)
	}
	for _, b := range d.Boxes {
		lane("an operation", b.Lane)
	}
	for _, n := range d.Notes {
		for _, i := range n.Lanes {
			lane("a note", i)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("draw picture: %w", err)
	}
	return nil
}

// painter writes the document.
type painter struct {
	*layout
	b strings.Builder
}

func (p *painter) f(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

func (p *painter) text(x, y float64, class, text string) {
	p.f("<text x='%.1f' y='%.1f' class='%s'>%s</text>\n", x, y, class, html.EscapeString(text))
}

func (p *painter) document() {
	p.f("<svg xmlns='http://www.w3.org/2000/svg' width='%.0f' height='%.0f' viewBox='0 0 %.0f %.0f' role='img'>\n",
		p.width, p.height, p.width, p.height)
	p.f("<title>%s</title>\n<style>%s</style>\n", html.EscapeString(p.d.Title), style)
	p.b.WriteString(definitions)
	p.f("<rect class='paper' width='%.0f' height='%.0f'/>\n", p.width, p.height)
	p.header()
	p.legend()
	p.axis()
	p.faultBars()
	p.lines()
	p.bands()
	p.violations()
	p.boxes()
	p.reserve()
	p.messages()
	p.notes()
	p.text(margin, p.height-16, "caption", p.d.Caption)
	p.b.WriteString("</svg>\n")
}

// definitions holds the patterns of bands.
const definitions = `<defs>
<pattern id="down" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
	`<rect class="p-down" width="7" height="7"/><line class="p-line" x1="0" y1="0" x2="0" y2="7"/></pattern>
<pattern id="grant" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">` +
	`<rect class="p-grant" width="5" height="5"/><line class="p-gline" x1="0" y1="0" x2="0" y2="5"/></pattern>
</defs>
`

func (p *painter) header() {
	y := float64(margin + 14)
	for _, line := range p.title {
		p.text(margin, y, "title", line)
		y += 28
	}
	for _, line := range p.sub {
		p.text(margin, y, "subtitle", line)
		y += 20
	}
}

// legend explains what occurs in the picture.
func (p *painter) legend() {
	x, y := float64(margin), p.top-72
	item := func(label string, draw func(x, y float64)) {
		draw(x, y)
		p.text(x+30, y+4, "legend", label)
		x += 30 + textWidth(label)*1.06 + 20
		if x > p.width-margin-170 {
			x, y = margin, y+20
		}
	}
	for _, t := range []struct {
		tone  Tone
		label string
	}{
		{ToneElection, "who leads"}, {ToneValue, "what is chosen"}, {ToneLease, "leases, signs of life"},
		{ToneLearn, "catching up"}, {ToneClient, "requests and answers"},
	} {
		if slices.ContainsFunc(p.d.Messages, func(m Message) bool { return m.Tone == t.tone }) {
			item(t.label, func(x, y float64) {
				p.f("<g class='m %s'><line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>", t.tone, x, y, x+20, y)
				p.head(x+20, y, 1, 0)
				p.f("</g>\n")
			})
		}
	}
	if slices.ContainsFunc(p.d.Messages, func(m Message) bool { return m.Lost }) {
		item("lost", func(x, y float64) {
			p.f("<g class='m election lost'><line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>", x, y, x+16, y)
			p.cross(x+18, y)
			p.f("</g>\n")
		})
	}
	for _, k := range []struct {
		kind  BandKind
		label string
	}{
		{BandLeads, "leads"}, {BandLease, "holds a lease"}, {BandGrant, "owes a lease to somebody"},
		{BandWriting, "not on its disk yet"}, {BandDown, "down"}, {BandPaused, "stands still"},
	} {
		if slices.ContainsFunc(p.d.Bands, func(b Band) bool { return b.Kind == k.kind }) {
			item(k.label, func(x, y float64) {
				p.f("<rect class='band b-%s' x='%.1f' y='%.1f' width='20' height='10' rx='2'/>\n", k.kind, x, y-5)
			})
		}
	}
}

// axis draws the time axis, with a remark on every compressed gap.
func (p *painter) axis() {
	x := float64(margin + axisWidth - 16)
	p.text(margin, p.top-24, "unit", "ms")
	p.f("<line class='axis' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>\n", x, p.top, x, p.bottom)
	last := math.Inf(-1)
	for i, at := range p.times {
		y := p.ys[i]
		if y-last < 15 {
			continue
		}
		last = y
		p.f("<line class='axis' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>", x-4, y, x, y)
		p.f("<text class='tick' x='%.1f' y='%.1f'>%s</text>\n", x-8, y+3.6, milliseconds(at))
	}
	for _, g := range p.gaps {
		p.f("<line class='gap' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>", x-5, g.y-3, x+5, g.y-7)
		p.f("<line class='gap' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>", x-5, g.y+3, x+5, g.y-1)
		if g.span >= 40*time.Millisecond {
			p.f("<text class='pause' x='%.1f' y='%.1f'>%s ms later</text>\n", x-8, g.y+3, milliseconds(g.span))
		}
	}
}

// milliseconds formats a time in ms, with as many digits as it needs.
func milliseconds(d time.Duration) string {
	if d >= 100*time.Millisecond {
		return fmt.Sprintf("%.1f", float64(d)/1e6)
	}
	return fmt.Sprintf("%.2f", float64(d)/1e6)
}

func (p *painter) faultBars() {
	for i, f := range p.d.Faults {
		x, y := p.faults[i], p.y(f.From)
		h := max(p.y(f.To)-y, 12)
		p.f("<g class='fault'><rect x='%.1f' y='%.1f' width='16' height='%.1f' rx='3'/><title>%s</title>", x, y, h,
			html.EscapeString(fmt.Sprintf("%s, from %s to %s ms", f.Label, milliseconds(f.From), milliseconds(f.To))))
		if textWidth(f.Label)*1.05 < h-6 {
			p.f("<text transform='translate(%.1f %.1f) rotate(90)'>%s</text>", x+4.5, y+7, html.EscapeString(f.Label))
		} else if w := p.faultNames(); textWidth(f.Label) <= w {
			p.f("<text x='%.1f' y='%.1f'>%s</text>", x+21, y+11, html.EscapeString(f.Label))
		}
		p.f("</g>\n")
	}
}

// lines draws the lines of nodes and clients.
func (p *painter) lines() {
	for i, lane := range p.d.Lanes {
		class := "node"
		if lane.Client {
			class = "client"
		}
		x := p.lanes[i]
		p.f("<line class='life %s' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>\n", class, x, p.top-12, x, p.bottom)
		w := textWidth(lane.Name)*1.25 + 22
		p.f("<g class='name %s'><rect x='%.1f' y='%.1f' width='%.1f' height='24' rx='12'/>", class, x-w/2, p.top-38, w)
		p.f("<text x='%.1f' y='%.1f'>%s</text></g>\n", x, p.top-21, html.EscapeString(lane.Name))
	}
}

// bandAt is the distance of a band from its line, and its width.
var bandAt = map[BandKind][2]float64{
	BandDown: {-6, 12}, BandPaused: {-6, 12}, BandWriting: {-2.5, 5}, BandLeads: {-16, 6}, BandLease: {-25, 6},
	BandGrant: {-34, 6},
}

func (p *painter) bands() {
	for _, kind := range []BandKind{BandGrant, BandLease, BandLeads, BandWriting, BandPaused, BandDown} {
		for _, b := range p.d.Bands {
			if b.Kind != kind {
				continue
			}
			at := bandAt[kind]
			y := p.y(b.From)
			h := max(p.y(b.To)-y, 3)
			p.f("<rect class='band b-%s' x='%.1f' y='%.1f' width='%.1f' height='%.1f' rx='2'><title>%s</title></rect>\n",
				kind, p.lanes[b.Lane]+at[0], y, at[1], h, html.EscapeString(b.Title))
			if b.Label != "" && textWidth(b.Label)*0.92 < h-4 {
				w := textWidth(b.Label)
				p.taken = append(p.taken, rect{p.lanes[b.Lane] - 49, y + h/2 - w/2, 14, w})
				p.f("<text class='bandname n-%s' transform='translate(%.1f %.1f) rotate(-90)'>%s</text>\n", kind,
					p.lanes[b.Lane]-39, y+h/2, html.EscapeString(b.Label))
			}
		}
	}
}

// violations draws violations across the picture.
func (p *painter) violations() {
	for _, n := range p.d.Notes {
		if !n.Violation {
			continue
		}
		y := p.y(n.At)
		p.f("<line class='broken' x1='%d' y1='%.1f' x2='%.1f' y2='%.1f'/>\n", margin+axisWidth-16, y, p.notesX-8, y)
		for _, lane := range n.Lanes {
			p.f("<path class='burst' d='%s'/>\n", burst(p.lanes[lane], y))
		}
	}
}

// burst returns a star.
func burst(x, y float64) string {
	var b strings.Builder
	for i := range 20 {
		r := 17.0
		if i%2 == 1 {
			r = 9
		}
		a := float64(i) * math.Pi / 10
		fmt.Fprintf(&b, "%c%.1f %.1f", "ML"[min(i, 1)], x+r*math.Sin(a), y-r*math.Cos(a))
	}
	return b.String() + "Z"
}

// boxes draws the operations of clients.
func (p *painter) boxes() {
	for _, o := range p.d.Boxes {
		x, y := p.lanes[o.Lane]-boxWidth/2, p.y(o.From)
		end := p.y(o.To)
		if o.Open {
			end = p.bottom
		}
		h := max(end-y, 19)
		p.f("<g class='op %s'><rect x='%.1f' y='%.1f' width='%d' height='%.1f' rx='4'/>", o.State, x, y, boxWidth, h)
		p.f("<title>%s</title>", html.EscapeString(fmt.Sprintf("%s %s, from %s to %s ms", o.Label, o.Result,
			milliseconds(o.From), milliseconds(o.To))))
		class := "func"
		if textWidth(o.Label) > boxWidth-14 {
			class = "func small"
		}
		p.f("<text class='%s' x='%.1f' y='%.1f'>%s</text>", class, x+boxWidth/2, y+13.5, html.EscapeString(o.Label))
		if o.Result != "" && h >= 34 {
			p.f("<text class='result' x='%.1f' y='%.1f'>%s</text>", x+boxWidth/2, y+h-6, html.EscapeString(o.Result))
		}
		p.f("</g>\n")
		p.taken = append(p.taken, rect{x - 2, y - 2, boxWidth + 4, h + 4})
	}
}

// reserve keeps labels away from what must stay readable.
func (p *painter) reserve() {
	for i, n := range p.d.Notes {
		for _, lane := range n.Lanes {
			p.taken = append(p.taken, p.noteSpot(i, lane))
		}
	}
}

// noteSpot returns where to draw the number of a note: notes of one place and time are put side by side.
func (p *painter) noteSpot(i, lane int) rect {
	n := p.d.Notes[i]
	before := 0
	for _, o := range p.d.Notes[:i] {
		if slices.Contains(o.Lanes, lane) && math.Abs(p.y(o.At)-p.y(n.At)) < 15 {
			before++
		}
	}
	return rect{p.lanes[lane] + 5 + float64(before)*18, p.y(n.At) - 8, 16, 16}
}

func (p *painter) messages() {
	for _, faint := range []bool{true, false} {
		for i := range p.d.Messages {
			if m := &p.d.Messages[i]; m.Faint == faint {
				p.message(m)
			}
		}
	}
	for i := range p.d.Messages {
		if m := &p.d.Messages[i]; !m.Faint && m.Label != "" {
			p.label(m)
		}
	}
}

// ends returns the end points of a message.
func (p *painter) ends(m *Message) (x1, y1, x2, y2 float64) {
	x1, y1, x2, y2 = p.lanes[m.From], p.y(m.Sent), p.lanes[m.To], p.y(m.Arrived)
	side := 1.0
	if x2 < x1 {
		side = -1
	}
	x1 += 3 * side
	x2 -= 3 * side
	if p.d.Lanes[m.From].Client {
		x1 += (boxWidth/2 - 3) * side
	}
	if p.d.Lanes[m.To].Client {
		x2 -= (boxWidth/2 - 3) * side
	}
	if m.Lost {
		share := 0.55
		x2 = x1 + (x2-x1)*share
		y2 = max(y1+(y2-y1)*share, y1+7)
	}
	if m.Open {
		x2 = x1 + (x2-x1)*0.4
		y2 = max(p.y(m.Arrived), y1+8)
	}
	return x1, y1, x2, y2
}

func (p *painter) message(m *Message) {
	x1, y1, x2, y2 := p.ends(m)
	class := "m " + string(m.Tone)
	switch {
	case m.Faint:
		class += " faint"
	case m.Lost:
		class += " lost"
	}
	if m.Open {
		class += " open"
	}
	p.f("<g class='%s'><title>%s</title><line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>", class,
		html.EscapeString(m.Title), x1, y1, x2, y2)
	length := math.Hypot(x2-x1, y2-y1)
	switch {
	case m.Lost:
		p.cross(x2, y2)
	case !m.Open && length > 0:
		p.head(x2, y2, (x2-x1)/length, (y2-y1)/length)
	}
	p.f("</g>\n")
}

// head draws an arrowhead that points in the direction (dx, dy), of length 1.
func (p *painter) head(x, y, dx, dy float64) {
	const long, wide = 8, 3.4
	p.f("<path class='head' d='M%.1f %.1fL%.1f %.1fL%.1f %.1fZ'/>", x, y, x-long*dx-wide*dy, y-long*dy+wide*dx,
		x-long*dx+wide*dy, y-long*dy-wide*dx)
}

func (p *painter) cross(x, y float64) {
	p.f("<path class='cross' d='M%.1f %.1fl8 8m0 -8l-8 8'/>", x-4, y-4)
}

// label puts a message's label where there is room, nearer to the receiver than to the sender, because broadcasts
// start at one place.
func (p *painter) label(m *Message) {
	x1, y1, x2, y2 := p.ends(m)
	w, h := textWidth(m.Label)+6, 13.0
	var places []rect
	for _, dy := range []float64{-8, 3, -14, 9} {
		for _, t := range []float64{0.55, 0.68, 0.42, 0.78, 0.3, 0.86, 0.2} {
			x := x1 + (x2-x1)*t - w/2
			low, high := min(x1, x2)+2, max(x1, x2)-w-2
			if m.Lost || m.Open || high < low {
				low, high = min(x1, x2)-w-4, max(x1, x2)+4
			}
			places = append(places, rect{min(max(x, low), high), y1 + (y2-y1)*t + dy - h/2, w, h})
		}
	}
	r, ok := p.place(places)
	if !ok {
		return
	}
	p.f("<rect class='behind' x='%.1f' y='%.1f' width='%.1f' height='%.1f' rx='3'/>", r.x+1, r.y+1.5, r.w-2, r.h-2)
	p.f("<text class='label %s' x='%.1f' y='%.1f'>%s</text>\n", m.Tone, r.x+r.w/2, r.y+r.h-3,
		html.EscapeString(m.Label))
}

// notes writes the story, with a number at the place of each sentence.
func (p *painter) notes() {
	p.text(p.notesX+24, p.top-21, "storyname", "What happened")
	next := p.top - 6
	for i, n := range p.d.Notes {
		width := 58
		if n.Violation { // in bold
			width = 50
		}
		lines := wrap(n.Text, width)
		y := max(p.y(n.At)-2, next)
		class := "note"
		if n.Violation {
			class = "note bad"
		}
		p.f("<g class='%s'>", class)
		x := p.notesX - 8
		for _, lane := range n.Lanes {
			if spot := p.noteSpot(i, lane); !n.Violation {
				p.number(spot.x+8, spot.y+8, i+1)
			}
		}
		at := p.y(n.At)
		p.f("<path class='lead' d='M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f'/>", x-26, at, x-8, at, x-12, y, x, y)
		p.number(x+10, y, i+1)
		for k, line := range lines {
			p.f("<text x='%.1f' y='%.1f'>%s</text>", p.notesX+24, y+4+float64(k)*lineHeight, html.EscapeString(line))
		}
		p.f("</g>\n")
		next = y + float64(len(lines))*lineHeight + 7
	}
	if next+20 > p.height {
		p.grow(next + 40)
	}
}

func (p *painter) number(x, y float64, n int) {
	p.f("<circle cx='%.1f' cy='%.1f' r='8'/><text class='number' x='%.1f' y='%.1f'>%d</text>", x, y, x, y+3.4, n)
}

// grow makes the document as high as its story is long.
func (p *painter) grow(height float64) {
	old := fmt.Sprintf("width='%.0f' height='%.0f'", p.width, p.height)
	box := fmt.Sprintf("viewBox='0 0 %.0f %.0f'", p.width, p.height)
	p.height = height
	text := strings.Replace(p.b.String(), box, fmt.Sprintf("viewBox='0 0 %.0f %.0f'", p.width, p.height), 1)
	text = strings.ReplaceAll(text, old, fmt.Sprintf("width='%.0f' height='%.0f'", p.width, p.height))
	p.b.Reset()
	p.b.WriteString(text)
}
