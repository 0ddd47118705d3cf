package server

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
	"groupsyncd/web"
)

// PageBackend is what the page asks beside a Backend.
type PageBackend interface {
	// Going gives the runs of everybody that go on, and what is closed when that has changed.
	Going() ([]run.Going, <-chan struct{})
	// Members lists who is in a group of a target, Approvals what may still be carried out
	// because somebody let it through.
	Members(ctx context.Context, target, group string) ([]engine.Member, error)
	Approvals(ctx context.Context) ([]run.Approval, error)
}

// page is the face of the admin listener for browsers: it shows what the API answers, to the
// same people, and takes the same decisions.
type page struct {
	a        *Admin
	site     *web.Site
	sessions *sessions
	guesses  *guesses
	origin   *http.CrossOriginProtection
	// promised are ids of runs that begin soon.
	promised promises
	// heavy lets one report with all of its changes be in memory at a time, streams bounds how
	// many follow a run.
	heavy, streams chan struct{}
}

// caller is who looks at a page.
type caller struct {
	visitor
	// session is nil for whoever has not signed in here.
	session *session
}

func newPage(a *Admin) (*page, error) {
	site, err := web.New()
	if err != nil {
		return nil, err
	}
	return &page{a: a, site: site, sessions: newSessions(a.Now), guesses: newGuesses(a.Now), origin: http.NewCrossOriginProtection(),
		heavy: make(chan struct{}, 1), streams: make(chan struct{}, maxStreams)}, nil
}

// routes adds the pages.
func (p *page) routes(mux *http.ServeMux) {
	get := func(path string, h func(http.ResponseWriter, *http.Request, *caller)) {
		mux.HandleFunc("GET "+path, p.guarded(reader, h))
	}
	get("/runs", p.runs)
	get("/runs/{id}", p.run)
	get("/holds", p.holds)
	get("/holds/{hash}", p.hold)
	get("/users", p.users)
	get("/users/{name}", p.user)
	get("/groups", p.groups)
	get("/groups/{name}", p.group)
	get("/progress", p.progress)
	get("/progress/events", p.events)
	mux.HandleFunc("POST /holds/{hash}", p.guarded(approver, p.approve))
	mux.HandleFunc("POST /sync", p.guarded(approver, p.sync))
	mux.HandleFunc("GET /signin", p.dressed(p.signInForm))
	mux.HandleFunc("POST /signin", p.dressed(p.signIn))
	mux.HandleFunc("POST /signout", p.dressed(p.signOut))
	mux.HandleFunc("GET "+web.AssetPath+"{name}", p.dressed(p.asset))
	for _, path := range []string{"/runs", "/runs/{id}", "/holds", "/users", "/users/{name}", "/groups", "/groups/{name}", "/progress", "/progress/events", web.AssetPath + "{name}"} {
		mux.HandleFunc(path, p.only("GET"))
	}
	mux.HandleFunc("/holds/{hash}", p.only("GET, POST"))
	mux.HandleFunc("/signin", p.only("GET, POST"))
	mux.HandleFunc("/signout", p.only("POST"))
	mux.HandleFunc("/sync", p.only("POST"))
}

// only refuses the methods that a path does not take.
func (p *page) only(methods string) http.HandlerFunc {
	return p.dressed(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", methods)
		p.refuse(w, r, nil, http.StatusMethodNotAllowed, "This address takes "+methods+" alone.", "Begin at the status page.")
	})
}

// policy lets a page use what comes from here and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// dressed gives an answer the headers of a page. Requests that change something have to come
// from a page of ours: without that nothing looks at them.
func (p *page) dressed(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		// A browser says where a form comes from only to whom it would say so of a link.
		head.Set("Referrer-Policy", "same-origin")
		head.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		if err := p.origin.Check(r); err != nil {
			p.a.metrics.denied.Inc()
			p.refuse(w, r, nil, http.StatusForbidden, "This request was sent by a page of somebody else.", "Nothing was done. Open the page here, and press the button there. A proxy before it has to pass on the header Host as it is.")
			return
		}
		h(w, r)
	}
}

// guarded lets a page be seen by those alone who may.
func (p *page) guarded(need right, h func(http.ResponseWriter, *http.Request, *caller)) http.HandlerFunc {
	return p.dressed(func(w http.ResponseWriter, r *http.Request) {
		c, err := p.identify(r)
		switch {
		case err != nil:
			p.a.noteRefused(r, err)
			p.askToSignIn(w, r, err)
		case need == approver && (c.session == nil || !c.approver):
			p.a.metrics.denied.Inc()
			p.mayNot(w, r, c)
		case need == approver && !p.proven(w, r, c):
			p.a.metrics.denied.Inc()
		default:
			h(w, r, c)
		}
	})
}

// identify says who looks: by a token that came along, by a sign-in, or as somebody on this
// machine.
func (p *page) identify(r *http.Request) (*caller, error) {
	a := p.a.access.Load()
	if len(r.Header.Values("Authorization")) == 0 {
		if s, v, ok := p.sessions.find(r, a); ok {
			return &caller{visitor: v, session: s}, nil
		}
	}
	v, err := a.identify(r)
	return &caller{visitor: v}, err
}

func (p *page) mayNot(w http.ResponseWriter, r *http.Request, c *caller) {
	switch {
	case c.session != nil:
		p.refuse(w, r, c, http.StatusForbidden, c.name+" may read, and nothing else.", "Ask somebody whose name is under server.admin.approvers.")
	default:
		p.refuse(w, r, c, http.StatusForbidden, "Only an approver who has signed in decides here, also on this machine.", "Sign in with the token of a name under server.admin.approvers. Scripts use the API.")
	}
}

// proven reports whether a form is one that we gave to this session.
func (p *page) proven(w http.ResponseWriter, r *http.Request, c *caller) bool {
	r.Body = http.MaxBytesReader(w, r.Body, adminBody)
	if err := r.ParseForm(); err != nil {
		p.refuse(w, r, c, http.StatusBadRequest, "The form could not be read.", "Go back and send it again.")
		return false
	}
	if !c.session.proves(r.PostForm.Get("proof")) {
		p.refuse(w, r, c, http.StatusForbidden, "The form is not one of this sign-in, or too old.", "Nothing was done. Open the page again, and press the button there.")
		return false
	}
	return true
}

// show draws a page for somebody, and sends it.
func (p *page) show(w http.ResponseWriter, r *http.Request, c *caller, code int, name, title, at string, body any) {
	if text := p.draw(w, r, c, code, name, title, at, body); text != nil {
		p.send(w, code, "text/html; charset=utf-8", text)
	}
}

// draw gives a page for somebody; nil: it could not be drawn, which they have been told.
func (p *page) draw(w http.ResponseWriter, r *http.Request, c *caller, code int, name, title, at string, body any) []byte {
	v := &web.Page{Title: title, At: at, Now: p.a.Now(), Zone: p.a.zone(), Body: body, Who: web.Who{Here: here(r)}}
	if c != nil {
		v.Who.Name, v.Who.Approver = c.name, c.approver
		if c.session != nil {
			v.Who.Session, v.Who.Proof = true, c.session.proof
			v.Said = c.session.said(code)
		}
	}
	text, err := p.site.Draw(name, v)
	if err != nil {
		p.a.Logger.LogAttrs(r.Context(), slog.LevelError, "page not drawn", slog.String(logging.KeyName, name), slog.String(logging.KeyErr, err.Error()))
		http.Error(w, "The page could not be drawn; the daemon has logged why.", http.StatusInternalServerError)
		return nil
	}
	return text
}

func (p *page) send(w http.ResponseWriter, code int, kind string, text []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(code)
	if _, err := w.Write(text); err != nil {
		p.a.Logger.LogAttrs(p.a.ctx, slog.LevelDebug, "answer not sent", slog.String(logging.KeyErr, err.Error()))
	}
}

// here is the address of a page to come back to; a form's is that of its page.
func here(r *http.Request) string {
	switch r.URL.Path {
	case "/signin", "/signout", "/sync":
		return "/"
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return r.URL.EscapedPath()
	}
	return r.URL.RequestURI()
}

// refuse draws a page that says what is wrong and what to do.
func (p *page) refuse(w http.ResponseWriter, r *http.Request, c *caller, code int, text, hint string) {
	v := web.ErrorView{Text: text, Hint: hint}
	title := map[int]string{http.StatusNotFound: "Not found", http.StatusForbidden: "Not allowed", http.StatusTooManyRequests: "Too many tries",
		http.StatusServiceUnavailable: "Not right now", http.StatusMethodNotAllowed: "Not that way", http.StatusConflict: "No longer so"}[code]
	if code == http.StatusForbidden {
		v.Link, v.Way = "/signin?to="+url.QueryEscape(here(r)), "Sign in"
	}
	if code == http.StatusServiceUnavailable && r.Method == http.MethodGet {
		v.Link, v.Way = here(r), "Try again"
	}
	p.show(w, r, c, code, "error", cmp.Or(title, "That did not work"), "", v)
}

// fail draws a page about an error.
func (p *page) fail(w http.ResponseWriter, r *http.Request, c *caller, err error) {
	p.refuse(w, r, c, statusOf(w, err), web.Sentence(err.Error()), fault.HintOf(err))
}

// asset gives a file that its address tells from older ones of its name.
func (p *page) asset(w http.ResponseWriter, r *http.Request) {
	f, ok := p.site.Asset(r.PathValue("name"))
	if !ok {
		p.refuse(w, r, nil, http.StatusNotFound, "There is nothing at this address.", "The page is of another version of the program: load it again.")
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", f.ETag)
	if r.Header.Get("If-None-Match") == f.ETag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	p.send(w, http.StatusOK, f.Type, f.Data)
}

// wantsPage reports whether somebody asks with a browser.
func wantsPage(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		if kind, _, _ := strings.Cut(part, ";"); strings.TrimSpace(kind) == "text/html" {
			return true
		}
	}
	return false
}

// await carries out a call for a page, which waits for it as the API does.
func await[T any](p *page, r *http.Request, call func(context.Context) (T, error)) (T, error) {
	return wait(p.a, r, readBound, call)
}

// maxPage is more than any list has pages, and may be multiplied.
const maxPage = 1_000_000

// pageOf reads the number of a page.
func pageOf(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || n < 1 {
		return 1
	}
	return min(n, maxPage)
}

// turn gives the address of another page of the same list.
func turn(r *http.Request) func(int) string {
	return func(n int) string {
		q := r.URL.Query()
		q.Set("page", strconv.Itoa(n))
		return "?" + q.Encode()
	}
}

// promises remembers ids of runs that begin soon, the newest of them.
type promises struct {
	mu   sync.Mutex
	list []string
}

// maxPromises is how many ids are remembered.
const maxPromises = 64

func (p *promises) add(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) >= maxPromises {
		p.list = p.list[1:]
	}
	p.list = append(p.list, id)
}

func (p *promises) has(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.list, id)
}
