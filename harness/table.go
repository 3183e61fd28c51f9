package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// table is a list for people: a line that says what the columns are, and aligned rows. Flush prints it.
type table struct{ *tabwriter.Writer }

func newTable(w io.Writer, columns ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row(columns...)
	return t
}

// row adds a row. What goes wrong with it is reported by Flush.
func (t table) row(cells ...string) { fmt.Fprintln(t, strings.Join(cells, "\t")) }
