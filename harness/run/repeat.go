package run

import (
	"fmt"
	"regexp"
	"strings"

	"elenchus/harness/control"
)

// plainWord is what no shell would take for anything but itself.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// Repeat is the command that does a run again, as one types it: the one that was given, with the seed if it had none.
func Repeat(argv []string, seed uint64) string {
	words := make([]string, 0, len(argv)+2)
	seeded := false
	for _, arg := range argv {
		seeded = seeded || arg == "--seed" || strings.HasPrefix(arg, "--seed=")
		if !plainWord.MatchString(arg) {
			arg = control.Quote(arg)
		}
		words = append(words, arg)
	}
	if !seeded {
		words = append(words, "--seed", fmt.Sprint(seed))
	}
	return strings.Join(words, " ")
}
