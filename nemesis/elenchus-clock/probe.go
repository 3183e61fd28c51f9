//go:build linux

package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"elenchus/nemesis/clockshim"
)

// probe answers lines until its input ends. With a control file it re-executes itself under the shim: its readings
// are then those of the node that runs under the same file.
func probe(args []string, stdout io.Writer) error {
	var file string
	var bars bool
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	flags.StringVar(&file, "f", "", "control `file`")
	flags.BoolVar(&bars, "bars", false, "tell the error of the readings, too")
	if err := noWords(parse(flags, args, nil)); err != nil {
		return err
	}
	if file != "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("probe: find this program: %w", err)
		}
		return clockshim.Exec(file, []string{self, "probe", fmt.Sprintf("-bars=%t", bars)}, os.Environ())
	}
	return answer(os.Stdin, stdout, bars)
}

// answer answers every line "TOKEN" at once with the line "TOKEN MONO WALL RAW", and with bars also the error.
func answer(in io.Reader, out io.Writer, bars bool) error {
	watch, err := clockshim.NewWatch()
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	for lines := bufio.NewReader(in); ; {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil // an incomplete line: its writer is gone
		}
		if err != nil {
			return fmt.Errorf("probe: %w", err)
		}
		now, err := watch.Now()
		if err != nil {
			return fmt.Errorf("probe: %w", err)
		}
		token := strings.TrimSuffix(line, "\n")
		if token == "" || strings.ContainsAny(token, " \t\r") {
			return fmt.Errorf("probe: %q is no token: a word without spaces (%w)", token, errUsage)
		}
		bar := ""
		if bars {
			bar = fmt.Sprintf(" %d", now.Error)
		}
		if _, err := fmt.Fprintf(out, "%s %d %d %d%s\n", token, now.Mono, now.Wall, now.Raw, bar); err != nil {
			return fmt.Errorf("probe: %w", err)
		}
	}
}
