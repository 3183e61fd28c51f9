// Prey is the simulator and nothing else, as a program: what a mutant is built into to be hunted. The whole of elenchus
// would do as well, and takes several times as long to build, which is most of what a catalogue takes.
//
//	prey --seeds 1-1000000 --cpu-limit 60s      plays the plans that a campaign draws until a run fails: a sim.Summary
//	prey --shrink 4711 --budget 10s             makes the run of a seed as small as can be: a shrink.Result
//
// It ends with 0 whatever has come of it, with 64 for options that make no sense, and else as a program dies.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"elenchus/harness/cpulimit"
	"elenchus/harness/sim"
	"elenchus/harness/sim/shrink"
)

// exitUsage is that of all programs here for options that make no sense.
const exitUsage = 64

type options struct {
	from, to uint64
	clients  bool
	limit    time.Duration
	shrink   uint64
	budget   time.Duration
	workers  int
}

func main() {
	var o options
	flag.Func("seeds", "play the seeds `A-B`", func(text string) error {
		_, err := fmt.Sscanf(text, "%d-%d", &o.from, &o.to)
		return err
	})
	flag.BoolVar(&o.clients, "clients", false, "let only count what clients can see")
	flag.DurationVar(&o.limit, "cpu-limit", time.Minute, "stop when so much processor time is used up")
	flag.Uint64Var(&o.shrink, "shrink", 0, "make the run of the seed `N` small")
	flag.DurationVar(&o.budget, "budget", 10*time.Second, "shrink for at most so long")
	flag.IntVar(&o.workers, "workers", 1, "play on `N` processors")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	out, err := o.play(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "prey:", err)
		os.Exit(exitUsage)
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		panic(err)
	}
}

// play does what is wanted. The error says that it could not be begun.
func (o *options) play(ctx context.Context) (any, error) {
	if o.shrink != 0 {
		plan, err := sim.Draw(o.shrink, sim.DrawOptions{})
		if err != nil {
			return nil, err
		}
		return shrink.Run(ctx, plan, shrink.Options{Budget: o.budget, Workers: o.workers})
	}
	ctx, stop := cpulimit.Context(ctx, o.limit)
	defer stop()
	campaign := sim.Campaign{From: o.from, To: o.to, Workers: o.workers, UntilFailure: true}
	campaign.World.ClientsOnly = o.clients
	return campaign.Run(ctx)
}
