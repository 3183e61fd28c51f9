package nemesis

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"elenchus/nemesis/clockshim"
)

const magic = "elenchus-schedule"

// Parse parses a schedule file; errors refer to it by name. The schedule returned is valid and sorted, and all its
// faults have names. An error is of type [SyntaxErrors] and lists everything that is wrong.
func Parse(name string, text []byte) (*Schedule, error) {
	p := parser{file: name, places: map[*Fault]*places{}}
	switch {
	case len(text) > maxFileSize:
		p.report(1, 1, "", "the file has %d bytes: at most %d are read", len(text), maxFileSize)
		return nil, p.errors
	case !utf8.Valid(text):
		p.report(1, 1, "", "the file is not text in UTF-8")
		return nil, p.errors
	}
	for i, raw := range strings.Split(string(text), "\n") {
		raw = strings.TrimSuffix(raw, "\r")
		l := &line{number: i + 1, text: raw, tokens: tokenize(raw)}
		if len(l.tokens) == 0 {
			continue
		}
		if p.first == nil {
			p.first = l
			if !p.version(l) {
				return nil, p.errors
			}
			continue
		}
		p.line(l)
	}
	return p.finish()
}

// parser accumulates the contents of a file and its errors.
type parser struct {
	file   string
	errors SyntaxErrors

	first               *line
	seed, nodes, length *line // the lines that set them
	schedule            Schedule
	faults              []*Fault
	places              map[*Fault]*places
}

// places records the positions of the parts of a fault.
type places struct {
	line    *line
	fields  map[string]int
	targets [][]int
}

func (p *parser) report(number, column int, text, format string, args ...any) {
	p.errors = append(p.errors, &SyntaxError{p.file, number, column, fmt.Sprintf(format, args...), text})
}

// here reports an error at the next token of the line.
func (p *parser) here(l *line, format string, args ...any) {
	p.report(l.number, l.place(), l.text, format, args...)
}

// version parses the first line. A file of another version is not parsed any further, because its meaning may
// differ.
func (p *parser) version(l *line) bool {
	if !l.take(magic) {
		p.here(l, "not a schedule: the first line must be \"%s %d\"", magic, Version)
		return false
	}
	number, err := strconv.Atoi(l.peek())
	switch {
	case err != nil || number < 1:
		p.here(l, "expected the version of the file, like \"%s %d\", but %s", magic, Version, l.found())
	case number > Version:
		p.here(l, "version %d of the file is newer than this program, which reads up to %d", number, Version)
	default:
		l.next++
		p.ended(l)
		return true
	}
	return false
}

// ended reports an error if the line has further tokens, and returns false then.
func (p *parser) ended(l *line) bool {
	if l.next < len(l.tokens) {
		p.here(l, "expected the end of the line, but %s", l.found())
		return false
	}
	return true
}

// line parses any line but the first.
func (p *parser) line(l *line) {
	head := func(already **line) bool {
		if *already != nil {
			p.here(l, "%q was said already, in line %d", l.peek(), (*already).number)
			return false
		}
		*already = l
		l.next++
		return true
	}
	switch word := l.peek(); {
	case word == "at" || labelled(l):
		p.faultLine(l)
	case word == "seed":
		if head(&p.seed) {
			p.seedLine(l)
		}
	case word == "nodes":
		if head(&p.nodes) {
			p.nodesLine(l)
		}
	case word == "length":
		if head(&p.length) {
			p.lengthLine(l)
		}
	default:
		p.here(l, "%v", unknownWord("word", word, []string{"at", "seed", "nodes", "length"}))
	}
}

func (p *parser) seedLine(l *line) {
	seed, err := strconv.ParseUint(l.peek(), 10, 64)
	if err != nil {
		p.here(l, "expected a whole number, from 0 to 2^64-1, but %s", l.found())
		return
	}
	p.schedule.Seed = seed
	l.next++
	p.ended(l)
}

func (p *parser) nodesLine(l *line) {
	for l.next < len(l.tokens) {
		node := l.peek()
		if msg := nodeProblem(p.schedule.Nodes, node); msg != "" {
			p.here(l, "%s", msg)
		} else {
			p.schedule.Nodes = append(p.schedule.Nodes, node)
		}
		l.next++
	}
	switch n := len(p.schedule.Nodes); {
	case len(l.tokens) == 1:
		p.here(l, "expected the names of the nodes, but %s", l.found())
	case n > MaxNodes:
		p.report(l.number, 1, l.text, "%d nodes: at most %d are supported", n, MaxNodes)
	}
}

func (p *parser) lengthLine(l *line) {
	column := l.place()
	length, ok := p.duration(l)
	if !ok {
		return
	}
	if msg := lengthProblem(length); msg != "" {
		p.report(l.number, column, l.text, "%s", msg)
		return
	}
	p.schedule.Length = length
	p.ended(l)
}

// duration parses a duration in Go's notation.
func (p *parser) duration(l *line) (time.Duration, bool) {
	d, err := time.ParseDuration(l.peek())
	if err != nil {
		p.here(l, "expected a duration with its unit, like 5s or 250ms, but %s", l.found())
		return 0, false
	}
	l.next++
	return d, true
}

// labelled reports whether the line begins with the name of a fault.
func labelled(l *line) bool { return len(l.tokens) > 1 && l.tokens[1].text == ":" }

// faultLine parses [NAME:] at TIME [for DURATION] KIND ...
func (p *parser) faultLine(l *line) {
	f := &Fault{}
	where := &places{line: l, fields: map[string]int{}}
	if labelled(l) {
		f.ID = l.peek()
		where.fields["id"] = l.place()
		l.next += 2
	}
	if !l.take("at") {
		p.here(l, "expected \"at\" and a time, but %s", l.found())
		return
	}
	var ok bool
	where.fields["at"] = l.place()
	if f.At, ok = p.duration(l); !ok {
		return
	}
	if l.take("for") {
		where.fields["for"] = l.place()
		if f.For, ok = p.duration(l); !ok {
			return
		}
		if f.For <= 0 {
			p.report(l.number, where.fields["for"], l.text, "lasts %v: it must be more than nothing", f.For)
			return
		}
	}
	if l.next >= len(l.tokens) {
		p.here(l, "expected a fault: %s", strings.Join(kindNames(), ", "))
		return
	}
	where.fields["kind"], where.fields["shape"] = l.place(), l.place()
	f.Kind = l.peek()
	if _, known := lookupKind(f.Kind); !known {
		p.here(l, "%v", unknownWord("fault", f.Kind, kindNames()))
		return
	}
	l.next++
	if p.detail(l, f, where) && p.ended(l) {
		p.faults = append(p.faults, f)
		p.places[f] = where
	}
}

// detail parses what follows the kind.
func (p *parser) detail(l *line, f *Fault, where *places) bool {
	switch f.Kind {
	case Partition:
		return p.shape(l, f, where, "shape of partition", shapeNames) && p.partition(l, f, where)
	case Clock:
		return p.shape(l, f, where, "way to move a clock", moveNames) && p.group(l, f, where) && p.move(l, f, where)
	default:
		return p.groups(l, f, where)
	}
}

// shape parses a word that specifies the kind further.
func (p *parser) shape(l *line, f *Fault, where *places, what string, names []string) bool {
	where.fields["shape"] = l.place()
	f.Shape = l.peek()
	if !slices.Contains(names, f.Shape) {
		if f.Shape == "" {
			p.here(l, "expected a %s: %s", what, strings.Join(names, ", "))
		} else {
			p.here(l, "%v", unknownWord(what, f.Shape, names))
		}
		return false
	}
	l.next++
	return true
}

// move parses the move of a clock fault.
func (p *parser) move(l *line, f *Fault, where *places) bool {
	var ok bool
	column := l.place()
	where.fields["move"] = column
	switch f.Shape {
	case ClockRate:
		f.Move.Rate, ok = p.rate(l)
	case ClockStep:
		f.Move.Step, ok = p.duration(l)
	default:
		if f.Move.Strobe, ok = p.duration(l); !ok {
			break
		}
		if ok = l.take("every"); !ok {
			p.here(l, "expected \"every\" and a time, but %s", l.found())
			break
		}
		f.Move.Every, ok = p.duration(l)
	}
	if !ok {
		return false
	}
	if problems := f.moveProblems(); problems != nil {
		p.report(l.number, column, l.text, "%s", problems[0].msg)
		return false
	}
	return true
}

// rate parses the rate of a clock.
func (p *parser) rate(l *line) (clockshim.Rate, bool) {
	if l.next >= len(l.tokens) {
		p.here(l, "expected a rate, like 0.9, -10%% or +500ppm, but %s", l.found())
		return 0, false
	}
	rate, err := parseRate(l.peek())
	if err != nil {
		p.here(l, "%v", err)
		return 0, false
	}
	l.next++
	return rate, true
}

// partition parses what follows the shape of a partition.
func (p *parser) partition(l *line, f *Fault, where *places) bool {
	switch f.Shape {
	case Split:
		return p.groups(l, f, where, "|")
	case OneWay:
		return p.groups(l, f, where, "->")
	case Isolate:
		return p.groups(l, f, where)
	case Bridge:
		if !p.group(l, f, where) {
			return false
		}
		if !l.take("between") {
			return true
		}
		return p.groups(l, f, where, "|")
	default: // Halves and Ring, which need no targets
		return l.next >= len(l.tokens) || p.groups(l, f, where)
	}
}

// groups parses groups of targets with the given separators between them; without one there is a single group.
func (p *parser) groups(l *line, f *Fault, where *places, sign ...string) bool {
	for {
		if !p.group(l, f, where) {
			return false
		}
		if len(sign) == 0 || !l.take(sign[0]) {
			return true
		}
	}
}

// group parses TARGET [, TARGET ...].
func (p *parser) group(l *line, f *Fault, where *places) bool {
	var group []string
	var columns []int
	for {
		if word := l.peek(); word == "" || isSign(word) {
			p.here(l, "expected a node or a role, but %s", l.found())
			return false
		}
		group, columns = append(group, l.peek()), append(columns, l.place())
		l.next++
		if !l.take(",") {
			break
		}
	}
	f.Groups, where.targets = append(f.Groups, group), append(where.targets, columns)
	return true
}

// finish checks what can only be checked once the whole file is known.
func (p *parser) finish() (*Schedule, error) {
	if p.first == nil {
		p.report(1, 1, "", "not a schedule: the first line must be \"%s %d\"", magic, Version)
		return nil, p.errors
	}
	for _, need := range []struct {
		name string
		line *line
	}{{"nodes", p.nodes}, {"length", p.length}} {
		if need.line == nil {
			p.report(p.first.number, 1, p.first.text, "the file has no line that begins with %q", need.name)
		}
	}
	if len(p.faults) > MaxFaults {
		p.report(p.first.number, 1, p.first.text, "%d faults: at most %d are supported", len(p.faults), MaxFaults)
	}
	p.checkNames()
	for _, f := range p.faults {
		p.checkFault(f)
	}
	if len(p.errors) > 0 {
		slices.SortStableFunc(p.errors, func(a, b *SyntaxError) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Column - b.Column
		})
		return nil, p.errors
	}
	for _, f := range p.faults {
		p.schedule.Faults = append(p.schedule.Faults, *f)
	}
	p.schedule.Sort()
	p.schedule.nameFaults()
	return &p.schedule, nil
}

func (p *parser) checkNames() {
	seen := map[string]int{}
	for _, f := range p.faults {
		if f.ID == "" && p.places[f].fields["id"] == 0 {
			continue
		}
		where := p.places[f]
		column := where.fields["id"]
		if !idPattern.MatchString(f.ID) {
			p.report(where.line.number, column, where.line.text,
				"%q is no name for a fault: up to 16 small letters, digits and dashes, a letter first", f.ID)
		} else if other := seen[f.ID]; other != 0 {
			p.report(where.line.number, column, where.line.text,
				"the fault in line %d is called %q already", other, f.ID)
		}
		seen[f.ID] = where.line.number
	}
}

// checkFault checks a fault against the head of the file, as far as the head could be parsed.
func (p *parser) checkFault(f *Fault) {
	where := p.places[f]
	var problems []problem
	if p.schedule.Length > 0 {
		problems = f.timeProblems(p.schedule.Length)
	}
	if len(p.schedule.Nodes) > 0 && len(p.schedule.Nodes) <= MaxNodes {
		problems = append(problems, f.targetProblems(p.schedule.Nodes)...)
	}
	for _, problem := range problems {
		column := where.fields[problem.field]
		if problem.field == "target" {
			column = where.targets[problem.group][problem.index]
		}
		p.report(where.line.number, column, where.line.text, "%s", problem.msg)
	}
}

// Format returns the schedule as a file. Parsing it yields the same schedule, provided that it is valid. Faults are
// named unless each has the name that it gets by its place in the file.
func (s *Schedule) Format() []byte {
	for i, f := range s.Faults {
		if f.ID != fmt.Sprintf("f%d", i+1) {
			return s.FormatNamed()
		}
	}
	return s.format(func(Fault) string { return "" })
}

// FormatNamed is Format with the names of all faults, for a reader who is told of faults by their names.
func (s *Schedule) FormatNamed() []byte {
	return s.format(func(f Fault) string { return f.ID + ": " })
}

// format writes every fault with a label in front.
func (s *Schedule) format(label func(Fault) string) []byte {
	var b bytes.Buffer
	s.formatHead(&b)
	if len(s.Faults) == 0 {
		return b.Bytes()
	}
	longest := 0
	for _, f := range s.Faults {
		longest = max(longest, len(label(f)))
	}
	table := newTable(fmt.Sprintf("%-*sat", max(longest, len("# ")), "# "), "for", "fault")
	for _, f := range s.Faults {
		table.row(fmt.Sprintf("%-*sat %v", longest, label(f), f.At), forColumn(f), f.name())
	}
	table.write(&b)
	return b.Bytes()
}

func (s *Schedule) formatHead(w io.Writer) {
	fmt.Fprintf(w, "%s %d\nseed %d\nnodes %s\nlength %v\n\n", magic, Version, s.Seed,
		strings.Join(s.Nodes, " "), s.Length)
}

func forColumn(f Fault) string {
	if f.For == 0 {
		return ""
	}
	return "for " + f.For.String()
}

// table aligns columns.
type table struct {
	rows  [][]string
	width []int
}

func newTable(head ...string) *table {
	t := &table{width: make([]int, len(head))}
	t.row(head...)
	return t
}

func (t *table) row(cells ...string) {
	t.rows = append(t.rows, cells)
	for i, cell := range cells {
		t.width[i] = max(t.width[i], utf8.RuneCountInString(cell))
	}
}

func (t *table) write(w io.Writer) {
	for _, cells := range t.rows {
		var b strings.Builder
		for i, cell := range cells {
			if i == len(cells)-1 {
				b.WriteString(cell)
				continue
			}
			fmt.Fprintf(&b, "%-*s", t.width[i]+2, cell)
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// parseFault parses a fault from a line of a schedule. It checks only the grammar, neither targets nor times.
func parseFault(text string) (Fault, error) {
	p := parser{file: "fault", places: map[*Fault]*places{}}
	p.faultLine(&line{number: 1, text: text, tokens: tokenize(text)})
	if len(p.errors) > 0 {
		return Fault{}, p.errors
	}
	return *p.faults[0], nil
}
