package envelope

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"elenchus/results/verdict"
)

// Dimensions of the picture, in its own units, which are pixels at full size.
const (
	cellW, cellH = 92.0, 46.0
	marginLeft   = 104.0
	marginTop    = 96.0
	marginRight  = 160.0
	legendH      = 150.0
	axisH        = 58.0
	widthMin     = 820.0
)

// looks defines how cells are drawn by finding, in the order of the legend.
var looks = []struct {
	finding Finding
	fill    string
	text    string // colour
	legend  string
}{
	{HeldThere, "#d7ecdd", "#1d5a33", "held: inside, and no probe got a stale answer"},
	{Broke, "", "#5c1a0b", "broke: outside, and a probe got one (darker: more of the probes)"},
	{NotObserved, "#fdf3cf", "#6b5310", "not observed: outside, the window may be too short for probes to see it"},
	{BrokeInside, "#6a1b9a", "#ffffff", "broke inside: leases failed where they must hold"},
	{NotProbed, "#ffffff", "#8a8f98", "not probed"},
}

// picture accumulates the parts of an SVG document.
type picture struct {
	bytes.Buffer
	sweep         Sweep
	width, height float64
}

// SVG returns the sweep as a heat map: a column for each bound, a row for each drift, and the predicted line below
// which leases must hold.
func (s Sweep) SVG() []byte {
	columns, rows := float64(len(s.Plan.Bounds)), float64(len(s.Plan.Drifts))
	p := &picture{sweep: s, width: max(widthMin, marginLeft+columns*cellW+marginRight),
		height: marginTop + rows*cellH + axisH + legendH}
	fmt.Fprintf(p, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" role="img" `+
		`font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13">`+"\n", p.width, p.height, p.width,
		p.height)
	p.element(`<title>`, s.title(), `</title>`)
	p.WriteString(`<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" ` +
		`patternTransform="rotate(45)"><rect width="7" height="7" fill="#fdf3cf"/><rect width="2" height="7" ` +
		`fill="#f3dd8f"/></pattern></defs>` + "\n")
	fmt.Fprintf(p, `<rect width="%g" height="%g" fill="#ffffff"/>`+"\n", p.width, p.height)
	p.head()
	for _, c := range s.Cells {
		p.cell(c)
	}
	p.axes()
	p.line()
	p.legend()
	p.WriteString("</svg>\n")
	return p.Bytes()
}

func (s Sweep) title() string {
	if s.Plan.Mode == Wall {
		return "The safety envelope of leases on wall clocks"
	}
	return "The safety envelope of leases by clock rate"
}

// element writes escaped text between two tags.
func (p *picture) element(open, text, end string) {
	p.WriteString(open)
	_ = xml.EscapeText(p, []byte(text)) // writing to a Buffer never fails
	p.WriteString(end + "\n")
}

func (p *picture) text(x, y float64, attributes, text string) {
	p.element(fmt.Sprintf(`<text x="%.1f" y="%.1f" %s>`, x, y, attributes), text, `</text>`)
}

func (p *picture) head() {
	s := p.sweep
	p.text(24, 32, `font-size="19" font-weight="600" fill="#16202c"`, s.title())
	where := s.Lab + " lab"
	if s.Lab == "sim" {
		where = "simulation"
	}
	said := fmt.Sprintf("%s, term %v, %s that came off", where, s.Plan.Term, verdict.Count(s.Agreement.Probes, "attack"))
	if s.How != "" {
		said += "; clocks by " + s.How
	}
	p.text(24, 54, `fill="#4a5563"`, said)
	color := "#1d5a33"
	if !s.Agreement.Agree {
		color = "#8f1d1d"
	}
	if len(s.Agreement.Text) > 0 {
		p.text(24, 76, `font-weight="600" fill="`+color+`"`, s.Agreement.Text[0])
	}
}

// place returns the upper left corner of a cell; rows are counted from the bottom.
func (p *picture) place(column, row int) (x, y float64) {
	return marginLeft + float64(column)*cellW, marginTop + float64(len(p.sweep.Plan.Drifts)-1-row)*cellH
}

func (p *picture) cell(c Cell) {
	x, y := p.place(index(p.sweep.Plan.Bounds, c.Bound), index(p.sweep.Plan.Drifts, c.Drift))
	fill, color := fillOf(c)
	dash := ""
	if c.Finding() == NotProbed {
		dash = ` stroke-dasharray="3 3"`
	}
	p.WriteString("<g>")
	p.element(`<title>`, p.tooltip(c), `</title>`)
	fmt.Fprintf(p, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="3" fill="%s" stroke="#ffffff" `+
		`stroke-width="2"/>`+"\n", x, y, cellW, cellH, fill)
	if dash != "" {
		fmt.Fprintf(p, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="3" fill="none" stroke="#c3c9d1"%s/>`+"\n",
			x+3, y+3, cellW-6, cellH-6, dash)
	} else {
		center := `text-anchor="middle" fill="` + color + `"`
		p.text(x+cellW/2, y+20, center+` font-weight="600"`, fmt.Sprintf("%d/%d", c.Stale, c.Probes()))
		if c.Closest != nil {
			p.text(x+cellW/2, y+36, center+` font-size="11"`, signedMillis(*c.Closest))
		}
	}
	p.WriteString("</g>\n")
}

func (p *picture) tooltip(c Cell) string {
	text := fmt.Sprintf("bound %s, leader's clock off by %s: %s; %d stale, %d held, %d void",
		p.sweep.Plan.BoundLabel(c.Bound), p.sweep.Plan.DriftLabel(c.Drift), c.Finding(), c.Stale, c.Held, c.Void)
	if c.Inside {
		return text + fmt.Sprintf("; %v to spare by the arithmetic", -c.Window.Round(time.Millisecond))
	}
	return text + fmt.Sprintf("; the window is %v by the arithmetic", c.Window.Round(time.Millisecond))
}

func index(values []int64, v int64) int {
	for i, x := range values {
		if x == v {
			return i
		}
	}
	return 0
}

// fillOf returns the colour of a cell and of its text. For cells that broke it shows the share of probes that
// observed it.
func fillOf(c Cell) (fill, color string) {
	if c.Finding() == Broke {
		share := float64(c.Stale) / float64(c.Probes())
		mix := func(from, to int) int { return from + int(share*float64(to-from)) }
		if share > 0.6 {
			color = "#ffffff"
		} else {
			color = "#5c1a0b"
		}
		return fmt.Sprintf("#%02x%02x%02x", mix(0xfb, 0xc2), mix(0xd9, 0x3b), mix(0xcb, 0x22)), color
	}
	if c.Finding() == NotObserved {
		return "url(#hatch)", "#6b5310"
	}
	for _, l := range looks {
		if l.finding == c.Finding() {
			return l.fill, l.text
		}
	}
	return "#ffffff", "#000000"
}

func signedMillis(d time.Duration) string { return fmt.Sprintf("%+d ms", d.Milliseconds()) }

func (p *picture) axes() {
	plan := p.sweep.Plan
	bottom := marginTop + float64(len(plan.Drifts))*cellH
	for i, b := range plan.Bounds {
		x, _ := p.place(i, 0)
		p.text(x+cellW/2, bottom+20, `text-anchor="middle" fill="#16202c"`, plan.BoundLabel(b))
	}
	for i, d := range plan.Drifts {
		_, y := p.place(0, i)
		p.text(marginLeft-10, y+cellH/2+5, `text-anchor="end" fill="#16202c"`, plan.DriftLabel(d))
	}
	across, up := "bound that leases are configured to (ε)", "how much slower the leader's clock is"
	if plan.Mode == Wall {
		across, up = "bound that leases are configured to", "how far the leader's clock is behind"
	}
	p.text(marginLeft+float64(len(plan.Bounds))*cellW/2, bottom+44, `text-anchor="middle" fill="#4a5563"`, across)
	lines := []string{up}
	if len(plan.Drifts) < rowsHigh {
		before, after, _ := strings.Cut(up, " the ")
		lines = []string{before, "the " + after}
	}
	middle := marginTop + float64(len(plan.Drifts))*cellH/2
	for i, l := range lines {
		p.text(0, 0, fmt.Sprintf(`text-anchor="middle" fill="#4a5563" transform="translate(%d %.1f) rotate(-90)"`, 26+16*i,
			middle), l)
	}
}

// rowsHigh is the number of rows next to which the axis label fits on one line; with fewer it takes two.
const rowsHigh = 6

// line draws the border of the envelope: a staircase between the cells inside and those outside.
func (p *picture) line() {
	plan := p.sweep.Plan
	var d strings.Builder
	right, labelled := 0.0, 0.0
	for i, b := range plan.Bounds {
		inside := 0
		for _, v := range plan.Drifts {
			if plan.Inside(b, v) {
				inside++
			}
		}
		x, _ := p.place(i, 0)
		y := marginTop + float64(len(plan.Drifts)-inside)*cellH
		if i == 0 {
			fmt.Fprintf(&d, "M%.1f %.1f", x, y)
		} else {
			fmt.Fprintf(&d, "V%.1f", y)
		}
		right, labelled = x+cellW, y
		fmt.Fprintf(&d, "H%.1f", right)
	}
	fmt.Fprintf(p, `<path d="%s" fill="none" stroke="#ffffff" stroke-width="7" stroke-linejoin="round"/>`+"\n", d.String())
	fmt.Fprintf(p, `<path d="%s" fill="none" stroke="#16202c" stroke-width="3" stroke-linejoin="round"/>`+"\n", d.String())
	p.text(right+10, labelled+5, `fill="#16202c" font-size="12"`, "predicted: safe below")
}

func (p *picture) legend() {
	y := marginTop + float64(len(p.sweep.Plan.Drifts))*cellH + axisH + 8
	for _, l := range looks {
		fill := l.fill
		switch l.finding {
		case Broke:
			fill = "#dd7a60"
		case NotObserved:
			fill = "url(#hatch)"
		}
		fmt.Fprintf(p, `<rect x="24" y="%.1f" width="26" height="14" rx="2" fill="%s" stroke="#c3c9d1"/>`+"\n", y, fill)
		p.text(60, y+12, `fill="#4a5563" font-size="12"`, l.legend)
		y += 20
	}
	const small = `fill="#4a5563" font-size="12"`
	p.text(24, y+14, small, "5/8: of 8 probes 5 got a stale answer. Below it the closest call of all: the time from the "+
		"deposed leader's last")
	p.text(24, y+30, small, "answer to the first write that was acknowledged elsewhere; negative when it went on to "+
		"answer after that.")
}
