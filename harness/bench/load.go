package bench

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"elenchus/results/history"
	"elenchus/workloads"
)

// Sample is the result of one round for one kind of read.
type Sample struct {
	Place   int           `json:"place"` // in the order of its round, from 1
	Elapsed time.Duration `json:"elapsed_ns"`
	Reads   int           `json:"reads"`  // answered
	Failed  int           `json:"failed"` // refused, or not answered
	P50     time.Duration `json:"p50_ns"` // of those answered
	P99     time.Duration `json:"p99_ns"`

	latencies []time.Duration // in ascending order
}

// Rate returns the number of answered reads per second.
func (s Sample) Rate() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.Reads) / s.Elapsed.Seconds()
}

// load makes every client read in a closed loop until the time is over or ctx ends. Reads outstanding then are
// awaited, and both they and their time count.
func load(ctx context.Context, clients []workloads.Client, keys []string, seeds []uint64, length time.Duration) Sample {
	latencies := make([][]time.Duration, len(clients))
	failed := make([]int, len(clients))
	var wg sync.WaitGroup
	start := time.Now()
	for i, c := range clients {
		rng := rand.New(rand.NewPCG(seeds[i], 0))
		wg.Go(func() {
			for seq := uint64(1); time.Since(start) < length && ctx.Err() == nil; seq++ {
				op := history.Op{Func: history.Read, Key: keys[rng.IntN(len(keys))]}
				begin := time.Now()
				if do(ctx, c, seq, op).Type == history.OK {
					latencies[i] = append(latencies[i], time.Since(begin))
				} else {
					failed[i]++
				}
			}
		})
	}
	wg.Wait()
	s := Sample{Elapsed: time.Since(start), latencies: slices.Concat(latencies...)}
	slices.Sort(s.latencies)
	for _, n := range failed {
		s.Failed += n
	}
	s.Reads = len(s.latencies)
	s.P50, s.P99 = quantile(s.latencies, 50), quantile(s.latencies, 99)
	return s
}

// quantile returns the smallest of the sorted values such that at least percent of them do not exceed it; zero if
// empty.
func quantile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}
