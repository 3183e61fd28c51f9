package report

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"elenchus/results"
	"elenchus/results/verdict"
)

// summaryFindings is how many findings the terminal shows; the page has them all.
const summaryFindings = 3

// ANSI colours of a terminal, by class.
var terminalColors = map[string]string{
	"good": "\x1b[32m", "bad": "\x1b[31m", "open": "\x1b[33m", "sick": "\x1b[35m", "none": "\x1b[2m",
}

// Summary writes what the run in dir came to in about a dozen lines, for a terminal; with colours if color is set. Text
// that came from elsewhere is stripped of control characters. The manifest may be nil.
func Summary(w io.Writer, dir string, v verdict.Verdict, m *results.Manifest, color bool) error {
	paint := func(class, text string) string {
		if !color {
			return text
		}
		return terminalColors[class] + text + "\x1b[0m"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n\n", paint(wordClass(v.ExitCode()), v.Word()), plain(v.Run))
	for _, a := range axes(v, imported(m)) {
		text := a.Summary
		if a.Summary == "" && len(a.Reasons) > 0 {
			text, a.Reasons = a.Reasons[0], a.Reasons[1:]
		}
		line := fmt.Sprintf("  %-9s %s  %s", strings.ToLower(a.Name), paint(a.Class, fmt.Sprintf("%-11s", a.Status)),
			indented(text))
		fmt.Fprintln(&b, strings.TrimRight(line, " "))
		for i, r := range a.Reasons {
			if i == summaryFindings {
				fmt.Fprintf(&b, "%25s%s\n", "", plural(len(a.Reasons)-i, "more reason"))
				break
			}
			fmt.Fprintf(&b, "%25s%s\n", "", indented(r))
		}
	}
	if v.Stopped != "" {
		fmt.Fprintf(&b, "  stopped   early: %s\n", plain(v.Stopped))
	}
	for _, r := range remarks(v) {
		fmt.Fprintf(&b, "  remark    %s\n", r)
	}
	told := make(map[string]bool) // what was said of causes
	for i, f := range v.Safety.Findings {
		if i == 0 {
			fmt.Fprintln(&b)
		}
		if i == summaryFindings {
			fmt.Fprintf(&b, "  and %s\n", plural(len(v.Safety.Findings)-i, "more finding"))
			break
		}
		name := ""
		if h := f.Heading(); h != "" {
			name = upper(h) + ". "
		}
		fmt.Fprintf(&b, "  %s %s%s\n", paint("bad", "✗"), plain(name), plain(f.Summary))
		if len(f.Causes) > 0 {
			says := f.Causes[0].Says
			if told[says] {
				says = upper(f.Causes[0].Name) + ", as above."
			}
			told[f.Causes[0].Says] = true
			fmt.Fprintf(&b, "    %s %s\n", paint("bad", "→"), plain(says))
		}
	}
	fmt.Fprintln(&b)
	if m != nil && m.Node.Mutant != "" {
		fmt.Fprintf(&b, "  mutant    %s was built into the nodes\n", plain(m.Node.Mutant))
	}
	if m != nil && m.Repeat != "" {
		fmt.Fprintf(&b, "  repeat    %s\n", plain(m.Repeat))
	}
	fmt.Fprintf(&b, "  report    %s\n", plain(filepath.Join(dir, results.ReportFile)))
	_, err := io.WriteString(w, b.String())
	return err
}

// checkProtocol is the check that excuses what clocks explain.
const checkProtocol = "protocol"

// remarks are what a valid run went through without a rule being broken, so that no finding tells of it.
func remarks(v verdict.Verdict) []string {
	var out []string
	if v.Safety.Status != verdict.Valid {
		return nil
	}
	if two := v.Coverage.TwoLeases; two != nil {
		text := fmt.Sprintf("two nodes both believed to hold a lease, %s, for up to %s, first at %s", times(two.Times),
			compact(two.Longest), seconds(two.At))
		if slices.ContainsFunc(v.Safety.Checks, func(c verdict.Check) bool {
			return c.Checker == checkProtocol && c.Status == verdict.Valid
		}) {
			text += ": no longer than the clocks explain"
		}
		out = append(out, text)
	}
	if d := v.Coverage.DeposedReads; d != nil && d.Answered > 0 {
		out = append(out, fmt.Sprintf("%s answered by leaders that had been deposed, and none of the answers was stale",
			were(d.Answered, "read")))
	}
	return out
}

// times is how often something happened: "once", "2 times".
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return plural(n, "time")
}

// were is a number of things, and the verb for so many: "1 read was".
func were(n int, noun string) string {
	if n == 1 {
		return plural(n, noun) + " was"
	}
	return plural(n, noun) + " were"
}

// summaryLines is how many lines of one reason, such as a log, the terminal shows: the first, and of the rest the last.
const summaryLines = 4

// indented is a reason of one or more lines as it stands below the others.
func indented(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if more := len(lines) - summaryLines; more > 1 {
		lines = append([]string{lines[0], fmt.Sprintf("(%s)", plural(more, "more line"))}, lines[more+1:]...)
	}
	for i, line := range lines {
		lines[i] = plain(line)
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", 27))
}

// plain replaces what could steer a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}
