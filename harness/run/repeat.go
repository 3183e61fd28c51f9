package run

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"elenchus/harness/control"
	"elenchus/results"
)

// plainWord is what no shell would take for anything but itself.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// RepeatIn is [Repeat] for a run that has a directory. A schedule is taken from there, because the file that was given
// may have been edited or removed since.
func RepeatIn(dir results.Run, argv []string, seed uint64) string {
	argv = slices.Clone(argv)
	for i, arg := range argv {
		if arg == "--schedule" && i+1 < len(argv) {
			argv[i+1] = dir.SchedulePlanned()
		} else if strings.HasPrefix(arg, "--schedule=") {
			argv[i] = "--schedule=" + dir.SchedulePlanned()
		}
	}
	return Repeat(argv, seed)
}

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
