package control

import "strings"

// Quote quotes s as one word for a POSIX shell, whatever s contains. It panics on a NUL byte, which no shell word
// and no program argument can contain.
func Quote(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		panic("control: quote a string with a NUL byte")
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// QuoteAll returns argv as a command line.
func QuoteAll(argv []string) string {
	words := make([]string, len(argv))
	for i, s := range argv {
		words[i] = Quote(s)
	}
	return strings.Join(words, " ")
}
