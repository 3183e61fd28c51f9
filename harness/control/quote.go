package control

import "strings"

// Quote makes one word of s for a POSIX shell, whatever s contains. It panics on a NUL byte: no word of a shell, and no
// argument of a program, can hold one.
func Quote(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		panic("control: quote a string with a NUL byte")
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// QuoteAll makes a command line of argv.
func QuoteAll(argv []string) string {
	words := make([]string, len(argv))
	for i, s := range argv {
		words[i] = Quote(s)
	}
	return strings.Join(words, " ")
}
