package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"elenchus/results/verdict"
)

// Schema is the version of the report. It is incremented whenever a field changes its meaning or is removed.
const Schema = 1

// Report is the result of a comparison.
type Report struct {
	Schema    int           `json:"schema"`
	Clients   int           `json:"clients"`
	Keys      int           `json:"keys"`
	RoundTime time.Duration `json:"round_ns"`
	Rounds    int           `json:"rounds"` // number of complete ones
	Ways      []Result      `json:"ways"`
	Ratios    []Ratio       `json:"ratios"`
}

// Result is the result of one kind of read over all rounds.
type Result struct {
	Way     string        `json:"way"`
	Reads   int           `json:"reads"`
	Failed  int           `json:"failed"`
	Rate    float64       `json:"ops_per_s"`
	Rates   Spread        `json:"ops_per_s_of_rounds"`
	P50     time.Duration `json:"p50_ns"`
	P99     time.Duration `json:"p99_ns"`
	Samples []Sample      `json:"rounds"`

	latencies []time.Duration
}

// Ratio compares two kinds of read, round by round: how many times as many reads per second Way answers, and how
// many times as long To takes.
type Ratio struct {
	Way  string `json:"way"`
	To   string `json:"to"`
	Rate Spread `json:"ops_per_s"`
	P50  Spread `json:"p50"` // of To, divided by that of Way
	P99  Spread `json:"p99"`
}

// Spread is the median, minimum and maximum over some rounds.
type Spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func spread(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return Spread{Median: (values[(n-1)/2] + values[n/2]) / 2, Low: values[0], High: values[n-1]}
}

func newReport(o Options) Report {
	r := Report{Schema: Schema, Clients: o.Clients, Keys: o.Keys, RoundTime: o.round()}
	for _, name := range Ways {
		r.Ways = append(r.Ways, Result{Way: name})
	}
	return r
}

// add adds a complete round.
func (r *Report) add(round map[string]Sample) {
	r.Rounds++
	for i := range r.Ways {
		w, s := &r.Ways[i], round[r.Ways[i].Way]
		w.Samples = append(w.Samples, s)
		w.latencies = append(w.latencies, s.latencies...)
	}
	r.finish()
}

// finish computes the totals over all rounds.
func (r *Report) finish() {
	for i := range r.Ways {
		r.Ways[i].sum()
	}
	r.Ratios = nil
	for _, pair := range [][2]int{{0, 1}, {0, 2}, {1, 2}} {
		r.Ratios = append(r.Ratios, ratio(r.Ways[pair[0]], r.Ways[pair[1]]))
	}
}

func (w *Result) sum() {
	var elapsed time.Duration
	var rates []float64
	w.Reads, w.Failed = 0, 0
	for _, s := range w.Samples {
		w.Reads += s.Reads
		w.Failed += s.Failed
		elapsed += s.Elapsed
		rates = append(rates, s.Rate())
	}
	w.Rate, w.Rates = Sample{Reads: w.Reads, Elapsed: elapsed}.Rate(), spread(rates)
	slices.Sort(w.latencies)
	w.P50, w.P99 = quantile(w.latencies, 50), quantile(w.latencies, 99)
}

// ratio compares two kinds of read within each round. A round in which one of them answered nothing has no ratio.
func ratio(of, to Result) Ratio {
	r := Ratio{Way: of.Way, To: to.Way}
	var rates, p50s, p99s []float64
	for i, a := range of.Samples {
		b := to.Samples[i]
		if a.Reads == 0 || b.Reads == 0 {
			continue
		}
		rates = append(rates, a.Rate()/b.Rate())
		p50s = append(p50s, float64(b.P50)/float64(a.P50))
		p99s = append(p99s, float64(b.P99)/float64(a.P99))
	}
	r.Rate, r.P50, r.P99 = spread(rates), spread(p50s), spread(p99s)
	return r
}

// Table writes the report for a terminal.
func (r Report) Table(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at the leader, %s of %v for each way to read, in drawn order\n\n",
		verdict.Count(r.Clients, "closed-loop client"), verdict.Count(r.Rounds, "round"), r.RoundTime)
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "reads by\tanswered\tfailed\tops/s\tlowest … highest round\tp50\tp99\t")
	for _, x := range r.Ways {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%.0f\t%.0f … %.0f\t%s\t%s\t\n", x.Way, x.Reads, x.Failed, x.Rate, x.Rates.Low,
			x.Rates.High, short(x.P50), short(x.P99))
	}
	_ = tw.Flush() // writing to a strings.Builder never fails
	fmt.Fprintln(&b)
	tw = tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "within a round\tops/s\tlowest … highest\tp50\tlowest … highest\tp99\tlowest … highest\t")
	for _, x := range r.Ratios {
		fmt.Fprintf(tw, "%s against %s", x.Way, x.To)
		for _, s := range []Spread{x.Rate, x.P50, x.P99} {
			fmt.Fprintf(tw, "\t×%s\t%s … %s", times(s.Median), times(s.Low), times(s.High))
		}
		fmt.Fprintln(tw, "\t")
	}
	_ = tw.Flush()
	fmt.Fprintln(&b, "\n×2 of ops/s is twice as many reads a second; ×2 of p50 or p99 is half as long a wait.")
	_, err := io.WriteString(w, b.String())
	return err
}

// times formats a ratio with about three digits.
func times(v float64) string {
	if v >= 10 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func short(d time.Duration) string {
	if d < time.Millisecond {
		return strconv.FormatInt(d.Microseconds(), 10) + " µs"
	}
	return strconv.FormatFloat(float64(d)/1e6, 'f', 2, 64) + " ms"
}
