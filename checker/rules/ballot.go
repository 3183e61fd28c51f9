package rules

import (
	"cmp"
	"strconv"
	"strings"
)

// Ballot is a ballot as nodes write it: "7.n2". The zero ballot is none.
type Ballot struct{ Round, Node uint64 }

// ParseBallot reads a ballot. An empty text is the zero ballot.
func ParseBallot(text string) (Ballot, bool) {
	if text == "" || text == "-" {
		return Ballot{}, true
	}
	round, node, ok := strings.Cut(text, ".n")
	r, err1 := strconv.ParseUint(round, 10, 64)
	n, err2 := strconv.ParseUint(node, 10, 64)
	return Ballot{r, n}, ok && err1 == nil && err2 == nil
}

// Compare orders ballots by round, then by node.
func (b Ballot) Compare(c Ballot) int {
	return cmp.Or(cmp.Compare(b.Round, c.Round), cmp.Compare(b.Node, c.Node))
}

// Less reports whether b is below c.
func (b Ballot) Less(c Ballot) bool { return b.Compare(c) < 0 }

// IsZero reports whether b is no ballot.
func (b Ballot) IsZero() bool { return b == Ballot{} }

// String is the ballot as nodes write it.
func (b Ballot) String() string {
	if b.IsZero() {
		return "none"
	}
	return strconv.FormatUint(b.Round, 10) + ".n" + strconv.FormatUint(b.Node, 10)
}
