package sim

import (
	"fmt"
	"os"
	"strconv"
	"testing"
)

func TestDebug(t *testing.T) {
	seed, _ := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if seed == 0 {
		t.Skip()
	}
	p, _ := Draw(seed, DrawOptions{})
	w := New(Options{Checker: NoChecker{}, Trace: true})
	r, err := w.Run(p)
	fmt.Println(err, r.Violation)
	fmt.Printf("%+v\n", p)
	who, _ := strconv.Atoi(os.Getenv("NODE"))
	for _, m := range r.Trace.Moments {
		switch m.Kind {
		case MomentObserved:
			if who == 0 || m.Node == who {
				fmt.Println(m.At, m.Kind, m.Node, m.Seen.Kind, m.Seen.Ballot, m.Seen.Slot, m.Seen.Until, m.Seen.Reason, m.Seen.Peer)
			}
		case MomentSent, MomentDelivered, MomentLost:
			if who == 0 || m.Node == who || m.Peer == who {
				fmt.Println(m.At, m.Kind, m.Node, m.Peer, m.Message.Kind, m.Message.Ballot, "seq", m.Message.Seq%1000, "req", m.Message.Request, m.Message.Command.ID(), m.Message.Outcome, m.Message.First, m.Message.Last, m.Message.Lease, m.Message.Reason, m.Why)
			}
		case MomentInvoked, MomentCompleted, MomentReplied:
			fmt.Println(m.At, m.Kind, m.Node, "client", m.Client, "p", m.Process, m.Op, m.Outcome, m.Result, m.Why)
		default:
			fmt.Println(m.At, m.Kind, m.Node, m.Why)
		}
	}
}
