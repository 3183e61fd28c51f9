package run

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"elenchus/harness/control"
	"elenchus/results"
)

// plainWord matches words that no shell interprets.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// RepeatIn is [Repeat] for a run that has a directory. It refers to the copy of the schedule in that directory,
// because the file that was given may have been changed or removed since.
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

// Repeat returns the command that repeats a run: the command that was given, with the seed if that was not given.
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
