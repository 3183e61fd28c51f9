package report

import (
	"fmt"
	"io"

	"elenchus/results"
	"elenchus/results/verdict"
)

func Write(string) error { return nil }
func Summary(w io.Writer, dir string, v verdict.Verdict, m *results.Manifest, color bool) error {
	fmt.Fprintf(w, "%s %+v\n", v.Word(), v)
	return nil
}
