package clockprobe

import (
	"context"
	"io"
	"time"

	"elenchus/harness/control"
)

// sessionMax bounds a connection for questions: longer than any run.
const sessionMax = 7 * 24 * time.Hour

// OnHost answers by a program on a host: argv is started there over a connection of its own, made anew each time, so
// that its questions wait for nothing that other connections carry.
func OnHost(h control.Host, argv []string) func(context.Context, io.Reader, io.Writer) error {
	return func(ctx context.Context, questions io.Reader, answers io.Writer) error {
		client, err := control.Dial(ctx, h, control.Options{BulkTimeout: sessionMax})
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }() // the program's own end is what matters
		return client.Exec(ctx, "exec "+control.QuoteAll(argv), questions, answers)
	}
}
