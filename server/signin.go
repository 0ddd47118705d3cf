package server

import (
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"

	"groupsyncd/internal/logging"
	"groupsyncd/web"
)

// signInForm shows the form that takes a token.
func (p *page) signInForm(w http.ResponseWriter, r *http.Request) {
	c, err := p.identify(r)
	if err != nil {
		c = nil
	}
	if c != nil && c.session == nil && c.name == "" {
		c = nil // Somebody on this machine who is about to give a name.
	}
	p.show(w, r, c, http.StatusOK, "signin", "Sign in", "/signin", web.SignInView{To: inside(r.URL.Query().Get("to"))})
}

// askToSignIn answers who may not look with the form. Whoever came by a link of another site
// has a cookie that the browser keeps back, or sits at this machine: they need one more click.
func (p *page) askToSignIn(w http.ResponseWriter, r *http.Request, why error) {
	v := web.SignInView{To: here(r), Problem: web.Sentence(why.Error()), Hint: "Sign in with a token, or look from the machine itself."}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		v.Continue, v.Problem, v.Hint = r.Method == http.MethodGet, "", ""
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="groupsyncd"`)
	p.show(w, r, nil, http.StatusUnauthorized, "signin", "Sign in", "/signin", v)
}

// signIn takes a token once and gives a cookie for it.
func (p *page) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, adminBody)
	if err := r.ParseForm(); err != nil {
		p.refuse(w, r, nil, http.StatusBadRequest, "The form could not be read.", "Go back and send it again.")
		return
	}
	to, from := inside(r.PostForm.Get("to")), senderOf(r)
	if !p.guesses.may(from) {
		p.a.metrics.denied.Inc()
		w.Header().Set("Retry-After", "5")
		p.refuse(w, r, nil, http.StatusTooManyRequests, "Too many wrong tokens came from here.", "Wait a few seconds, then try again.")
		return
	}
	a := p.a.access.Load()
	token := strings.TrimSpace(r.PostForm.Get("token"))
	v, err := a.owner(r, token)
	if err != nil {
		p.guesses.wrong(from)
		p.a.metrics.denied.Inc()
		p.a.noteWrong(r, err)
		hint := "Tokens are in the files that server.admin.readers and server.admin.approvers name."
		if len(a.tokens) == 0 {
			hint = "The configuration has no tokens. Add a name under server.admin.approvers, and reload."
		}
		p.show(w, r, nil, http.StatusUnauthorized, "signin", "Sign in", "/signin", web.SignInView{To: to, Problem: "This token is not known here.", Hint: hint})
		return
	}
	// Whoever signs in anew leaves what was before.
	if s, _, ok := p.sessions.find(r, a); ok {
		p.sessions.end(s)
	}
	http.SetCookie(w, p.sessions.begin(v, token, overTLS(r)))
	p.a.Logger.LogAttrs(r.Context(), slog.LevelInfo, "signed in", slog.String(logging.KeyName, v.name), slog.String("peer", r.RemoteAddr))
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // inside has made sure that it is a place of ours
}

// signOut ends a sign-in. Without one there is nothing to end, and that is no mistake.
func (p *page) signOut(w http.ResponseWriter, r *http.Request) {
	s, v, ok := p.sessions.find(r, p.a.access.Load())
	if ok {
		if !p.proven(w, r, &caller{visitor: v, session: s}) {
			return
		}
		p.sessions.end(s)
	}
	for _, secure := range []bool{true, false} {
		http.SetCookie(w, cookie("", secure, -1))
	}
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
}

// inside gives a place to go to that is one of ours, or the first page.
func inside(to string) string {
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") || u.Host != "" || u.Scheme != "" {
		return "/"
	}
	switch path.Clean(u.Path) {
	case "/signin", "/signout", "/sync":
		return "/"
	}
	return to
}
