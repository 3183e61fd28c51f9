package report

import (
	"fmt"
	"math"
	"strings"
	"time"
)

const (
	stripGap   = 40.0
	rateHeight = 92.0
	latHeight  = 92.0
)

// strip is a diagram below the lanes.
type strip struct {
	Y, H  float64
	Name  string
	Unit  string
	Grid  []tick
	Bars  []band
	Areas []curve
	Hover []band // one transparent stretch for each bucket, for its tooltip
}

// curve is a path, with a tooltip if it has a title.
type curve struct{ Class, D, Title string }

// rateStrip draws operations per second: ok upwards from the axis, and fail and unknown on top of it.
func rateStrip(s series, sc scale, y float64) strip {
	st := strip{Y: y, H: rateHeight, Name: "operations", Unit: "per second"}
	most := niceUp(s.rate(s.busiest()))
	for _, f := range []float64{0, 0.5, 1} {
		st.Grid = append(st.Grid, tick{X: gutter, Y: round(y + rateHeight*(1-f)), Label: number(f * most)})
	}
	for i, b := range s.buckets {
		x, w := bucketAt(s, sc, i)
		top := y + rateHeight // bars that are too high end at the strip's upper edge
		for _, part := range []struct {
			n     int
			class string
		}{{b.ok, "b-ok"}, {b.fail, "b-fail"}, {b.unknown, "b-unknown"}} {
			if part.n == 0 {
				continue
			}
			h := rateHeight * s.rate(part.n) / most
			h = min(h, top-y)
			top -= h
			st.Bars = append(st.Bars, band{
				X: x, Y: round(top), W: round(max(w-0.4, 0.6)), H: round(max(h, 0.3)), Class: part.class,
			})
		}
		// A few among a thousand cannot be seen in the bar: a mark below the axis says that they are there.
		if b.fail > 0 {
			st.Bars = append(st.Bars, band{X: x, Y: y + rateHeight + 2, W: w, H: 4, Class: "b-fail"})
		}
		if b.unknown > 0 {
			st.Bars = append(st.Bars, band{X: x, Y: y + rateHeight + 7, W: w, H: 4, Class: "b-unknown"})
		}
		st.Hover = append(st.Hover, band{X: x, Y: y, W: w, H: rateHeight + 12, Title: fmt.Sprintf(
			"%s: %d ok, %d fail, %d unknown", s.span(i),
			b.ok, b.fail, b.unknown)})
	}
	return st
}

func bucketAt(s series, sc scale, i int) (x, w float64) {
	x = sc.x(time.Duration(i) * s.width)
	return x, round(sc.x(time.Duration(i+1)*s.width) - x)
}

// latencyStrip draws the median and the 99th percentile of ok operations on a logarithmic scale of whole decades.
func latencyStrip(s series, sc scale, y float64) strip {
	st := strip{Y: y, H: latHeight, Name: "latency", Unit: "p50, p99"}
	lo, hi := time.Duration(math.MaxInt64), time.Duration(0)
	for _, b := range s.buckets {
		if b.ok > 0 {
			lo, hi = min(lo, max(b.p50, time.Microsecond)), max(hi, b.p99)
		}
	}
	if hi == 0 {
		return st
	}
	bottom := math.Floor(math.Log10(float64(lo)))
	top := max(bottom+1, math.Ceil(math.Log10(float64(hi))))
	at := func(d time.Duration) float64 {
		f := (math.Log10(float64(max(d, time.Microsecond))) - bottom) / (top - bottom)
		return round(y + latHeight*(1-min(max(f, 0), 1)))
	}
	for e := bottom; e <= top; e++ {
		d := time.Duration(math.Pow(10, e))
		st.Grid = append(st.Grid, tick{X: gutter, Y: at(d), Label: compact(d)})
	}
	var p50, p99 line
	for i, b := range s.buckets {
		if x, w := bucketAt(s, sc, i); b.ok > 0 {
			p50.to(x+w/2, at(b.p50))
			p99.to(x+w/2, at(b.p99))
			st.Hover = append(st.Hover, band{X: x, Y: y, W: w, H: latHeight, Title: fmt.Sprintf(
				"%s: median %s, p99 %s, %d ok", s.span(i),
				compact(b.p50), compact(b.p99), b.ok)})
		} else {
			p50.lift()
			p99.lift()
		}
	}
	st.Areas = []curve{{Class: "l-p99", D: p99.d.String()}, {Class: "l-p50", D: p50.d.String()}}
	return st
}

// line is an SVG path with gaps. A point between two gaps becomes a dot, by a stroke of no length.
type line struct {
	d    strings.Builder
	down bool
}

func (l *line) to(x, y float64) {
	if !l.down {
		fmt.Fprintf(&l.d, "M%.1f %.1fh0", x, y)
	}
	fmt.Fprintf(&l.d, "L%.1f %.1f", x, y)
	l.down = true
}

func (l *line) lift() { l.down = false }

// niceUp is the next number that looks well at the end of an axis.
func niceUp(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 1.5, 2, 3, 4, 5, 6, 8, 10} {
		if f*unit >= v {
			return f * unit
		}
	}
	return v
}
