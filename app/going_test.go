package app

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"groupsyncd/sync/run"
)

func TestWhatGoesOnIsSeenWhileItDoes(t *testing.T) {
	t.Parallel()
	var g going
	now := time.Now()
	runs, changed := g.look(now)
	if len(runs) != 0 {
		t.Errorf("nothing goes on: %v", runs)
	}
	g.step("corp", "users", 1, 0) // Of a command beside the daemon: nobody follows it.
	over := g.begin(run.Going{Run: "01A", Trigger: run.Schedule, Started: now})
	select {
	case <-changed:
	default:
		t.Error("nobody is told that it has begun")
	}
	for n := range 500 {
		g.step("corp", "users", n, 0)
	}
	g.step("chat", "calls", 3, 10)
	runs, changed = g.look(now)
	if len(runs) != 1 || len(runs[0].Steps) != 2 || runs[0].Steps[0] != (run.Step{Where: "corp", What: "users", Done: 499}) || runs[0].Steps[1].Total != 10 {
		t.Errorf("%+v", runs)
	}
	g.step("chat", "calls", 4, 10)
	if runs[0].Steps[1].Done != 3 {
		t.Error("a picture changes after it was taken")
	}
	over()
	<-changed
	// A watch that finds nothing is over before anybody could look.
	over = g.begin(run.Going{Run: "01B", Trigger: run.Watch, Started: now})
	if runs, _ := g.look(now); len(runs) != 0 {
		t.Errorf("a watch shows at once: %v", runs)
	}
	if runs, _ := g.look(now.Add(brief)); len(runs) != 1 {
		t.Errorf("a long run does not show: %v", runs)
	}
	over()
	if runs, _ := g.look(now.Add(brief)); len(runs) != 0 {
		t.Errorf("what has ended shows: %v", runs)
	}
}

func TestAHoldIsLetThroughOnThePageOfADaemon(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.write("alice", aliceToken)
	w.admin(`listen: "127.0.0.1:0", approvers: {alice: file:alice}`)
	w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	w.people(members, "[]")
	at := w.address()
	w.http("POST", at, "/api/v1/sync", aliceToken, "")
	var list struct{ Holds []run.Hold }
	if _, text := w.http("GET", at, "/api/v1/holds", "", ""); json.Unmarshal([]byte(text), &list) != nil || len(list.Holds) == 0 {
		t.Fatalf("nothing is held: %s", text)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{town: w, at: "http://" + at, client: &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}}
	hold := "/holds/" + list.Holds[0].Hash
	if text := p.look(hold); !strings.Contains(text, "Sign in to decide") {
		t.Errorf("before signing in: %s", text)
	}
	first := p.send("/signin", url.Values{"token": {aliceToken}, "to": {hold}})
	proof := regexp.MustCompile(`name="proof" value="([^"]+)"`).FindStringSubmatch(first)
	if proof == nil || !strings.Contains(first, "Why is this right?") {
		t.Fatalf("signed in: %s", first)
	}
	after := p.send(hold, url.Values{"proof": {proof[1]}, "reason": {"they left"}})
	if !strings.Contains(after, "Let through as alice") {
		t.Fatalf("approved: %s", after)
	}
	link := regexp.MustCompile(`href="(/runs/[^"]+)">See the run`).FindStringSubmatch(after)
	if link == nil {
		t.Fatalf("no link to the run: %s", after)
	}
	w.until("the run that carries it out", func() bool { return strings.Contains(p.look(link[1]), "What it did") })
	if text := p.look(link[1]); !strings.Contains(text, "5 members removed") {
		t.Errorf("the run: %s", text)
	}
	for _, path := range []string{"/", "/runs", "/holds", "/users", "/users/ana@example.org", "/groups", "/groups/Sales", "/progress"} {
		if text := p.look(path); !strings.Contains(text, "</html>") || strings.Contains(text, "canary") {
			t.Errorf("%s: %s", path, text)
		}
	}
	if strings.Contains(w.log.String(), "canary") || !strings.Contains(w.log.String(), `msg="signed in" name=alice`) {
		t.Error("the log holds a token, or not who signed in")
	}
}

// person is somebody with a browser.
type person struct {
	*town
	at     string
	client *http.Client
}

func (p *person) look(path string) string {
	p.Helper()
	return p.ask(http.MethodGet, path, nil)
}

func (p *person) send(path string, form url.Values) string {
	p.Helper()
	return p.ask(http.MethodPost, path, form)
}

func (p *person) ask(method, path string, form url.Values) string {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), method, p.at+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.client.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // all of it is read
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.Fatal(err)
	}
	return string(text)
}
