package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"elenchus/results"
	"elenchus/results/foreign"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "convert the history of a run for other checkers",
		ArgsUsage: "[RUN]",
		Description: "RUN is a run directory, its name, or latest (the default). The format jepsen is read by Jepsen,\n" +
			"Knossos and Elle, and has faults as :nemesis operations; porcupine is the format of Porcupine's test data,\n" +
			"in which a history with cas is one of a single register: choose it with --key. elenchus check reads both.",
		Flags: withEnv([]cli.Flag{
			&cli.StringFlag{Name: "format", Category: catOutput, Value: foreign.FormatJepsen,
				Usage: "write `FORMAT`: jepsen or porcupine"},
			&cli.StringFlag{Name: "key", Category: catOutput, Usage: "write only the operations on the register `KEY`"},
			&cli.StringFlag{Name: "output", Category: catOutput, Aliases: []string{"o"},
				Usage: "write to `FILE`, which must not exist, instead of standard output"},
			resultsFlag(),
		}),
		Action: exportAction,
	}
}

func exportAction(c *cli.Context) (err error) {
	dir, err := results.Open(c.String("results"), c.Args().First())
	if err != nil {
		return noRun(c.String("results"), c.Args().First(), err)
	}
	write, err := exporter(c.String("format"))
	if err != nil {
		return err
	}
	log, err := history.ReadFile(dir.History())
	if err != nil {
		return err
	}
	faults, err := history.ReadFaults(dir.Faults())
	if err != nil {
		return err
	}
	events, err := eventsOf(log.Events, c.String("key"))
	if err != nil {
		return err
	}
	events, merged := foreign.Once(events)
	if c.String("format") == foreign.FormatPorcupine {
		err := foreign.FitsPorcupine(events)
		switch {
		case errors.Is(err, foreign.ErrRegisters):
			return usageError("%v: choose one with --key (%s)", err, strings.Join(keysOf(events), ", "))
		case err != nil:
			return usageError("%v", err)
		}
	}
	out := c.App.Writer
	if path := c.String("output"); path != "" {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return usageError("%v", err)
		}
		defer func() {
			if err = errors.Join(err, file.Close()); err != nil {
				err = errors.Join(err, os.Remove(path)) // a part of a history would be taken for all of it
			}
		}()
		out = file
	}
	if merged > 0 {
		fmt.Fprintf(c.App.ErrWriter, "note: %s sent several times became one operation each\n",
			verdict.Count(merged, "request"))
	}
	for _, note := range foreign.Loses(c.String("format"), events) {
		fmt.Fprintf(c.App.ErrWriter, "note: %s\n", note)
	}
	if !log.Complete {
		fmt.Fprintln(c.App.ErrWriter, "note: the history breaks off, and so does what is written")
	}
	return write(out, events, faults.Events)
}

func exporter(format string) (func(io.Writer, []history.Event, []history.FaultEvent) error, error) {
	switch format {
	case foreign.FormatJepsen:
		return foreign.WriteJepsen, nil
	case foreign.FormatPorcupine:
		return func(w io.Writer, events []history.Event, _ []history.FaultEvent) error {
			return foreign.WritePorcupine(w, events)
		}, nil
	}
	return nil, usageError("--format is jepsen or porcupine, not %q", format)
}

// eventsOf are the events on one register, or all if none is named.
func eventsOf(events []history.Event, key string) ([]history.Event, error) {
	if key == "" {
		return events, nil
	}
	var out []history.Event
	for _, e := range events {
		if e.Op.Key == key {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return nil, usageError("no operation is on %q: the registers are %s", key, strings.Join(keysOf(events), ", "))
	}
	return out, nil
}

// keysOf lists the registers of a history, in order.
func keysOf(events []history.Event) []string {
	seen := map[string]bool{}
	for _, e := range events {
		seen[e.Op.Key] = true
	}
	return slices.SortedFunc(maps.Keys(seen), byNumber)
}

// byNumber compares names so that r2 comes before r10.
func byNumber(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }
