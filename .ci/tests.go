//go:build ignore

// This program reads what `go test -json` prints and prints what `go test` would, followed by the tests that were
// skipped and why, which it also writes to a file. It fails when a test failed; and, given a file with the reasons that
// are allowed, when a test was skipped for another: otherwise a test could cease to run and nobody would notice.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// event is a line of `go test -json`, see `go doc test2json`.
type event struct {
	Action, Package, Test, Output string
}

// noise is what a passing test or package prints besides its result.
var noise = regexp.MustCompile(`^(=== |\s*--- (PASS|SKIP): |PASS\n|testing: warning: no tests to run)`)

func main() {
	if len(os.Args) != 2 && len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go test -json PACKAGES | go run .ci/tests.go SKIPPED [ALLOWED]")
		os.Exit(64)
	}
	allowed, err := patterns(os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	failed, skipped, err := follow(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var report strings.Builder
	slices.Sort(skipped)
	for _, s := range slices.Compact(skipped) {
		mark := ""
		if !slices.ContainsFunc(allowed, func(p *regexp.Regexp) bool { return p.MatchString(s) }) {
			mark, failed = "NOT ALLOWED, see .ci/skips: ", true
		}
		fmt.Fprintf(&report, "skipped: %s%s\n", mark, s)
	}
	fmt.Print(report.String())
	if err := os.WriteFile(os.Args[1], []byte(report.String()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		failed = true
	}
	if failed {
		os.Exit(1)
	}
}

// patterns reads the reasons for which a test may be skipped. Without a file it is any.
func patterns(paths []string) (all []*regexp.Regexp, err error) {
	if len(paths) == 0 {
		return []*regexp.Regexp{regexp.MustCompile("")}, nil
	}
	path := paths[0]
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		p, err := regexp.Compile(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// follow prints the output of packages and of tests that fail, and collects the tests that are skipped.
func follow(in *os.File) (failed bool, skipped []string, err error) {
	output := map[string][]string{} // of tests that have not ended yet
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Println(lines.Text()) // of the go command itself
			continue
		}
		key := e.Package + "." + e.Test
		switch {
		case e.Action == "build-output", e.Action == "output" && e.Test == "" && !noise.MatchString(e.Output):
			fmt.Print(e.Output)
		case e.Action == "output":
			output[key] = append(output[key], e.Output)
		case e.Action == "fail" && e.Test == "":
			failed = true
			printRest(output, key)
		case e.Action == "fail" || e.Action == "build-fail":
			failed = true
			fmt.Print(strings.Join(output[key], ""))
			delete(output, key)
		case e.Action == "skip" && e.Test != "":
			skipped = append(skipped, strings.TrimPrefix(key, "elenchus/")+": "+reason(output[key]))
			delete(output, key)
		case e.Action == "pass":
			delete(output, key)
		}
	}
	return failed, skipped, lines.Err()
}

// printRest prints what is kept of a package that failed, whose key is the prefix of those of its tests. Of a test binary
// that died, of a panic, a time limit or an exit, that is what its unfinished tests have printed: they never end.
func printRest(output map[string][]string, prefix string) {
	for _, key := range slices.Sorted(maps.Keys(output)) {
		if strings.HasPrefix(key, prefix) {
			fmt.Print(strings.Join(output[key], ""))
			delete(output, key)
		}
	}
}

// reason is what a test has said when it was skipped.
func reason(output []string) string {
	var said []string
	for _, line := range output {
		if !noise.MatchString(line) {
			said = append(said, strings.TrimSpace(line))
		}
	}
	return strings.Join(said, " ")
}
