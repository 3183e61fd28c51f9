package hunt

import (
	"strings"
	"testing"
	"time"

	"elenchus/harness/sim/shrink"
)

func TestTable(t *testing.T) {
	found := func(check string) Start { return Start{CPU: 250 * time.Millisecond, Runs: 3, Check: check} }
	missed := Start{CPU: 5 * time.Second, Runs: 99}
	rows := []*Row{
		{Name: "a", Place: "reads", Precedent: "x | y", Budget: 5 * time.Second, Reached: true,
			All:     Hunt{[]Start{found("safe-value"), found("agreement"), found("safe-value"), missed}},
			Clients: &Hunt{[]Start{missed, {CPU: time.Second, Check: "linearizability"}}}},
		{Name: "b", Place: "leases", HeldBack: true, Reached: true, All: Hunt{[]Start{missed, missed}}},
		{Name: "c", Place: "leases", All: Hunt{[]Start{missed}}},
		{Name: "d", Place: "storage", Outside: true},
		{Name: "e", Place: "reads", HeldBack: true, All: Hunt{[]Start{found("linearizability")}}},
	}
	rows[0].Small = &Small{After: shrink.Size{Faults: 2, Operations: 1, Messages: 14}}
	labs := []*Row{
		{Name: "a", Budget: time.Minute, All: Hunt{[]Start{{CPU: 31 * time.Second, Check: CheckViolated}}}},
		{Name: "b", Budget: time.Minute, All: Hunt{[]Start{{CPU: time.Minute}}}},
		{Name: "d", Budget: time.Minute, All: Hunt{[]Start{{CPU: time.Minute}}}}, {Name: "e", Outside: true},
	}
	var page strings.Builder
	if err := Table(&page, rows, labs, "elenchus mutants run"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Made by `elenchus mutants run`",
		"| developed against | 2 | 1 (50 %, 95 %: 9…91) | 0 | 1 |",
		"| held back ° | 2 | 1 (50 %, 95 %: 9…91) | 1 | 1 |",
		"| all | 4 | 2 (50 %, 95 %: 15…85) | 1 | 2 |",
		`| [a](../node/mutants/catalogue/a/mutant.md) | reads | x \| y | 3/4 | safe-value, agreement | 0.25 | 0.25…>5.0 | >5.0 | 6.0 | 2, 1, 14 | 31 |`,
		"| [b](../node/mutants/catalogue/b/mutant.md) ° | leases |  | 2 | executed, and broke nothing |  | - |",
		"| [c](../node/mutants/catalogue/c/mutant.md) | leases |  | 1 | never executed |  | ? |",
		"| [e](../node/mutants/catalogue/e/mutant.md) ° | reads |  | 1/1 | linearizability | 0.25 | 0.25…0.25 | 0.25 | yes | ? | not there |",
		"## Not in the simulator", "| [d](", "with at most 1m0s of elapsed time for each, tests found 1 of 3 mutants that were tried, and",
		"## Not found in a local lab",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no line %q in\n%s", want, page.String())
		}
	}
}
