package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

//go:embed page.html
var pageSource string

//go:embed figures.html
var figuresSource string

// headSource is how the pages of tests and of sweeps begin.
//
//go:embed head.html
var headSource string

//go:embed page.css
var pageStyle string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": plural, "seconds": seconds, "compact": compact, "grouped": grouped, "size": size, "href": href,
	"upper": upper, "what": what,
	"statusClass": statusClass, "faultClass": faultClass, "faultStatusClass": faultStatusClass,
}).Parse(headSource + pageSource + figuresSource))

// page is what the template shows.
type page struct {
	Input
	Style                  template.CSS
	Findings, MoreFindings []finding // those that are shown at once, and the rest
	Word                   string
	Headline               string // what was violated, and what broke, in a few words each
	Class                  string // of the verdict
	Axes                   []axis
	Remarks                []string        // what broke no rule, and is worth a word
	Checks, Idle           []verdict.Check // those that had something to look at, and those that had not
	Timeline               *timeline
	Clocks                 *clockReport
	Unready                []string // what was missing after the heal and is no node's
	Phases                 []phaseRows
	Total                  verdict.OperationCount
	Leaders                []fact // what came of leaderships
	Faults                 []faultRow
	Hosts                  []hostRow
	Facts                  []fact
	Check                  string // the command that judges the run again
	MoreFiles              bool
	Picture                string // a space-time diagram, if there is one
}

// finding is a finding with its picture.
type finding struct {
	verdict.Finding
	Closeup *closeup
}

// axis is one axis of the verdict.
type axis struct {
	Name    string
	Status  verdict.Status
	Class   string
	About   string // what the axis asks
	Summary string
	Reasons []string
}

// phaseRows are the operations of one phase.
type phaseRows struct {
	Phase string
	Rows  []verdict.OperationCount
}

type faultRow struct {
	history.FaultWindow
	Class                      string
	Planned                    time.Duration
	ReadSilence, UpdateSilence time.Duration
	OKs                        int
	Measured                   bool // the silences and OKs are known
	Evidence                   []string
}

type hostRow struct {
	results.Host
	Ready       *results.NodeReady
	Answered    time.Duration // after the heal
	Silent      bool          // it did not answer any more
	Leaderships int
	Applied     uint64
	Boots       int
	Files       []File
	More        int // files that are not listed here
}

type fact struct{ Name, Value string }

// findingsOpen is how many findings are shown at once.
const findingsOpen = 3

// Render writes the page.
func Render(w io.Writer, in Input) error {
	in.addUp()
	st := newStories(in)
	p := page{
		Input: in, Style: template.CSS(pageStyle), Word: "NOT CHECKED", Class: "none",
		Timeline: newTimeline(in, st), Clocks: newClockReport(in, st), Faults: faultRows(in), Hosts: hostRows(in, st),
		Unready: unready(in.Manifest), Facts: facts(in.Manifest), Check: "elenchus check " + in.Name,
	}
	if in.Checked {
		p.Word, p.Class = in.Verdict.Word(), wordClass(in.Verdict.ExitCode())
		p.Axes = axes(in.Verdict, imported(in.Manifest))
		p.Remarks = remarks(in.Verdict)
		for _, c := range in.Verdict.Safety.Checks {
			if c.Status == verdict.None {
				p.Idle = append(p.Idle, c)
			} else {
				p.Checks = append(p.Checks, c)
			}
		}
		p.Phases, p.Total = phases(in.Verdict.Coverage.Operations)
		p.Leaders = leaderRows(in.Verdict.Coverage)
	}
	p.Headline = headline(in.Verdict.Safety.Findings)
	for i, f := range in.Verdict.Safety.Findings {
		p.Findings = append(p.Findings, finding{Finding: f})
		if i < closeupsMax {
			p.Findings[i].Closeup = newCloseup(in, st, f)
		}
	}
	if len(p.Findings) > findingsOpen+1 { // for a single one more it is not worth hiding it
		p.Findings, p.MoreFindings = p.Findings[:findingsOpen], p.Findings[findingsOpen:]
	}
	if slices.ContainsFunc(in.Files, func(f File) bool { return f.Path == results.PictureFile }) {
		p.Picture = results.PictureFile
	}
	if len(p.Files) > filesMax {
		p.Files, p.MoreFiles = p.Files[:filesMax], true
	}
	if err := pageTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("render report: %w", err)
	}
	return nil
}

// what says in a phrase what was run, and where.
func what(m *results.Manifest) string {
	c := m.Config
	if imported(m) {
		return fmt.Sprintf("a history in the format %s, recorded by another tool", m.Imported)
	}
	system := cmp.Or(c.Protocol, c.System)
	if system == "multipaxos" {
		system = "Multi-Paxos"
	}
	where := m.Lab + " lab"
	if m.Lab == "sim" {
		where = "simulated"
	}
	return fmt.Sprintf("workload %s on %s, %s, %s", c.Workload, system, plural(len(m.Hosts), "node"), where)
}

// headline sums up findings: "Stale read, 10 times. What broke: clocks drifted apart; two leases at once."
func headline(findings []verdict.Finding) string {
	var names, causes []string
	times := make(map[string]int)
	for _, f := range findings {
		name := cmp.Or(f.Title, f.Name)
		if name == "" {
			continue
		}
		if times[name]++; times[name] == 1 {
			names = append(names, name)
		}
		for _, c := range f.Causes {
			if !slices.Contains(causes, c.Name) {
				causes = append(causes, c.Name)
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	for i, name := range names {
		if n := times[name]; n > 1 {
			names[i] = fmt.Sprintf("%s, %d times", name, n)
		}
	}
	text := upper(strings.Join(names, "; ")) + "."
	if len(causes) > 0 {
		text += " What broke: " + strings.Join(causes, "; ") + "."
	}
	return text
}

// href is a link to a file in the run's directory. The leading dot keeps names from being read as schemes.
func href(rel string) string {
	parts := strings.Split(path.Clean("/"+rel), "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return "." + strings.Join(parts, "/")
}

func wordClass(code int) string {
	switch code {
	case verdict.ExitValid:
		return "good"
	case verdict.ExitViolated:
		return "bad"
	case verdict.ExitHarness:
		return "sick"
	}
	return "open"
}

func statusClass(s verdict.Status) string {
	switch s {
	case verdict.Valid, verdict.Sufficient, verdict.Healthy:
		return "good"
	case verdict.Violated:
		return "bad"
	case verdict.Failed, verdict.Interrupted:
		return "sick"
	case verdict.None:
		return "none"
	}
	return "open"
}

func faultStatusClass(s history.FaultStatus) string {
	switch s {
	case history.FaultInstalled, history.FaultReverted:
		return "good"
	case history.FaultFailed:
		return "sick"
	}
	return "none"
}

// imported tells whether another tool recorded the history.
func imported(m *results.Manifest) bool { return m != nil && m.Imported != "" }

func axes(v verdict.Verdict, imported bool) []axis {
	out := []axis{
		{Name: "Safety", Status: v.Safety.Status,
			About:   "Did anything happen that a correct register could not have done?",
			Summary: safetySummary(v.Safety), Reasons: v.Safety.Reasons},
		{Name: "Liveness", Status: v.Liveness.Status, About: "Did the system answer again once it was left in peace?",
			Summary: livenessSummary(v.Liveness), Reasons: v.Liveness.Reasons},
		{Name: "Coverage", Status: v.Coverage.Status, About: "Was enough exercised for the answers to mean something?",
			Summary: coverageSummary(v.Coverage), Reasons: v.Coverage.Reasons},
		{Name: "Harness", Status: v.Harness.Status, About: "Can the run itself be trusted?",
			Summary: harnessSummary(v.Harness, imported), Reasons: v.Harness.Reasons},
	}
	for i := range out {
		out[i].Class = statusClass(out[i].Status)
	}
	return out
}

func safetySummary(s verdict.Safety) string {
	var parts []string
	for _, c := range s.Checks {
		if c.Status != verdict.None {
			parts = append(parts, fmt.Sprintf("%s %s", c.Checker, c.Status))
		}
	}
	if n := len(s.Findings); n > 0 {
		parts = append(parts, plural(n, "finding"))
	}
	return strings.Join(parts, ", ")
}

func livenessSummary(l verdict.Liveness) string {
	var s string
	if l.Recovery > 0 && l.Status == verdict.Valid {
		s = "recovered in " + compact(l.Recovery)
		if l.FirstUpdate != nil {
			s += ", first update after " + compact(*l.FirstUpdate)
		}
	}
	var reads, updates verdict.FaultLiveness
	for _, f := range l.Faults {
		if f.ReadSilence > reads.ReadSilence {
			reads = f
		}
		if f.UpdateSilence > updates.UpdateSilence {
			updates = f
		}
	}
	if reads.ReadSilence > 0 || updates.UpdateSilence > 0 {
		if s != "" {
			s += "; "
		}
		s += fmt.Sprintf("longest under a fault without a read %s (%s), without an update %s (%s)",
			compact(reads.ReadSilence), reads.ID, compact(updates.UpdateSilence), updates.ID)
	}
	return s
}

func coverageSummary(c verdict.Coverage) string {
	_, t := phases(c.Operations)
	s := fmt.Sprintf("%s ok, %s fail, %s unknown", grouped(t.OK), grouped(t.Fail), grouped(t.Unknown))
	installed := 0
	var kinds []string
	for _, f := range c.Faults {
		installed += f.Installed
		if f.InEffect > 0 {
			kinds = append(kinds, fmt.Sprintf("%s %s", f.Kind, compact(f.InEffect)))
		}
	}
	if len(c.Faults) > 0 {
		s += "; " + plural(installed, "fault")
		if len(kinds) > 0 {
			s += fmt.Sprintf(" (%s)", strings.Join(kinds, ", "))
		}
		s += fmt.Sprintf(", %s ok under them", grouped(c.UnderFault))
	}
	if c.Leaders > 0 {
		s += "; " + plural(c.Leaders, "leadership")
	}
	if d := c.DeposedReads; d != nil && d.Attempted > 0 {
		s += fmt.Sprintf("; %s at deposed leaders, %s answered", plural(d.Attempted, "read"), grouped(d.Answered))
	}
	return s
}

// leaderRows are what is told of leaders and laggards, with names for people.
func leaderRows(c verdict.Coverage) []fact {
	rows := []fact{
		{"elections", grouped(c.Leaders)},
		{"leases that expired", grouped(c.LeaseExpiries)},
		{"leases given up", grouped(c.LeasesForsaken)},
		{"times that a node caught up", grouped(c.CatchUps)},
		{"snapshots installed", grouped(c.SnapshotsInstalled)},
	}
	d := c.DeposedReads
	if d == nil {
		return append(rows, fact{"reads attempted at deposed leaders", "not known: clocks cannot be compared"})
	}
	return append(rows, fact{"times that a leader was deposed and did not know it", grouped(d.Terms)},
		fact{strings.TrimSpace(d.Way + " reads attempted at deposed leaders"), grouped(d.Attempted)},
		fact{"… of these answered by the deposed leader", grouped(d.Answered)},
		fact{"… answered after it had learned of another", grouped(d.Forwarded)},
		fact{"… refused", grouped(d.Refused)},
		fact{"… without an answer", grouped(d.Unknown)})
}

func harnessSummary(h verdict.Harness, imported bool) string {
	switch {
	case h.Status != verdict.Healthy:
		return ""
	case imported:
		return "the history is whole; what else another harness did is not known"
	}
	return "the history is whole, and every fault was proven"
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return grouped(n) + " " + noun
}

func phases(counts []verdict.OperationCount) (rows []phaseRows, total verdict.OperationCount) {
	for _, c := range counts {
		if len(rows) == 0 || rows[len(rows)-1].Phase != c.Phase {
			rows = append(rows, phaseRows{Phase: c.Phase})
		}
		last := &rows[len(rows)-1]
		last.Rows = append(last.Rows, c)
		total.OK += c.OK
		total.Mismatch += c.Mismatch
		total.Fail += c.Fail
		total.Unknown += c.Unknown
	}
	return rows, total
}

func faultRows(in Input) []faultRow {
	measured := make(map[string]verdict.FaultLiveness)
	for _, f := range in.Verdict.Liveness.Faults {
		measured[f.ID] = f
	}
	var rows []faultRow
	for _, w := range history.Windows(in.Faults) {
		r := faultRow{FaultWindow: w, Class: faultClass(w.Kind)}
		if f, ok := measured[w.ID]; ok {
			r.ReadSilence, r.UpdateSilence, r.OKs, r.Measured = f.ReadSilence, f.UpdateSilence, f.OKs, true
		}
		for _, e := range in.Faults {
			if e.ID != w.ID {
				continue
			}
			if e.Step == history.FaultApply {
				r.Planned = e.Planned
			}
			for _, text := range e.Evidence {
				r.Evidence = append(r.Evidence, fmt.Sprintf("%s %s: %s", e.Step, seconds(e.End), text))
			}
			if e.Error != "" {
				r.Evidence = append(r.Evidence, fmt.Sprintf("%s %s: error: %s", e.Step, seconds(e.End), e.Error))
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// hostFilesMax is how many files a node's row links to; the list of all files has the rest.
const hostFilesMax = 8

func hostRows(in Input, st stories) []hostRow {
	var rows []hostRow
	for _, h := range in.Manifest.Hosts {
		r := hostRow{Host: h}
		if i := slices.IndexFunc(in.Manifest.Recovery.Nodes,
			func(n results.NodeReady) bool { return n.Node == h.Name }); i >= 0 {
			r.Ready = &in.Manifest.Recovery.Nodes[i]
		}
		for _, n := range in.Nodes {
			if n.Name == h.Name {
				r.observed(n.Observations)
			}
		}
		r.Leaderships = len(st.of(h.Name).Leads)
		r.Answered, r.Silent = afterTheHeal(in, h.Name)
		for _, f := range in.Files {
			if rest, ok := strings.CutPrefix(f.Path, path.Join(results.NodesDir, h.Name)+"/"); ok {
				if len(r.Files) == hostFilesMax {
					r.More++
					continue
				}
				r.Files = append(r.Files, File{Path: f.Path, Size: f.Size, What: rest})
			}
		}
		rows = append(rows, r)
	}
	return rows
}

func (r *hostRow) observed(obs []history.Observation) {
	boots := make(map[string]bool)
	for _, o := range obs {
		boots[o.Boot] = true
		if o.Kind == history.ObservedApplied {
			r.Applied = max(r.Applied, o.Slot)
		}
	}
	r.Boots = len(boots)
}

// afterTheHeal is how long after the last heal a node first answered a client, or that it never did. It is neither when
// nobody waited for it.
func afterTheHeal(in Input, node string) (answered time.Duration, silent bool) {
	r := in.Manifest.Recovery
	if !r.Attempted {
		return 0, false
	}
	at, ok := in.Activity.answered[node]
	if !ok {
		return 0, true
	}
	return at - r.HealedAt, false
}

// unready is what the harness missed after the heal, apart from what it says of single nodes.
func unready(m *results.Manifest) []string {
	var out []string
	for _, n := range m.Recovery.Nodes {
		isHost := slices.ContainsFunc(m.Hosts, func(h results.Host) bool { return h.Name == n.Node })
		if !isHost && !n.Ready && n.Detail != "" {
			out = append(out, n.Node+": "+n.Detail)
		}
	}
	return out
}

// facts are the things in the manifest that have no place elsewhere.
func facts(m *results.Manifest) []fact {
	c := m.Config
	rate := "as fast as they can"
	if c.Rate > 0 {
		rate = fmt.Sprintf("%g per second, all clients together", c.Rate)
	}
	nemesis := "none"
	if len(c.Nemesis) > 0 {
		nemesis = strings.Join(c.Nemesis, ", ")
	}
	out := []fact{
		{"Started", m.Started.UTC().Format("2006-01-02 15:04:05.000 MST")},
		{"System", strings.TrimSpace(c.System + " " + c.Protocol)},
		{"Reads", c.Reads},
		{"Leases", c.Lease.String()},
		{"Workload", c.Workload},
		{"Clients", fmt.Sprint(c.Concurrency)},
		{"Operations", rate},
		{"Time limit", compact(c.TimeLimit)},
		{"Deadline of an operation", compact(c.OpTimeout)},
		{"Faults", nemesis},
		{"Seed", fmt.Sprint(m.Seed)},
		{"Lab", m.Lab},
		{"Node program", strings.TrimSpace(m.Node.Version + " sha256:" + m.Node.SHA256)},
		{"Mutant", m.Node.Mutant},
		{"Harness", m.Tool.String() + " " + m.Tool.Go},
		{"Command", strings.Join(m.Argv, " ")},
		{"State", string(m.State)},
	}
	for name, value := range sorted(c.Options) {
		out = append(out, fact{"Option " + name, value})
	}
	return slices.DeleteFunc(out, func(f fact) bool { return f.Value == "" || f.Value == "sha256:" })
}
