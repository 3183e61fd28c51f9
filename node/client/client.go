package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// Options configures a [Client]. The zero value is usable.
type Options struct {
	// DialTimeout is the timeout for connecting; zero means one second. It matters when a packet filter drops the SYNs.
	DialTimeout time.Duration

	// Grace is how much longer than Request.Timeout to wait for the node's own answer; zero means 500 ms.
	Grace time.Duration
}

// Client talks to one node over one connection, opened when needed. Concurrent calls of Do are serialized; use several
// clients for concurrency, as sessions require anyway.
type Client struct {
	opts Options
	host string
	life context.Context // cancelled by Close
	end  context.CancelFunc

	mu   sync.Mutex // held during Do
	conn *conn      // nil if there is none
}

// New returns a client of the node at baseURL, such as "http://10.0.0.1:8000". It does not connect yet; with an invalid
// URL every Do fails.
func New(baseURL string, opts Options) *Client {
	opts.DialTimeout = cmp.Or(opts.DialTimeout, time.Second)
	opts.Grace = cmp.Or(opts.Grace, 500*time.Millisecond)
	c := &Client{opts: opts}
	c.life, c.end = context.WithCancel(context.Background())
	if u, err := url.Parse(baseURL); err == nil && u.Scheme == "http" && strings.Trim(u.Path, "/") == "" {
		c.host = u.Host
	}
	return c
}

// Close closes the connection. A running Do ends as if its context had been cancelled, and every later one fails.
func (c *Client) Close() {
	c.end()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
}

func (c *Client) drop() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func failed(format string, args ...any) Response {
	return Response{Outcome: Fail, Reason: fmt.Sprintf(format, args...)}
}

func unknown(format string, args ...any) Response {
	return Response{Outcome: Unknown, Reason: fmt.Sprintf(format, args...)}
}

// Do executes one operation and returns its outcome. It returns at the latest when ctx ends or when Request.Timeout
// plus Options.Grace have passed.
func (c *Client) Do(ctx context.Context, r Request) Response {
	if err := r.check(); err != nil {
		return failed("invalid request: %v", err)
	}
	req, err := r.http(c.host)
	if err != nil {
		return failed("invalid request: %v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout()+c.opts.Grace)
	defer cancel()
	stop := context.AfterFunc(c.life, cancel)
	defer stop()

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		return failed("client is closed")
	}
	if ctx.Err() != nil {
		return failed("not sent: %v", ctx.Err())
	}
	if c.conn != nil && !c.conn.idle() {
		c.drop() // closed by the node, or it sent unexpected data; nothing was written yet
	}
	if c.conn == nil {
		if c.conn, err = dial(ctx, c.host, c.opts.DialTimeout); err != nil {
			return failed("not sent: %v", err)
		}
	}
	response, keep := c.conn.do(ctx, req, r.Op)
	if !keep {
		c.drop()
	}
	return response
}

// Status queries the node's status over a separate connection, so that a slow operation does not delay it.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var status Status
	ctx, cancel := context.WithTimeout(ctx, TimeoutDefault)
	defer cancel()
	req, err := http.NewRequest(http.MethodGet, "http://"+c.host+"/status", nil)
	if err != nil {
		return status, fmt.Errorf("get status: %w", err)
	}
	cn, err := dial(ctx, c.host, c.opts.DialTimeout)
	if err != nil {
		return status, fmt.Errorf("get status: %w", err)
	}
	defer cn.Close()
	code, body, _, err := cn.exchange(ctx, req)
	if err != nil {
		return status, fmt.Errorf("get status: %w", err)
	}
	if code != http.StatusOK {
		return status, fmt.Errorf("get status: node answers %d: %.200s", code, body)
	}
	if err := json.Unmarshal(body, &status); err != nil {
		return status, fmt.Errorf("get status: %w", err)
	}
	return status, nil
}

// ErrNotLeader means that a node was asked to give up leading and does not lead.
var ErrNotLeader = errors.New("the node does not lead")

// Forsake asks the node to give up leading, over a separate connection, and returns the ballot in which it led. The
// error is [ErrNotLeader] if it did not; the node's reason follows. After any other error it may have given up or not.
// A paused node answers when it goes on, so Forsake waits until ctx ends.
func (c *Client) Forsake(ctx context.Context) (ballot string, err error) {
	req, err := http.NewRequest(http.MethodPost, "http://"+c.host+"/v1/admin/forsake", nil)
	if err != nil {
		return "", fmt.Errorf("ask to give up leading: %w", err)
	}
	cn, err := dial(ctx, c.host, c.opts.DialTimeout)
	if err != nil {
		return "", fmt.Errorf("ask to give up leading: %w", err)
	}
	defer cn.Close()
	code, body, _, err := cn.exchange(ctx, req)
	if err != nil {
		return "", fmt.Errorf("ask to give up leading: %w", err)
	}
	var answer Answer
	_ = json.Unmarshal(body, &answer) // what is no answer of a node has another code, or no ballot
	switch {
	case code == http.StatusConflict:
		return "", fmt.Errorf("%w: %s", ErrNotLeader, answer.Reason)
	case code != http.StatusOK || answer.Ballot == "":
		return "", fmt.Errorf("ask to give up leading: node answers %d: %.200s", code, body)
	}
	return answer.Ballot, nil
}

func dial(ctx context.Context, host string, timeout time.Duration) (*conn, error) {
	if host == "" {
		return nil, errors.New("base URL is not http://host:port")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	return newConn(nc), nil
}

// do sends the request and interprets the answer. It reports whether the connection can be reused.
func (c *conn) do(ctx context.Context, req *http.Request, op Op) (Response, bool) {
	code, body, keep, err := c.exchange(ctx, req)
	if err != nil {
		if c.written == 0 {
			return failed("not sent: %v", err), false
		}
		return unknown("no answer: %v", explain(ctx, err)), false
	}
	response, ok := judge(code, body, op)
	return response, keep && ok
}

// explain returns a readable reason why an exchange ended.
func explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return errors.New("given up")
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("timed out")
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the node closed the connection")
	}
	return err
}

// judge interprets an answer. Anything that the API does not define is unknown.
func judge(code int, body []byte, op Op) (Response, bool) {
	var a Answer
	if err := json.Unmarshal(body, &a); err != nil || a.Node == "" {
		return unknown("status %d with a body that is no answer: %.100q", code, body), false
	}
	r := Response{Outcome: a.Outcome, Slot: a.Slot, Ballot: a.Ballot, Node: a.Node, Leader: a.Leader, Reason: a.Reason}
	matched := a.Matched != nil && *a.Matched
	if a.Values != nil {
		r.Values = *a.Values
	}
	var want Outcome
	complete := true
	switch code {
	case http.StatusOK:
		want, r.Matched = OK, op == OpCAS
		complete = (op != OpCAS || matched) && (a.Values != nil || op == OpWrite || op == OpCAS)
	case http.StatusPreconditionFailed:
		want = OK
		complete = op == OpCAS && a.Matched != nil && !matched && a.Values != nil
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge,
		http.StatusTooManyRequests, http.StatusServiceUnavailable:
		want = Fail
	case http.StatusGatewayTimeout:
		want = Unknown
	default:
		return unknown("status %d, which the API does not have: %.100q", code, body), false
	}
	if a.Outcome != want || !complete {
		return unknown("status %d contradicts its body: %.100q", code, body), false
	}
	return r, true
}
