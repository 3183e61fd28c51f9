// Package paxosclient connects workloads to our node: it turns operations into HTTP requests and answers into outcomes.
package paxosclient

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"elenchus/node/client"
	"elenchus/results/history"
	"elenchus/workloads"
)

// verdictShare is the node's share of a client's timeout, in percent. The rest is for the node's own verdict to
// travel back: a node that answers "not proposed" in time turns an unknown into a fail.
const verdictShare = 85

// Client is one process of a workload at one node. It implements [workloads.Client].
type Client struct {
	id   uint64
	http *client.Client
}

var _ workloads.Client = (*Client)(nil)

// New returns a client of the node at url for the session id, which must not be zero and must never be reused. Only
// operations that are attempts at a request go by the session of that.
func New(url string, id uint64) *Client {
	return &Client{id: id, http: client.New(url, client.Options{})}
}

// Close drops the connection.
func (c *Client) Close() error {
	c.http.Close()
	return nil
}

var ops = map[history.Func]client.Op{
	history.Read: client.OpRead, history.Write: client.OpWrite,
	history.CAS: client.OpCAS, history.Append: client.OpAppend,
}

// Do implements [workloads.Client].
func (c *Client) Do(ctx context.Context, seq uint64, op history.Op) workloads.Answer {
	req := client.Request{Op: ops[op.Func], Key: op.Key, Client: c.id, Seq: seq}
	if !op.Request.IsZero() {
		req.Client, req.Seq = op.Request.Client, op.Request.Seq
	}
	if op.Func != history.Read {
		req.Value = format(op.Value)
	}
	if op.Func == history.CAS && op.Expect != nil {
		expect := format(*op.Expect)
		req.Expect = &expect
	}
	if deadline, ok := ctx.Deadline(); ok {
		req.Timeout = max(time.Millisecond, time.Until(deadline)*verdictShare/100)
	}
	return answer(op, c.http.Do(ctx, req))
}

func format(v int64) string { return strconv.FormatInt(v, 10) }

// answer translates a response. One that reports success but cannot be understood is unknown: the operation may
// have taken effect.
func answer(op history.Op, r client.Response) workloads.Answer {
	a := workloads.Answer{Reason: r.Reason, By: history.Witness{Slot: r.Slot, Ballot: r.Ballot, Leader: r.Leader}}
	switch r.Outcome {
	case client.Fail:
		a.Type = history.Fail
		return a
	case client.OK:
	default:
		a.Type = history.Unknown
		return a
	}
	values := make([]int64, len(r.Values))
	for i, s := range r.Values {
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			a.Type, a.Reason = history.Unknown, fmt.Sprintf("the node answered with %q, which nobody wrote", s)
			return a
		}
		values[i] = v
	}
	a.Type, a.Reason = history.OK, ""
	switch op.Func {
	case history.CAS:
		a.Result.Matched = r.Matched
		if !r.Matched {
			a.Result.Values = values
		}
	case history.Read, history.Append:
		a.Result.Values = values
	}
	return a
}
