package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

func notThere(what string) error {
	return fault.New(fault.NotFound, "", "", errors.New(what+" is not there"), "look elsewhere")
}

// opened opens the admin side of a hall for somebody with a browser on this machine.
func opened(t *testing.T, h *hall) *browser {
	t.Helper()
	cfg, _ := tokens(t)
	return &browser{T: t, a: hallAdmin(t, h, cfg)}
}

func TestEveryPageIsWellFormedAndHoldsNoMarkupOfOthers(t *testing.T) {
	t.Parallel()
	b := opened(t, newHall())
	b.signIn(approveToken)
	for _, at := range everyPage() {
		w := b.ask(http.MethodGet, at, nil)
		text := w.Body.String()
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", at, w.Code, text)
			continue
		}
		for _, bad := range []string{"<script>alert", "<i>@", "\u202e", "\x00", "canary", " style=", " onclick", "<style", "http://", "https://"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s holds %q", at, bad)
			}
		}
		if len(text) > 60_000 {
			t.Errorf("%s has %d bytes", at, len(text))
		}
		wellFormed(t, at, text)
	}
}

// wellFormed reads a page as a browser does and looks for what HTML does not allow, or what
// keeps people out.
func wellFormed(t *testing.T, at, text string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	ids, level, labels, mains, ones := map[string]bool{}, 0, map[string]bool{}, 0, 0
	var fields []string
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if id := attribute(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("%s: two elements have the id %s", at, id)
			}
			ids[id] = true
		}
		switch n.Data {
		case "h1", "h2", "h3", "h4":
			next := int(n.Data[1] - '0')
			if next > level+1 {
				t.Errorf("%s: a heading of level %d follows one of level %d", at, next, level)
			}
			if level = next; next == 1 {
				ones++
			}
		case "main":
			mains++
		case "label":
			labels[attribute(n, "for")] = true
		case "input", "select":
			if attribute(n, "type") != "hidden" {
				fields = append(fields, attribute(n, "id"))
			}
		case "table":
			if n.FirstChild == nil || !slices.ContainsFunc(slices.Collect(n.ChildNodes()), func(c *html.Node) bool { return c.Data == "caption" }) {
				t.Errorf("%s: a table has no caption", at)
			}
		case "form":
			if attribute(n, "method") == "post" && attribute(n, "action") == "" {
				t.Errorf("%s: a form says not where it goes", at)
			}
		}
	}
	for _, f := range fields {
		if !labels[f] {
			t.Errorf("%s: the field %s has no label", at, f)
		}
	}
	if mains != 1 || ones != 1 || !ids["main"] {
		t.Errorf("%s: %d main parts and %d main headings", at, mains, ones)
	}
	balanced(t, at, text)
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// balanced demands that every element ends where it should: a parser forgives what this does not.
func balanced(t *testing.T, at, text string) {
	t.Helper()
	void := []string{"meta", "link", "img", "input", "br", "path", "rect"}
	var open []string
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("%s: %v never end", at, open)
			}
			return
		case html.StartTagToken:
			if name, _ := z.TagName(); !slices.Contains(void, string(name)) {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Errorf("%s: </%s> ends %v", at, name, open)
				return
			}
			open = open[:len(open)-1]
		}
	}
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	b := opened(t, newHall())
	b.signIn(approveToken)
	seen, todo := map[string]bool{}, everyPage()
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		if at, _, _ = strings.Cut(at, "#"); seen[at] {
			continue
		}
		seen[at] = true
		w := b.ask(http.MethodGet, at, nil)
		if w.Code != 200 {
			t.Errorf("%s: %d %.300s", at, w.Code, w.Body)
			continue
		}
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			continue
		}
		doc, err := html.Parse(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		for n := range doc.Descendants() {
			for _, key := range []string{"href", "src"} {
				to := attribute(n, key)
				if to == "" || to[0] == '#' {
					continue
				}
				base, err := url.Parse(at)
				if err != nil {
					t.Fatal(err)
				}
				link, err := base.Parse(to)
				if err != nil {
					t.Fatalf("%s: %v", at, err)
				}
				todo = append(todo, link.RequestURI())
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d addresses were found", len(seen))
	}
}

func TestPagesOfALargeWorldStaySmall(t *testing.T) {
	t.Parallel()
	h := newHall()
	hold, src, change := h.list[0], h.state.Sources[1], h.past[0].Targets[0].Changes[0]
	h.list, h.state.Sources = nil, nil
	for i := range 1000 {
		hold.Hash = fmt.Sprintf("hash%04d", i)
		h.list = append(h.list, hold)
	}
	for i := range 50 {
		src.Name = fmt.Sprintf("source %d", i)
		h.state.Sources = append(h.state.Sources, src)
	}
	h.state.Holds = h.list
	change.Reason = "left cn=sales,ou=groups,dc=example,dc=org (corp)"
	for range 100_000 {
		h.past[0].Targets[0].Changes = append(h.past[0].Targets[0].Changes, change)
	}
	for i := range 1000 {
		h.groups = append(h.groups, run.DirectoryGroup{Source: "corp", ID: fmt.Sprint(i), Name: fmt.Sprintf("group %d", i), Rules: []run.Taker{{Rule: "all", Target: "chat", Group: run.GroupRef{ID: "g1", Name: "n"}}}})
		h.people = append(h.people, run.DirectoryUser{Source: "corp", ID: "u1", Email: "<i>@example.org", Name: fmt.Sprintf("Person %d", i)})
	}
	b := opened(t, h)
	assets := 0
	for _, name := range []string{"style.css", "page.js", "icon.svg"} {
		_, rest, _ := strings.Cut(b.ask(http.MethodGet, "/", nil).Body.String(), "/assets/"+strings.Split(name, ".")[0])
		mark, _, _ := strings.Cut(rest, `"`)
		w := b.ask(http.MethodGet, "/assets/"+strings.Split(name, ".")[0]+mark, nil)
		if w.Code != 200 || w.Body.Len() == 0 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Fatalf("%s: %d %v", name, w.Code, w.Header())
		}
		assets += w.Body.Len()
		etag := w.Header().Get("ETag")
		if w := b.ask(http.MethodGet, "/assets/"+strings.Split(name, ".")[0]+mark, nil, header("If-None-Match", etag)); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
			t.Errorf("%s asked for again: %d with %d bytes", name, w.Code, w.Body.Len())
		}
	}
	for _, at := range []string{"/", "/holds", "/holds/hash0500", "/runs/01PAST", "/runs/01PAST?page=2000", "/groups", "/users", "/runs"} {
		w := b.ask(http.MethodGet, at, nil)
		if all := w.Body.Len() + assets; w.Code != 200 || all > 100_000 {
			t.Errorf("%s: %d with %d bytes", at, w.Code, all)
		}
		t.Logf("%s: %d bytes, %d with style and script", at, w.Body.Len(), w.Body.Len()+assets)
	}
}

// reading is somebody who has not read yet.
type reading struct {
	*httptest.ResponseRecorder
	begun, end chan struct{}
}

func (w *reading) Write(b []byte) (int, error) {
	close(w.begun)
	<-w.end
	return w.ResponseRecorder.Write(b)
}

func TestWhoeverReadsARunSlowlyKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	b := opened(t, newHall())
	slow := &reading{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/runs/01PAST", http.NoBody)
	r.RemoteAddr, r.Host = "127.0.0.1:40000", "127.0.0.1:8421"
	var done sync.WaitGroup
	done.Go(func() { b.a.handler.ServeHTTP(slow, r) })
	<-slow.begun
	if n := len(b.a.page.heavy); n != 0 {
		t.Error("the next one has to wait until this one has read everything")
	}
	close(slow.end)
	done.Wait()
	if slow.Code != 200 || len(b.a.page.heavy) != 0 {
		t.Errorf("%d, %d still wait", slow.Code, len(b.a.page.heavy))
	}
}

func TestNoPageNumberAsksForEverything(t *testing.T) {
	t.Parallel()
	h := newHall()
	b := opened(t, h)
	for _, n := range []string{"9223372036854775807", "922337203685477580", "400000000000000000", "-1", "99999999999999999999"} {
		h.asked.Store(0)
		if w := b.ask(http.MethodGet, "/runs?page="+n, nil); w.Code != 200 {
			t.Errorf("page %s: %d", n, w.Code)
		}
		if asked := h.asked.Load(); asked < 1 || asked > maxRuns {
			t.Errorf("page %s asks for %d runs; none and fewer are all of them", n, asked)
		}
	}
}

func TestEveryPageHasAPolicyAndIsNotKept(t *testing.T) {
	t.Parallel()
	b := opened(t, newHall())
	for _, at := range append(everyPage(), "/nothing", "/users/nobody", "/assets/none.css") {
		h := b.ask(http.MethodGet, at, nil).Header()
		csp := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy lacks %s: %s", at, part, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", at, h)
		}
	}
}

func TestADaemonThatKnowsNothingHasPagesToo(t *testing.T) {
	t.Parallel()
	b := opened(t, &hall{})
	for _, at := range []string{"/", "/runs", "/holds", "/users", "/groups", "/progress", "/signin"} {
		w := b.ask(http.MethodGet, at, nil)
		if w.Code != 200 {
			t.Errorf("%s: %d %s", at, w.Code, w.Body)
		}
		wellFormed(t, at, w.Body.String())
	}
	cfg, _ := tokens(t)
	a := hallAdmin(t, &hall{office: office{err: errors.New("the state is being opened")}}, cfg)
	if w := (&browser{T: t, a: a}).ask(http.MethodGet, "/", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "Nothing is known yet") {
		t.Errorf("without a status: %d %s", w.Code, w.Body)
	}
}

func TestEveryRefusalIsAPageWithARemedy(t *testing.T) {
	t.Parallel()
	b := opened(t, newHall())
	far := from("192.0.2.7:4711")
	for _, c := range []struct {
		method, at string
		want       int
		says       string
		changes    []func(*http.Request)
	}{
		{"GET", "/nothing", 404, "Begin at the status page", nil},
		{"GET", "/users/nobody", 404, "Look elsewhere", nil},
		{"GET", "/runs/none", 404, "Look elsewhere", nil},
		{"GET", "/holds/none", 404, "let through or released", nil},
		{"DELETE", "/runs", 405, "takes GET alone", nil},
		{"POST", "/sync", 403, "signed in", nil},
		{"GET", "/", 401, "from outside this machine", []func(*http.Request){far}},
		{"GET", "/runs/01PAST", 401, `name="to" value="/runs/01PAST"`, []func(*http.Request){far}},
		{"GET", "/holds", 401, "through a proxy", []func(*http.Request){header("X-Forwarded-For", "192.0.2.7")}},
		{"GET", "/holds", 401, "Go on to the page", []func(*http.Request){func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }}},
	} {
		w := b.ask(c.method, c.at, nil, c.changes...)
		if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s %s: %d %s", c.method, c.at, w.Code, w.Body)
		}
		wellFormed(t, c.at, w.Body.String())
	}
	// A program is answered as before.
	if w := ask(b.a, http.MethodGet, "/nothing", ""); w.Code != 404 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("a program: %d %v", w.Code, w.Header())
	}
	if w := ask(b.a, http.MethodGet, "/", "", header("Accept", "*/*")); !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || w.Header().Get("Vary") != "Accept" {
		t.Errorf("curl: %v", w.Header())
	}
}

func TestTheStatusSaysWhatToDoNext(t *testing.T) {
	t.Parallel()
	h := newHall()
	b := opened(t, h)
	first := b.ask(http.MethodGet, "/", nil).Body.String()
	for _, want := range []string{"Something is wrong, and 1 hold waits for you", "dead: keeps failing, tried less often", "Look and decide", "34 of 60 people", "12,345"} {
		if !strings.Contains(first, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	h.state = engine.Status{Last: &run.Report{Run: "01PAST"}, Sources: []engine.SourceStatus{{Name: "corp", Coverage: "full", CompleteAsOf: h.past[0].Started}}}
	if text := b.ask(http.MethodGet, "/", nil).Body.String(); !strings.Contains(text, "Everything is in sync") || !strings.Contains(text, "Nothing. The last run began") {
		t.Errorf("all is well: %s", text)
	}
	h.state.Last.Mode, h.state.Last.Targets = run.Plan, []run.TargetReport{{Name: "chat", Summary: run.Summary{MembersAdded: 1}}}
	if text := b.ask(http.MethodGet, "/", nil).Body.String(); !strings.Contains(text, "The last run only planned") {
		t.Errorf("only planned: %s", text)
	}
	h.state.Daemon = &engine.DaemonStatus{Refused: true}
	if text := b.ask(http.MethodGet, "/", nil).Body.String(); !strings.Contains(text, "A newer configuration file was refused") {
		t.Errorf("a refused file: %s", text)
	}
}

func hallAdmin(t *testing.T, h *hall, cfg *config.Config) *Admin {
	t.Helper()
	a, _, _ := newAdmin(t, &h.office)
	a.AdminOptions.Backend, a.AdminOptions.Daemon = h, h
	a.Use(cfg)
	return a
}
