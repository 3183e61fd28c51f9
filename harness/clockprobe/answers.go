package clockprobe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"elenchus/results/history"
)

// answers takes what the program writes, notes when each line arrived, and hands it to the one who asked.
type answers struct {
	now     func() time.Duration
	pending []byte
	lines   chan arrived
}

type arrived struct {
	text string
	at   time.Duration
}

// answersMax is how many lines may arrive that nobody waits for: there should be one at most.
const answersMax = 16

// answerBytesMax is how long a line may be.
const answerBytesMax = 256

func newAnswers(now func() time.Duration) *answers {
	return &answers{now: now, lines: make(chan arrived, answersMax)}
}

// errBabble is why a program is given up that says things nobody asked for.
var errBabble = errors.New("the program writes what nobody asked for")

// Write implements io.Writer.
func (a *answers) Write(b []byte) (int, error) {
	at := a.now()
	a.pending = append(a.pending, b...)
	for {
		line, rest, whole := bytes.Cut(a.pending, []byte("\n"))
		if !whole {
			break
		}
		select {
		case a.lines <- arrived{string(line), at}:
		default:
			return 0, errBabble
		}
		a.pending = append(a.pending[:0], rest...)
	}
	if len(a.pending) > answerBytesMax {
		return 0, errBabble
	}
	return len(b), nil
}

// wait is the answer to the question of that token: a sample, but for node and time of asking.
func (a *answers) wait(ctx context.Context, token string, patience time.Duration) (history.ClockLine, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case line := <-a.lines:
		return parse(line, token)
	case <-timer.C:
		return history.ClockLine{}, fmt.Errorf("no answer within %v", patience)
	case <-ctx.Done():
		return history.ClockLine{}, ctx.Err()
	}
}

// parse reads "TOKEN MONO WALL RAW".
func parse(line arrived, token string) (history.ClockLine, error) {
	l := history.ClockLine{Received: line.at}
	fields := strings.Fields(line.text)
	if len(fields) != 4 || fields[0] != token {
		return l, fmt.Errorf("asked for the clocks with token %s, the answer is %.60q", token, line.text)
	}
	for i, to := range []*int64{&l.Mono, &l.Wall, &l.Raw} {
		v, err := strconv.ParseInt(fields[i+1], 10, 64)
		if err != nil || v <= 0 {
			return l, fmt.Errorf("%.60q is no reading of a clock", fields[i+1])
		}
		*to = v
	}
	return l, nil
}
