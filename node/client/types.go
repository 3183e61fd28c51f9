package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Outcome is the conclusion to draw from the answer to an operation.
type Outcome uint8

// Outcomes. The zero value is the one that claims nothing.
const (
	Unknown Outcome = iota // it may have taken effect, or may yet
	OK                     // it took effect, and this is its result
	Fail                   // it certainly did not and will not take effect
)

var outcomeNames = [...]string{"unknown", "ok", "fail"}

// String returns the outcome's name in the API.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// MarshalText implements [encoding.TextMarshaler] with the outcome's name.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. It rejects unknown names.
func (o *Outcome) UnmarshalText(text []byte) error {
	for i, name := range outcomeNames {
		if string(text) == name {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("unknown outcome %q", text)
}

// Op is an operation on a register.
type Op string

// Operations.
const (
	OpRead   Op = "read"
	OpWrite  Op = "write"
	OpCAS    Op = "cas"
	OpAppend Op = "append"
)

// Request is one operation.
type Request struct {
	Op     Op
	Key    string
	Value  string  // write, append, CAS: the new value
	Expect *string // CAS: the expected value; nil for an absent register

	// Client and Seq identify the operation within a session. With Client zero the node uses one of its own sessions.
	Client, Seq uint64

	// Timeout is the time the node may take; zero means TimeoutDefault.
	Timeout time.Duration
}

// Response is the outcome of an operation.
type Response struct {
	Outcome Outcome
	Matched bool     // CAS: it took effect
	Values  []string // read, append, mismatched CAS: the register's elements
	Slot    uint64
	Ballot  string
	Node    string // the node that answered; empty if none did
	Leader  string
	Reason  string // if Outcome is not OK
}

// check reports mistakes that the node would answer with a failure anyway.
func (r Request) check() error {
	var problems []error
	switch r.Op {
	case OpRead, OpWrite, OpCAS, OpAppend:
	default:
		problems = append(problems, fmt.Errorf("unknown operation %q", r.Op))
	}
	if r.Key == "" {
		problems = append(problems, errors.New("empty key"))
	}
	if (r.Client == 0) != (r.Seq == 0) {
		problems = append(problems, errors.New("client and seq go together"))
	}
	if r.Timeout < 0 || r.Timeout > TimeoutMax {
		problems = append(problems, fmt.Errorf("timeout %v is not within 0 … %v", r.Timeout, TimeoutMax))
	}
	return errors.Join(problems...)
}

// timeout returns the request's timeout, with the default applied.
func (r Request) timeout() time.Duration {
	if r.Timeout == 0 {
		return TimeoutDefault
	}
	return r.Timeout
}

// http builds the HTTP request for the node.
func (r Request) http(host string) (*http.Request, error) {
	method, path, body := http.MethodGet, "/v1/registers/"+url.PathEscape(r.Key), []byte(nil)
	switch r.Op {
	case OpRead:
	case OpWrite:
		method, body = http.MethodPut, []byte(r.Value)
	case OpAppend:
		method, path, body = http.MethodPost, path+"/append", []byte(r.Value)
	case OpCAS:
		encoded, err := json.Marshal(CASBody{Expect: r.Expect, Value: &r.Value})
		if err != nil {
			return nil, err
		}
		method, path, body = http.MethodPost, path+"/cas", encoded
	}
	req, err := http.NewRequest(method, "http://"+host+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set(HeaderTimeout, r.timeout().String())
	if r.Client != 0 {
		req.Header.Set(HeaderClient, strconv.FormatUint(r.Client, 10))
		req.Header.Set(HeaderSeq, strconv.FormatUint(r.Seq, 10))
	}
	return req, nil
}
