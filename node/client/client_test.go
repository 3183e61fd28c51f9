package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// script is a fake server with one function per connection, in order; the last one serves all further connections.
type script struct {
	url      string
	conns    atomic.Int64
	requests atomic.Int64
}

type part func(s *script, c net.Conn)

func play(t *testing.T, parts ...part) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{url: "http://" + l.Addr().String()}
	var group sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			n := int(s.conns.Add(1)) - 1
			group.Go(func() {
				defer c.Close()
				parts[min(n, len(parts)-1)](s, c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		group.Wait()
	})
	return s
}

// next reads one request including its body.
func (s *script) next(r *bufio.Reader) bool {
	req, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	s.requests.Add(1)
	return err == nil
}

// say answers every request with the given text.
func say(text string) part {
	return func(s *script, c net.Conn) {
		for r := bufio.NewReader(c); s.next(r); {
			_, _ = io.WriteString(c, text)
		}
	}
}

// sayAndClose answers one request with the given text and closes the connection.
func sayAndClose(text string) part {
	return func(s *script, c net.Conn) {
		if s.next(bufio.NewReader(c)) {
			_, _ = io.WriteString(c, text)
		}
	}
}

func response(status int, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

const (
	readOK  = `{"outcome":"ok","node":"n1","values":["17"],"value":"17","slot":12,"ballot":"3.n2","leader":"n2"}`
	writeOK = `{"outcome":"ok","node":"n1","slot":12,"ballot":"3.n2","leader":"n2"}`
)

func do(t *testing.T, url string, r Request) Response {
	t.Helper()
	c := New(url, Options{})
	defer c.Close()
	if r.Timeout == 0 {
		r.Timeout = patience
	}
	return c.Do(context.Background(), r)
}

func TestAnswers(t *testing.T) {
	read, write, cas := Request{Op: OpRead, Key: "k"}, Request{Op: OpWrite, Key: "k"}, Request{Op: OpCAS, Key: "k"}
	app := Request{Op: OpAppend, Key: "k", Value: "x"}
	fail := `{"outcome":"fail","node":"n1","reason":"because"}`
	tests := map[string]struct {
		request Request
		status  int
		body    string
		want    Response
	}{
		"read":        {read, 200, readOK, Response{Outcome: OK, Values: []string{"17"}}},
		"read absent": {read, 200, `{"outcome":"ok","node":"n1","values":[],"value":null}`, Response{Outcome: OK}},
		"write":       {write, 200, writeOK, Response{Outcome: OK}},
		"append":      {app, 200, readOK, Response{Outcome: OK, Values: []string{"17"}}},
		"cas":         {cas, 200, `{"outcome":"ok","node":"n1","matched":true}`, Response{Outcome: OK, Matched: true}},
		"cas mismatch": {cas, 412, `{"outcome":"ok","node":"n1","matched":false,"values":["4"]}`,
			Response{Outcome: OK, Values: []string{"4"}}},

		"bad request":      {write, 400, fail, Response{Outcome: Fail}},
		"not found":        {write, 404, fail, Response{Outcome: Fail}},
		"wrong method":     {write, 405, fail, Response{Outcome: Fail}},
		"too large":        {write, 413, fail, Response{Outcome: Fail}},
		"overloaded":       {write, 429, fail, Response{Outcome: Fail}},
		"not proposed":     {write, 503, fail, Response{Outcome: Fail}},
		"node is not sure": {write, 504, `{"outcome":"unknown","node":"n1","reason":"?"}`, Response{}},

		// Answers that contradict themselves, or do not come from a node, prove nothing.
		"200 that failed":           {write, 200, fail, Response{}},
		"503 that is ok":            {write, 503, writeOK, Response{}},
		"504 that failed":           {write, 504, fail, Response{}},
		"503 of a proxy":            {write, 503, "<html>Service Unavailable</html>", Response{}},
		"503 of nobody":             {write, 503, `{"outcome":"fail"}`, Response{}},
		"400 of net/http":           {write, 400, "400 Bad Request", Response{}},
		"internal server error":     {write, 500, fail, Response{}},
		"created":                   {write, 201, writeOK, Response{}},
		"mismatch of a write":       {write, 412, `{"outcome":"ok","node":"n1","matched":false,"values":[]}`, Response{}},
		"cas that does not say":     {cas, 200, writeOK, Response{}},
		"cas in two minds":          {cas, 200, `{"outcome":"ok","node":"n1","matched":false}`, Response{}},
		"mismatch without values":   {cas, 412, `{"outcome":"ok","node":"n1","matched":false}`, Response{}},
		"read without values":       {read, 200, writeOK, Response{}},
		"append without values":     {app, 200, writeOK, Response{}},
		"outcome of tomorrow":       {write, 200, `{"outcome":"perhaps","node":"n1"}`, Response{}},
		"half a body, but complete": {write, 200, writeOK[:20], Response{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := play(t, say(response(test.status, test.body)))
			got := do(t, s.url, test.request)
			if got.Outcome != test.want.Outcome || got.Matched != test.want.Matched ||
				!slices.Equal(got.Values, test.want.Values) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if (got.Reason == "") != (got.Outcome == OK) {
				t.Errorf("outcome %v with reason %q", got.Outcome, got.Reason)
			}
			if s.requests.Load() != 1 {
				t.Errorf("%d requests were sent", s.requests.Load())
			}
		})
	}
}

// TestBrokenConversations checks that when the connection or the answer breaks, a mutation is unknown, and nothing is
// sent twice.
func TestBrokenConversations(t *testing.T) {
	full := response(200, writeOK)
	tests := map[string]struct {
		part   part
		reason string
	}{
		"reset within the request": {func(_ *script, c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
		}, ""},
		"closed after reading": {sayAndClose(""), "the node closed the connection"},
		"reset after reading": {func(s *script, c net.Conn) {
			s.next(bufio.NewReader(c))
			_ = c.(*net.TCPConn).SetLinger(0)
		}, "reset"},
		"body cut":                {sayAndClose(full[:len(full)-5]), "the node closed the connection"},
		"header cut":              {sayAndClose(full[:12]), "the node closed the connection"},
		"chunk cut":               {sayAndClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{"), "closed"},
		"not http":                {sayAndClose("SSH-2.0-OpenSSH_9.2\r\n"), "malformed"},
		"redirect":                {say("HTTP/1.1 307 X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"), "status 307"},
		"an endless answer":       {say("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", AnswerBytesMax+2)), "longer than"},
		"continue, then nothing":  {sayAndClose("HTTP/1.1 100 Continue\r\n\r\n"), ""},
		"an answer to the answer": {sayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" + full), "no answer"},
	}
	for name, test := range tests {
		for _, op := range []Op{OpRead, OpWrite, OpAppend} {
			t.Run(name+"/"+string(op), func(t *testing.T) {
				s := play(t, test.part)
				got := do(t, s.url, Request{Op: op, Key: "k", Value: "v"})
				if got.Outcome != Unknown || !strings.Contains(got.Reason, test.reason) {
					t.Errorf("got %+v, want unknown because %q", got, test.reason)
				}
				if s.conns.Load() != 1 || s.requests.Load() > 1 {
					t.Errorf("%d requests over %d connections", s.requests.Load(), s.conns.Load())
				}
			})
		}
	}
}

func TestTimeout(t *testing.T) {
	s := play(t, func(s *script, c net.Conn) { _, _ = io.Copy(io.Discard, c) }, say(response(200, writeOK)))
	c := New(s.url, Options{Grace: time.Millisecond})
	defer c.Close()
	got := c.Do(context.Background(), Request{Op: OpWrite, Key: "k", Timeout: 20 * time.Millisecond})
	if got.Outcome != Unknown || !strings.Contains(got.Reason, "timed out") {
		t.Errorf("got %+v", got)
	}
	// A late answer must not be mistaken for that of the next request.
	if got := c.Do(context.Background(), Request{Op: OpWrite, Key: "k", Timeout: patience}); got.Outcome != OK {
		t.Errorf("after a timeout: %+v", got)
	}
	if s.conns.Load() != 2 {
		t.Errorf("%d connections, want a new one after the timeout", s.conns.Load())
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := play(t, func(s *script, c net.Conn) {
		s.next(bufio.NewReader(c))
		cancel()
		_, _ = io.Copy(io.Discard, c)
	})
	c := New(s.url, Options{})
	defer c.Close()
	r := Request{Op: OpWrite, Key: "k", Timeout: patience}
	if got := c.Do(ctx, r); got.Outcome != Unknown {
		t.Errorf("cancelled in flight: %+v", got)
	}
	if got := c.Do(ctx, r); got.Outcome != Fail || s.conns.Load() != 1 {
		t.Errorf("cancelled before: %+v, %d connections", got, s.conns.Load())
	}
}

// TestClose checks that closing a client does not wait for an answer that may never come.
func TestClose(t *testing.T) {
	arrived := make(chan struct{})
	s := play(t, func(s *script, c net.Conn) {
		s.next(bufio.NewReader(c))
		close(arrived)
		_, _ = io.Copy(io.Discard, c)
	})
	c := New(s.url, Options{})
	answer := make(chan Response)
	r := Request{Op: OpWrite, Key: "k", Timeout: TimeoutMax}
	go func() { answer <- c.Do(context.Background(), r) }()
	<-arrived
	c.Close()
	if got := <-answer; got.Outcome != Unknown || !strings.Contains(got.Reason, "given up") {
		t.Errorf("closed in flight: %+v", got)
	}
	if got := c.Do(context.Background(), r); got.Outcome != Fail || !strings.Contains(got.Reason, "closed") {
		t.Errorf("after Close: %+v", got)
	}
}

func TestNotSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	closed := New(refusing, Options{})
	closed.Close()
	write := Request{Op: OpWrite, Key: "k"}
	ctx := context.Background()
	tests := map[string]struct {
		got    Response
		reason string
	}{
		"refused":         {do(t, refusing, write), "refused"},
		"no such address": {do(t, "http://127.0.0.1:99999", write), "invalid port"},
		"not a url":       {do(t, "127.0.0.1:80", write), "base URL"},
		"https":           {do(t, "https://127.0.0.1:80", write), "base URL"},
		"dial times out":  {New(deafServer(t), Options{DialTimeout: 50 * time.Millisecond}).Do(ctx, write), "timeout"},
		"closed client":   {closed.Do(ctx, write), "closed"},
		"no key":          {do(t, refusing, Request{Op: OpRead}), "empty key"},
		"no operation":    {do(t, refusing, Request{Key: "k"}), "unknown operation"},
		"half a session":  {do(t, refusing, Request{Op: OpRead, Key: "k", Seq: 3}), "go together"},
		"too patient":     {do(t, refusing, Request{Op: OpRead, Key: "k", Timeout: time.Hour}), "timeout"},
	}
	for name, test := range tests {
		if test.got.Outcome != Fail || !strings.Contains(test.got.Reason, test.reason) {
			t.Errorf("%s: got %+v, want fail because %q", name, test.got, test.reason)
		}
	}
}

// deafServer has a full accept queue, so the kernel drops further connection attempts.
func deafServer(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	for range 4 {
		c, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return "http://" + address
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the accept queue does not fill")
	return ""
}

// TestReusedConnection checks that a connection is reused, that one closed while idle is noticed before anything is
// written, and that one which closes during the next request makes that request unknown. In all cases each request is
// sent once, reads included.
func TestReusedConnection(t *testing.T) {
	ok := response(200, readOK)
	gone := make(chan struct{})
	tests := map[string]struct {
		first    part
		want     Outcome // of the second request
		conns    int64
		requests int64
	}{
		"kept":             {say(ok), OK, 1, 2},
		"closed by header": {say(strings.Replace(ok, "\r\n", "\r\nConnection: close\r\n", 1)), OK, 2, 2},
		"closed while idle": {func(s *script, c net.Conn) {
			sayAndClose(ok)(s, c)
			_ = c.Close()
			close(gone)
		}, OK, 2, 2},
		"closed by the next request": {func(s *script, c net.Conn) {
			r := bufio.NewReader(c)
			s.next(r)
			_, _ = io.WriteString(c, ok)
			s.next(r)
		}, Unknown, 1, 2},
		"two answers to one request": {say(ok + ok), OK, 2, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := play(t, test.first, say(ok))
			c := New(s.url, Options{})
			defer c.Close()
			read := Request{Op: OpRead, Key: "k", Timeout: patience}
			if got := c.Do(context.Background(), read); got.Outcome != OK {
				t.Fatalf("first: %+v", got)
			}
			if name == "closed while idle" {
				<-gone
				deadline := time.Now().Add(patience)
				for c.conn.idle() {
					if time.Now().After(deadline) {
						t.Fatal("the close is not seen")
					}
				}
			}
			if got := c.Do(context.Background(), read); got.Outcome != test.want {
				t.Errorf("second: %+v, want %v", got, test.want)
			}
			if s.conns.Load() != test.conns || s.requests.Load() != test.requests {
				t.Errorf("%d requests over %d connections, want %d over %d", s.requests.Load(), s.conns.Load(),
					test.requests, test.conns)
			}
		})
	}
}

// TestRequestOnTheWire checks that keys with arbitrary characters, session and timeout arrive unchanged.
func TestRequestOnTheWire(t *testing.T) {
	for _, key := range []string{"k", "a/b c?d#e%2F", "..", ".", "ключ", "\x01"} {
		got := make(chan string, 1)
		s := play(t, func(_ *script, c net.Conn) {
			req, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				t.Errorf("key %q: %v", key, err)
				return
			}
			body, _ := io.ReadAll(req.Body)
			rest, _ := strings.CutPrefix(req.URL.Path, "/v1/registers/")
			got <- fmt.Sprintf("%s %s %s %s/%s %s", req.Method, rest, body,
				req.Header.Get(HeaderClient), req.Header.Get(HeaderSeq), req.Header.Get(HeaderTimeout))
			_, _ = io.WriteString(c, response(200, `{"outcome":"ok","node":"n1","matched":true}`))
		})
		expect := "1"
		r := do(t, s.url, Request{Op: OpCAS, Key: key, Expect: &expect, Value: "2", Client: 7, Seq: 9, Timeout: time.Second})
		want := fmt.Sprintf(`POST %s/cas {"expect":"1","value":"2"} 7/9 1s`, key)
		if line := <-got; line != want || r.Outcome != OK {
			t.Errorf("key %q: sent %q, want %q; got %+v", key, line, want, r)
		}
	}
}

func TestForsake(t *testing.T) {
	for _, test := range []struct {
		code         int
		body, ballot string
		err          string
		notLeader    bool
	}{
		{200, `{"outcome":"ok","node":"n2","ballot":"7.n2"}`, "7.n2", "", false},
		{409, `{"outcome":"fail","node":"n2","reason":"this node does not lead, n3 does"}`, "", "n3 does", true},
		{504, `{"outcome":"unknown","node":"n2","reason":"node is too busy"}`, "", "504", false},
		{404, "no such page", "", "404", false},
		{200, "somebody else's page", "", "somebody", false},
	} {
		s := play(t, say(response(test.code, test.body)))
		c := New(s.url, Options{})
		ballot, err := c.Forsake(context.Background())
		c.Close()
		if ballot != test.ballot || errors.Is(err, ErrNotLeader) != test.notLeader || (err != nil) != (test.err != "") ||
			err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%d %s: %q, %v", test.code, test.body, ballot, err)
		}
	}
}

func TestStatus(t *testing.T) {
	const answer = `{"outcome":"ok","node":"n2","leader":"n1","applied":7,"peers":{"n1":{"connected":true}}}`
	s := play(t, say(response(200, answer)))
	c := New(s.url, Options{})
	defer c.Close()
	got, err := c.Status(context.Background())
	if err != nil || got.Node != "n2" || got.Applied != 7 || !got.Peers["n1"].Connected {
		t.Errorf("status = %+v, %v", got, err)
	}
	s = play(t, say(response(503, `{"outcome":"fail","node":"n2","reason":"stopped"}`)))
	_, err = New(s.url, Options{}).Status(context.Background())
	if err == nil || !strings.Contains(err.Error(), "stopped") {
		t.Errorf("status of a stopped node: %v", err)
	}
}
