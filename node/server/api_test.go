package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"elenchus/node/client"
	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/register"
)

const (
	apiEvidence = `"slot":12,"ballot":"3.n2","leader":"n2"`
	apiKey      = "/v1/registers/k"
)

var (
	apiOK      = protocol.Reply{Slot: 12, Ballot: protocol.Ballot{Round: 3, Node: 2}, Leader: 2}
	apiSession = []string{client.HeaderClient, "7", client.HeaderSeq, "3"}
	apiLong    = strings.Repeat("x", register.ValueBytesMax)
)

// apiResult returns a reply of the machine.
func apiResult(code register.Code, values ...string) protocol.Reply {
	r := apiOK
	r.Result = register.Result{Code: code, Values: values}
	return r
}

var apiTests = []struct {
	method, path, body string
	header             []string
	reply              protocol.Reply
	command            string // expected by the machine; empty if it gets none
	status             int
	answer             string // the whole body, or its beginning if it ends in "…"
}{
	{"GET", apiKey, "", nil, apiResult(0, "17"), `read "k" "" "" false`,
		200, `{"outcome":"ok","node":"n1","values":["17"],` + apiEvidence + `,"value":"17"}`},
	{"GET", apiKey, "", nil, apiResult(0), `read "k" "" "" false`,
		200, `{"outcome":"ok","node":"n1","values":[],` + apiEvidence + `,"value":null}`},
	{"GET", apiKey, "", apiSession, apiResult(0, "1", "2"), `read "k" "" "" false`,
		200, `{"outcome":"ok","node":"n1","values":["1","2"],` + apiEvidence + `,"value":null}`},
	{"GET", "/v1/registers/a%2Fb%20%25..", "", nil, apiOK, `read "a/b %.." "" "" false`, 200, `{"outcome":"ok"…`},
	{"GET", "/v1/registers/..", "", nil, apiOK, `read ".." "" "" false`, 200, `{"outcome":"ok"…`},
	{"PUT", apiKey, "17", apiSession, apiOK, `7:3 write "k" "17" "" false`,
		200, `{"outcome":"ok","node":"n1",` + apiEvidence + `}`},
	{"PUT", apiKey, "", apiSession, apiOK, `7:3 write "k" "" "" false`, 200, `{"outcome":"ok"…`},
	{"PUT", apiKey, apiLong, apiSession, apiOK, `7:3 write "k" "` + apiLong + `" "" false`, 200, `{"outcome":"ok"…`},
	{"POST", apiKey + "/append", "x", apiSession, apiResult(0, "w", "x"), `7:3 append "k" "x" "" false`,
		200, `{"outcome":"ok","node":"n1","values":["w","x"],` + apiEvidence + `}`},
	{"POST", apiKey + "/cas", `{"expect":"1","value":"2"}`, apiSession, apiOK, `7:3 cas "k" "2" "1" false`,
		200, `{"outcome":"ok","node":"n1","matched":true,` + apiEvidence + `}`},
	{"POST", apiKey + "/cas", `{"value":"2","expect":null}`, apiSession, apiResult(register.CodeMismatch, "5"),
		`7:3 cas "k" "2" "" true`, 412, `{"outcome":"ok","node":"n1","values":["5"],"matched":false,` + apiEvidence + `}`},
	{"POST", apiKey + "/cas", `{"value":"2","expect":"1"}`, apiSession, apiResult(register.CodeMismatch),
		`7:3 cas "k" "2" "1" false`, 412, `{"outcome":"ok","node":"n1","values":[],"matched":false,` + apiEvidence + `}`},
	{"PUT", apiKey, "1", apiSession, protocol.Reply{Outcome: protocol.OutcomeFail, Reason: "no leader"},
		`7:3 write "k" "1" "" false`, 503, `{"outcome":"fail","node":"n1","reason":"no leader"}`},
	{"PUT", apiKey, "1", apiSession, protocol.Reply{Outcome: protocol.OutcomeUnknown, Reason: "deposed", Leader: 3},
		`7:3 write "k" "1" "" false`, 504, `{"outcome":"unknown","node":"n1","reason":"deposed","leader":"n3"}`},

	{"GET", "/", "", nil, apiOK, "", 404, `{"outcome":"fail","node":"n1","reason":"no such path: /"}`},
	{"GET", "/v1/registers", "", nil, apiOK, "", 404, `{"outcome":"fail"…`},
	{"POST", apiKey + "/frobnicate", "", nil, apiOK, "", 404, `{"outcome":"fail"…`},
	{"PUT", apiKey + "/", "1", nil, apiOK, "", 404, `{"outcome":"fail"…`},
	{"DELETE", apiKey, "", nil, apiOK, "", 405, `{"outcome":"fail","node":"n1","reason":"a register does not take DELETE"}`},
	{"HEAD", apiKey, "", nil, apiResult(0, "17"), `read "k" "" "" false`, 200, ""},
	{"HEAD", "/healthz", "", nil, apiOK, "", 200, ""},
	{"HEAD", apiKey + "/cas", "", nil, apiOK, "", 405, ""},
	{"PUT", apiKey + "/append", "", nil, apiOK, "", 405, `{"outcome":"fail"…`},
	{"POST", "/status", "", nil, apiOK, "", 405, `{"outcome":"fail"…`},
	{"GET", "/v1/registers/", "", nil, apiOK, "", 400, `{"outcome":"fail"…`},
	{"GET", "/v1/registers/" + strings.Repeat("k", 257), "", nil, apiOK, "", 400, `{"outcome":"fail"…`},
	{"GET", "/v1/registers/%ff", "", nil, apiOK, "", 400, `{"outcome":"fail"…`},
	{"PUT", apiKey, "\xff", nil, apiOK, "", 400, `{"outcome":"fail","node":"n1","reason":"value is not UTF-8"}`},
	{"PUT", apiKey, apiLong + "x", nil, apiOK, "", 413, `{"outcome":"fail"…`},
	{"POST", apiKey + "/cas", `{"expect":"1","value":"` + apiLong + `x"}`, nil, apiOK, "", 413, `{"outcome":"fail"…`},
	{"POST", apiKey + "/cas", `{"value":"2"}`, nil, apiOK, "", 400, `{"outcome":"fail"…`},
	{"POST", apiKey + "/cas", `{"expect":"2","value":null}`, nil, apiOK, "", 400, `{"outcome":"fail"…`},
	{"POST", apiKey + "/cas", `{"expect":"2","value":"3","vaule":"4"}`, nil, apiOK, "", 400, `{"outcome":"fail"…`},
	{"POST", apiKey + "/cas", `{"expect":2,"value":"3"}`, nil, apiOK, "", 400, `{"outcome":"fail"…`},
	{"POST", apiKey + "/cas", `17`, nil, apiOK, "", 400, `{"outcome":"fail"…`},
	{"POST", apiKey + "/cas", `{"expect":"` + "\xff" + `","value":"3"}`, nil, apiOK, "", 400, `{"outcome":"fail"…`},
	{"PUT", apiKey, "1", apiSession[:2], apiOK, "", 400, `{"outcome":"fail"…`},
	{"PUT", apiKey, "1", apiSession[2:], apiOK, "", 400, `{"outcome":"fail"…`},
	{"PUT", apiKey, "1", []string{client.HeaderClient, "0", client.HeaderSeq, "1"}, apiOK, "", 400, `{"outcome":"fail"…`},
	{"PUT", apiKey, "1", []string{client.HeaderClient, "1", client.HeaderSeq, "0"}, apiOK, "", 400, `{"outcome":"fail"…`},
	{"PUT", apiKey, "1", []string{client.HeaderClient, fmt.Sprint(uint64(1 << 63)), client.HeaderSeq, "1"}, apiOK, "", 400,
		`{"outcome":"fail"…`},
	{"GET", apiKey, "", []string{client.HeaderTimeout, "soon"}, apiOK, "", 400, `{"outcome":"fail"…`},
	{"GET", apiKey + "?timeout=61s", "", nil, apiOK, "", 400, `{"outcome":"fail"…`},
	{"GET", apiKey + "?timeout=-1s", "", nil, apiOK, "", 400, `{"outcome":"fail"…`},
	{"GET", "/healthz", "", nil, apiOK, "", 200, `{"outcome":"ok","node":"n1"}`},
}

// TestAPI checks that each request becomes the right command, or is refused with the right status, and that each reply
// of the machine becomes the right answer.
func TestAPI(t *testing.T) {
	commands := make(chan register.Command, 1)
	replies := make(chan protocol.Reply, 1)
	s := startFake(t, nil, func(_ clock.Reading, in protocol.Input) (fx protocol.Effects) {
		if in.Kind == protocol.InputRequest {
			commands <- in.Request.Command
			reply := <-replies
			reply.ID = in.Request.ID
			fx.Replies = []protocol.Reply{reply}
		}
		return fx
	})
	for _, test := range apiTests {
		t.Run(fmt.Sprintf("%s %.40s %.20s", test.method, test.path, test.body), func(t *testing.T) {
			replies <- test.reply
			status, answer := call(t, s, test.method, test.path, test.body, test.header...)
			if begin, cut := strings.CutSuffix(test.answer, "…"); status != test.status ||
				cut && !strings.HasPrefix(answer, begin) || !cut && answer != begin {
				t.Errorf("%d %.200s\nwant %d %s", status, answer, test.status, test.answer)
			}
			if test.method != http.MethodHead && (status != 200 && status != 412) != strings.Contains(answer, `"reason":"`) {
				t.Errorf("status %d and reason do not go together: %.200s", status, answer)
			}
			got := ""
			select {
			case c := <-commands:
				got = fmt.Sprintf("%v %q %q %q %v", c.Op, c.Key, c.Value, c.Expect, c.ExpectAbsent)
				if c.Client != 0 {
					got = c.ID() + " " + got
				}
			default:
				<-replies
			}
			if got != test.command {
				t.Errorf("the machine gets %.100s, want %.100s", got, test.command)
			}
		})
	}
}

// TestAllow checks that a wrong method is answered with the allowed ones.
func TestAllow(t *testing.T) {
	s := startFake(t, nil, silent)
	for path, want := range map[string]string{
		apiKey: "GET, HEAD, PUT", apiKey + "/cas": "POST", apiKey + "/append": "POST",
		"/status": "GET, HEAD", "/healthz": "GET, HEAD", "/v1/admin/forsake": "POST",
	} {
		req, err := http.NewRequest(http.MethodDelete, "http://"+s.HTTPAddr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		transport.CloseIdleConnections()
		if got := resp.Header.Get("Allow"); resp.StatusCode != http.StatusMethodNotAllowed || got != want {
			t.Errorf("DELETE %s: %d, Allow %q, want %q", path, resp.StatusCode, got, want)
		}
	}
}

func TestStatus(t *testing.T) {
	s := startFake(t, func(o *Options) { o.Protocol, o.Reads, o.Version = "fake", "none", "v0" }, silent)
	status, body := call(t, s, http.MethodGet, "/status", "")
	for _, want := range []string{`"outcome":"ok"`, `"node":"n1"`, `"cluster":"lab"`, `"protocol":"fake"`,
		`"reads":"none"`, `"version":"v0"`, `"boot":1`, `"role":"follower"`, `"keys":7`, `"hash":"0000000000000000"`,
		`"ballot":"-"`} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%d %s lacks %s", status, body, want)
		}
	}
}

// TestOwnSessions checks that concurrent mutations have sessions of their own, that later ones reuse them with a higher
// number, even after an unknown outcome, and that ids of nodes and incarnations differ.
func TestOwnSessions(t *testing.T) {
	seen := map[register.ClientID]uint64{}
	var duplicate []string
	s := startFake(t, nil, func(_ clock.Reading, in protocol.Input) (fx protocol.Effects) {
		if in.Kind == protocol.InputRequest {
			c := in.Request.Command
			if c.Client <= client.SessionMax || c.Seq != seen[c.Client]+1 {
				duplicate = append(duplicate, c.ID())
			}
			seen[c.Client] = c.Seq
			outcome := protocol.OutcomeOK
			if c.Seq%2 == 0 {
				outcome = protocol.OutcomeUnknown
			}
			fx.Replies = []protocol.Reply{{ID: in.Request.ID, Outcome: outcome}}
		}
		return fx
	})
	const changes = 20
	for range changes {
		call(t, s, "PUT", "/v1/registers/k", "v")
	}
	s.Kill()
	if len(seen) != 1 || len(duplicate) != 0 {
		t.Errorf("one client after the other used %v, out of order %v", seen, duplicate)
	}
	ids := map[register.ClientID]bool{}
	for node := range protocol.NodeID(protocol.NodesMax) {
		for range 2 {
			pool, err := newSessions(node + 1)
			if err != nil {
				t.Fatal(err)
			}
			for range 100 {
				taken := pool.take()
				if ids[taken.id] || taken.id <= client.SessionMax {
					t.Fatalf("id %d is used twice or is a client's", taken.id)
				}
				ids[taken.id] = true
			}
		}
	}
	pool, _ := newSessions(1)
	for range sessionsMax {
		if pool.take() == nil {
			t.Fatal("too few sessions")
		}
	}
	if pool.take() != nil {
		t.Error("sessions are not bounded")
	}
}
