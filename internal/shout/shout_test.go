package shout

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

func TestMain(m *testing.M) {
	http.DefaultTransport = Transport() //nolint:reassign // as the program does before anything else
	if address := os.Getenv(envSend); address != "" {
		os.Exit(sendOnce(address))
	}
	os.Exit(m.Run())
}

// envSend makes the test binary a process that sends one message to the address in it.
const envSend = "GROUPSYNCD_TEST_SEND"

func sendOnce(address string) int {
	s, err := Parse(secret.New(address))
	if err == nil {
		err = s.Send(context.Background(), Message{"t", "b"})
	}
	if err != nil {
		fmt.Println(err, "hint:", fault.HintOf(err))
		return 1
	}
	return 0
}

const canary = "canary7hunter2"

// hexCanary is one for those who want a number.
const hexCanary = "ca9a27ca9a27ca9a27ca9a27ca9a27ca"

// received is one request as a service got it.
type received struct {
	path, title, contentType, auth string
	body                           string
}

// receiver is a server that takes what services are sent.
func receiver(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, body string)) (host string, got chan received) {
	t.Helper()
	got = make(chan received, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- received{r.URL.Path, r.Header.Get("Title"), r.Header.Get("Content-Type"), r.Header.Get("Authorization"), string(b)}
		answer(w, r, string(b))
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), got
}

func service(t *testing.T, address string) *Service {
	t.Helper()
	s, err := Parse(secret.New(address))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAWebhookGetsTitleAndText(t *testing.T) {
	t.Parallel()
	host, got := receiver(t, func(http.ResponseWriter, *http.Request, string) {})
	s := service(t, "generic://"+host+"/hook/"+canary+"?disabletls=yes&template=json")
	if err := s.Send(t.Context(), Message{"one\r\ntwo", "first\nsecond"}); err != nil {
		t.Fatal(err)
	}
	r := <-got
	var body map[string]string
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		t.Fatal(r, err)
	}
	if r.path != "/hook/"+canary || body["title"] != "one two" || body["message"] != "first\nsecond" || s.Kind() != "generic" {
		t.Errorf("%+v", r)
	}
	// The same written as the address of the webhook itself, and once more by the same service.
	s = service(t, "generic+http://"+host+"/other?template=json")
	for range 2 {
		if err := s.Send(t.Context(), Message{"t", "b"}); err != nil || (<-got).path != "/other" {
			t.Error(err)
		}
	}
}

// TestAnAuthorityOfOnesOwnIsNamedByTheEnvironment: a company's own services are reached by
// the variables that all Go programs know. They are read once in each process.
func TestAnAuthorityOfOnesOwnIsNamedByTheEnvironment(t *testing.T) {
	t.Parallel()
	taken := make(chan struct{}, 4)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { taken <- struct{}{} }))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // whoever does not trust us hangs up
	s.StartTLS()
	t.Cleanup(s.Close)
	dir := t.TempDir()
	file := filepath.Join(dir, "company.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  string
		sent int
	}{"nothing": {"HOME=" + dir, 0}, "a file": {"SSL_CERT_FILE=" + file, 1}, "a folder": {"SSL_CERT_DIR=" + dir, 1}, "a file that is not there": {"SSL_CERT_FILE=" + file + "x", 0}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), envSend+"=generic://"+s.Listener.Addr().String()+"/"+canary+"?template=json", c.env)
		out, err := cmd.CombinedOutput()
		if (err == nil) != (c.sent == 1) || len(taken) != c.sent {
			t.Errorf("%s: %v, %d taken: %s", name, err, len(taken), out)
		}
		if err != nil && (!strings.Contains(string(out), "unknown authority") || !strings.Contains(string(out), "SSL_CERT_FILE") || strings.Contains(string(out), canary)) {
			t.Errorf("%s: what to do is not said: %s", name, out)
		}
		for range len(taken) {
			<-taken
		}
	}
}

func TestNtfyGetsTitleTextAndPassword(t *testing.T) {
	t.Parallel()
	host, got := receiver(t, func(w http.ResponseWriter, _ *http.Request, _ string) { fmt.Fprint(w, "{}") })
	s := service(t, "ntfy://user:"+canary+"@"+host+"/topic?scheme=http")
	if err := s.Send(t.Context(), Message{"title", "text"}); err != nil {
		t.Fatal(err)
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+canary))
	if r := <-got; r.path != "/topic" || r.title != "title" || r.body != "text" || r.auth != want {
		t.Errorf("%+v", r)
	}
}

func TestAddressesThatCannotBeUsedSayWhy(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                                   "must begin with the name of a service",
		canary:                               "must begin with the name of a service",
		"slak://" + canary:                   "did you mean slack://?",
		"https://hooks.slack.com/" + canary:  "an address of the web is no service",
		canary + "://x":                      "not known",
		"logger://":                          "not known",
		"slack://" + canary:                  "slack is not complete",
		"discord://" + canary:                "discord is not complete",
		"smtp://" + canary + "@host/":        "smtp is not complete",
		"smtp://host/?from=a@b&to=" + canary: "no mail address",
		"smtp://h/?from=a@b&to=c@d&skiptlsverify=yes": "always looked at",
		"smtp:///?from=a@b&to=c@d":                    "names no server",
		"generic:///x/" + canary:                      "names no server",
		"ntfy+https://" + canary:                      "no addresses of the form",
		"http://[::1" + canary:                        "must begin with the name",
		"slack://\x00" + canary:                       "must begin with the name",
	} {
		_, err := Parse(secret.New(address))
		if err == nil || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v, hint %q", address, err, fault.HintOf(err))
		}
		if err != nil && strings.Contains(err.Error()+fault.HintOf(err), canary) {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]fault.Kind{400: fault.Invalid, 401: fault.Auth, 403: fault.Auth, 404: fault.NotFound, 410: fault.NotFound,
		429: fault.Throttled, 500: fault.Unavailable, 503: fault.Unavailable, 302: fault.Unavailable} {
		host, _ := receiver(t, func(w http.ResponseWriter, r *http.Request, body string) {
			w.Header().Set("Location", "/elsewhere/"+canary)
			w.WriteHeader(code)
			fmt.Fprint(w, r.URL.String(), r.Header, body)
		})
		err := service(t, "generic://"+host+"/"+canary+"?disabletls=yes").Send(t.Context(), Message{"t", "b"})
		if fault.KindOf(err) != want || fault.HintOf(err) == "" || !strings.Contains(err.Error(), fmt.Sprint(code)) {
			t.Errorf("%d: %v, kind %v, hint %q", code, err, fault.KindOf(err), fault.HintOf(err))
		}
		if strings.Contains(fmt.Sprint(err, fault.HintOf(err)), canary) {
			t.Errorf("%d: the error repeats the secret: %v", code, err)
		}
	}
}

// samples are addresses of every kind with a secret in each part that can hold one. The
// parts are as long as the services want them.
func samples(host string) map[string]string {
	const hex = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	return map[string]string{
		"bark":       "bark://:" + canary + "@" + host + "/?scheme=http",
		"discord":    "discord://" + canary + "@" + "12345" + canary,
		"generic":    "generic://" + canary + ":" + canary + "@" + host + "/" + canary + "?disabletls=yes&template=json&key=" + canary + "&@X-Token=" + canary + "&$extra=" + canary,
		"googlechat": "googlechat://" + host + "/v1/spaces/" + canary + "/messages?key=" + canary + "&token=" + canary,
		"gotify":     "gotify://" + host + "/A" + canary + "?disabletls=yes",
		"ifttt":      "ifttt://" + canary + "/?events=" + canary,
		"join":       "join://:" + canary + "@join/?devices=" + canary,
		"lark":       "lark://open.larksuite.com/" + canary + "?secret=" + canary,
		"matrix":     "matrix://user:" + canary + "@" + host + "/?disabletls=yes&rooms=" + canary,
		"mattermost": "mattermost://user@" + host + "/" + canary + "?disabletls=yes",
		"notifiarr":  "notifiarr://" + canary,
		"ntfy":       "ntfy://" + canary + ":" + canary + "@" + host + "/" + canary + "?scheme=http",
		"opsgenie":   "opsgenie://" + host + "/" + canary,
		"pagerduty":  "pagerduty://" + host + "/" + hexCanary,
		"pushbullet": "pushbullet://" + canary + "00000000000000000000",
		"pushover":   "pushover://:" + canary + "@" + canary,
		"rocketchat": "rocketchat://user@" + host + "/" + canary + "/" + canary,
		"signal":     "signal://" + canary + ":" + canary + "@" + host + "/+15551234567/+15551234568?disabletls=yes",
		"slack":      "slack://xoxb:123456789012-1234567890123-" + canary + "AAAAAAAAAA@C001" + canary,
		"smtp":       "smtp://" + canary + ":" + canary + "@" + host + "/?from=" + canary + "@example.org&to=" + canary + "@example.org",
		"teams":      "teams://" + hex[:8] + "-4444-4444-8444-" + hex[:12] + "@" + hex[:8] + "-4444-4444-8444-" + hex[:12] + "/" + hex + "/" + hex[:8] + "-4444-4444-8444-" + hex[:12] + "/V2" + canary + "0000000000000000000000000000000000000?host=" + host,
		"telegram":   "telegram://123456789:AA" + canary + "0000000000000000000@telegram?chats=" + canary,
		"wecom":      "wecom://" + canary,
		"zulip":      "zulip://bot@example.org:" + canary + "@" + host + "/?stream=" + canary + "&topic=t",
	}
}

// TestNoErrorHoldsAnAddress takes each kind of service through every failure that can be
// had without the Internet: a network that leads nowhere, and servers that refuse, repeat
// what they were sent, and say nothing of use.
func TestNoErrorHoldsAnAddress(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	echo := httptest.NewTLSServer(nil)
	defer echo.Close()
	code := http.StatusBadRequest
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(code)
		fmt.Fprint(w, "{\"error\":\"", r.Method, " ", r.Host, r.URL, " ", r.Header, " ", string(b), "\"}")
	})
	plain := httptest.NewServer(handler)
	defer plain.Close()
	at, err := url.Parse(plain.URL)
	if err != nil {
		t.Fatal(err)
	}
	// Whatever a service calls leads to the server of the test, or nowhere.
	ways := map[string]http.RoundTripper{
		"a server that repeats": tripper(func(r *http.Request) (*http.Response, error) {
			r.URL.Scheme, r.URL.Host = at.Scheme, at.Host
			return Transport().RoundTrip(r)
		}),
		"a network that is down": tripper(func(r *http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("no route to %s", r.URL)}
		}),
		"an answer that makes no sense": tripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Status: "200 OK", Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader("<html>" + r.URL.String()))}, nil
		}),
	}
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }() //nolint:reassign // put back
	known := map[string]bool{}
	for kind, address := range samples(nowhere) {
		known[kind] = true
		s, err := Parse(secret.New(address))
		if err != nil {
			t.Errorf("%s cannot be constructed: %v", kind, err)
			continue
		}
		for way, rt := range ways {
			http.DefaultTransport = rt //nolint:reassign // the way that services take
			for _, code = range []int{400, 401, 500} {
				if kind == "discord" && code == 500 {
					continue // The library repeats it for half a minute.
				}
				fresh, err := Parse(secret.New(address))
				if err != nil {
					t.Fatal(kind, err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				err = fresh.Send(ctx, Message{"title", "text"})
				cancel()
				if err == nil {
					continue // It does not look at answers.
				}
				text := fmt.Sprintf("%v %+v %#v %q", err, err, err, fault.HintOf(err))
				for e := err; e != nil; e = errors.Unwrap(e) {
					text += fmt.Sprintf(" %#v", e)
				}
				if strings.Contains(strings.ToLower(text), canary) || strings.Contains(text, hexCanary[:12]) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(canary))[:16]) {
					t.Errorf("%s, %s, %d: the error holds the secret: %s", kind, way, code, text)
				}
			}
		}
		if s.Kind() != kind || s.Limit() < 500 {
			t.Errorf("%s is a %s, with at most %d bytes", kind, s.Kind(), s.Limit())
		}
	}
	for _, kind := range Kinds() {
		if !known[kind] && kind != "hangouts" {
			t.Errorf("no address of the kind %s is tried", kind)
		}
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAServiceThatSaysNothingEnds(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	host, _ := receiver(t, func(http.ResponseWriter, *http.Request, string) { <-hang })
	defer close(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := service(t, "generic://"+host+"/?disabletls=yes").Send(ctx, Message{"t", "b"})
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "no answer in time") || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}

func TestAnAnswerIsReadToALimit(t *testing.T) {
	t.Parallel()
	host, _ := receiver(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		for range 2000 {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := Transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil || len(b) != maxAnswer {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestMetadataOfCloudsIsNotAsked(t *testing.T) {
	t.Parallel()
	err := service(t, "generic://169.254.169.254/latest?disabletls=yes").Send(t.Context(), Message{"t", "b"})
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v, kind %v", err, fault.KindOf(err))
	}
}
