package run

import (
	"context"
	"errors"
	"testing"

	"elenchus/nemesis"
)

func TestWhileEndsWithTheLab(t *testing.T) {
	why := errors.New("run other has it")
	lost := make(chan struct{})
	held, stop := WhileHeld(t.Context(), lost, func() error { return why })
	defer stop()
	if held.Err() != nil {
		t.Fatalf("it ended before anything happened: %v", context.Cause(held))
	}
	close(lost)
	<-held.Done()
	if cause := context.Cause(held); !errors.Is(cause, nemesis.ErrLost) || !errors.Is(cause, why) {
		t.Errorf("cause %v", cause)
	}
}

func TestWhileEndsWithItsParent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	held, stop := WhileHeld(ctx, nil, nil)
	defer stop()
	cancel()
	<-held.Done()
	if cause := context.Cause(held); !errors.Is(cause, context.Canceled) || errors.Is(cause, nemesis.ErrLost) {
		t.Errorf("cause %v", cause)
	}
}
