package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	"elenchus/node/client"
	"elenchus/node/protocol"
	"elenchus/node/register"
)

// casBytesMax is the maximum size of a CAS body: two values, each byte of which may take six bytes when escaped.
const casBytesMax = 2*6*register.ValueBytesMax + 1<<10

// connectionsMax is the maximum number of client connections.
const connectionsMax = 4096

func (s *Server) newHTTP() *http.Server {
	var open atomic.Int64
	return &http.Server{
		Handler:           http.HandlerFunc(s.route),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      client.TimeoutMax + time.Minute,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnState: func(conn net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				if open.Add(1) > connectionsMax {
					_ = conn.Close()
				}
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			}
		},
		ErrorLog: s.logger.Named("http").StandardLogger(&hclog.StandardLoggerOptions{
			ForceLevel: hclog.Debug,
		}),
	}
}

// apiError is the answer to a request that is refused without a reply from the machine.
type apiError struct {
	status int
	reason string
	allow  string // the allowed methods, with status 405
}

func (e *apiError) Error() string { return e.reason }

func refuse(status int, format string, args ...any) error {
	return &apiError{status: status, reason: fmt.Sprintf(format, args...)}
}

// refuseMethod refuses a method and lists the allowed ones, as RFC 9110 §15.5.6 requires.
func refuseMethod(what, method, allow string) error {
	return &apiError{status: http.StatusMethodNotAllowed, reason: fmt.Sprintf("%s does not take %s", what, method),
		allow: allow}
}

// Methods as listed in an Allow header. A HEAD is answered like a GET, for which net/http omits the body.
const (
	allowGet      = http.MethodGet + ", " + http.MethodHead
	allowPost     = http.MethodPost
	allowRegister = allowGet + ", " + http.MethodPut
)

func isGet(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// route dispatches a request. The standard multiplexer would redirect keys like ".." and does not answer in JSON.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	switch rest, isRegister := strings.CutPrefix(path, "/v1/registers/"); {
	case isRegister:
		s.serveRegister(w, r, rest)
	case path == "/status" && isGet(r.Method):
		s.serveStatus(w, r)
	case path == "/healthz" && isGet(r.Method):
		s.write(w, http.StatusOK, client.Answer{Outcome: client.OK, Node: s.opts.ID.String()})
	case path == "/v1/admin/forsake" && r.Method == http.MethodPost:
		s.serveForsake(w, r)
	case path == "/status" || path == "/healthz":
		s.fail(w, refuseMethod(path, r.Method, allowGet))
	case path == "/v1/admin/forsake":
		s.fail(w, refuseMethod(path, r.Method, allowPost))
	default:
		s.fail(w, refuse(http.StatusNotFound, "no such path: %.100s", path))
	}
}

// serveRegister executes the operation given by the method and rest, the path below /v1/registers/.
func (s *Server) serveRegister(w http.ResponseWriter, r *http.Request, rest string) {
	command, err := parseCommand(w, r, rest)
	if err != nil {
		s.fail(w, err)
		return
	}
	timeout, err := parseTimeout(r)
	if err != nil {
		s.fail(w, err)
		return
	}
	reply, err := s.do(r.Context(), command, timeout)
	if err != nil {
		s.fail(w, err)
		return
	}
	status, answer := s.answer(command.Op, reply)
	s.write(w, status, answer)
}

// parseCommand parses the command, including its session if the client gave one.
func parseCommand(w http.ResponseWriter, r *http.Request, rest string) (c register.Command, err error) {
	escaped, action, hasAction := strings.Cut(rest, "/")
	op, takes, allow := register.OpRead, isGet(r.Method), allowRegister
	switch {
	case action == "cas":
		op, takes, allow = register.OpCAS, r.Method == http.MethodPost, allowPost
	case action == "append":
		op, takes, allow = register.OpAppend, r.Method == http.MethodPost, allowPost
	case hasAction:
		return c, refuse(http.StatusNotFound, "no such path: there is no %.100q of a register", action)
	case r.Method == http.MethodPut:
		op, takes = register.OpWrite, true
	}
	if !takes {
		what := op.String()
		if !hasAction {
			what = "a register"
		}
		return c, refuseMethod(what, r.Method, allow)
	}
	c.Op = op
	if c.Key, err = url.PathUnescape(escaped); err != nil {
		return c, refuse(http.StatusBadRequest, "key: %v", err)
	}
	if c.Key == "" || len(c.Key) > register.KeyBytesMax || !utf8.ValidString(c.Key) {
		return c, refuse(http.StatusBadRequest, "key must be 1 to %d bytes of UTF-8", register.KeyBytesMax)
	}
	if op == register.OpRead {
		return c, nil
	}
	if err := parseSession(r, &c); err != nil {
		return c, err
	}
	return c, parseBody(w, r, &c)
}

func parseSession(r *http.Request, c *register.Command) error {
	id, seq := r.Header.Get(client.HeaderClient), r.Header.Get(client.HeaderSeq)
	if id == "" && seq == "" {
		return nil
	}
	number, err := strconv.ParseUint(id, 10, 64)
	if err != nil || number == 0 || number > client.SessionMax {
		return refuse(http.StatusBadRequest, "%s must be 1 to %d: %.30q", client.HeaderClient,
			uint64(client.SessionMax), id)
	}
	c.Client = register.ClientID(number)
	if c.Seq, err = strconv.ParseUint(seq, 10, 64); err != nil || c.Seq == 0 {
		return refuse(http.StatusBadRequest, "%s must be a number from 1: %.30q", client.HeaderSeq, seq)
	}
	return nil
}

func parseBody(w http.ResponseWriter, r *http.Request, c *register.Command) error {
	limit := int64(register.ValueBytesMax)
	if c.Op == register.OpCAS {
		limit = casBytesMax
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return refuse(http.StatusRequestEntityTooLarge, "body is longer than %d bytes", limit)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "read body: %v", err)
	}
	c.Value = string(body)
	if c.Op == register.OpCAS {
		if err := parseCAS(body, c); err != nil {
			return refuse(http.StatusBadRequest, `body must be {"expect": "1" or null, "value": "2"}: %v`, err)
		}
	}
	if !utf8.ValidString(c.Value) || !utf8.ValidString(c.Expect) {
		return refuse(http.StatusBadRequest, "value is not UTF-8")
	}
	if len(c.Value) > register.ValueBytesMax || len(c.Expect) > register.ValueBytesMax {
		return refuse(http.StatusRequestEntityTooLarge, "value is longer than %d bytes", register.ValueBytesMax)
	}
	return nil
}

// parseCAS requires both fields: a missing "expect" must not mean "absent".
func parseCAS(body []byte, c *register.Command) error {
	if !utf8.Valid(body) {
		return errors.New("it is not UTF-8")
	}
	var fields map[string]*string
	if err := json.Unmarshal(body, &fields); err != nil {
		return err
	}
	expect, hasExpect := fields["expect"]
	value := fields["value"]
	if !hasExpect || value == nil || len(fields) != 2 {
		return errors.New("it needs these two fields and no others")
	}
	c.Value, c.ExpectAbsent = *value, expect == nil
	if expect != nil {
		c.Expect = *expect
	}
	return nil
}

func parseTimeout(r *http.Request) (time.Duration, error) {
	text := r.Header.Get(client.HeaderTimeout)
	if text == "" {
		text = r.URL.Query().Get("timeout")
	}
	if text == "" {
		return client.TimeoutDefault, nil
	}
	timeout, err := time.ParseDuration(text)
	if err != nil || timeout <= 0 || timeout > client.TimeoutMax {
		return 0, refuse(http.StatusBadRequest, "timeout must be a duration up to %v: %.30q", client.TimeoutMax, text)
	}
	return timeout, nil
}

// answer converts the machine's reply to a status code and body.
func (s *Server) answer(op register.Op, r protocol.Reply) (int, any) {
	a := client.Answer{Node: s.opts.ID.String(), Reason: r.Reason, Slot: uint64(r.Slot)}
	if !r.Ballot.IsZero() {
		a.Ballot = r.Ballot.String()
	}
	if r.Leader != 0 {
		a.Leader = r.Leader.String()
	}
	switch r.Outcome {
	case protocol.OutcomeFail:
		a.Outcome = client.Fail
		return http.StatusServiceUnavailable, a
	case protocol.OutcomeUnknown:
		a.Outcome = client.Unknown
		return http.StatusGatewayTimeout, a
	}
	a.Outcome = client.OK
	status, matched := http.StatusOK, r.Result.Code == register.CodeOK
	values := r.Result.Values
	if values == nil {
		values = []string{}
	}
	switch op {
	case register.OpRead:
		a.Values = &values
		answer := client.ReadAnswer{Answer: a}
		if len(values) == 1 {
			answer.Value = &values[0]
		}
		return status, answer
	case register.OpAppend:
		a.Values = &values
	case register.OpCAS:
		a.Matched = &matched
		if !matched {
			status, a.Values = http.StatusPreconditionFailed, &values
		}
	}
	return status, a
}

// fail answers a request that has no reply from the machine.
func (s *Server) fail(w http.ResponseWriter, err error) {
	var e *apiError
	if !errors.As(err, &e) {
		e = &apiError{status: http.StatusGatewayTimeout, reason: err.Error()}
	}
	if e.allow != "" {
		w.Header().Set("Allow", e.allow)
	}
	outcome := client.Fail
	if e.status == http.StatusGatewayTimeout {
		outcome = client.Unknown
	}
	s.write(w, e.status, client.Answer{Outcome: outcome, Node: s.opts.ID.String(), Reason: e.reason})
}

func (s *Server) write(w http.ResponseWriter, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		s.logger.Error("answer cannot be encoded", "error", err)
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(encoded)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(encoded, '\n')) // the client may be gone
}
