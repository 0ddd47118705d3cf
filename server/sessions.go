package server

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"time"

	"groupsyncd/web"
)

const (
	// sessionIdle ends a sign-in that nobody uses, sessionLife every one.
	sessionIdle = time.Hour
	sessionLife = 12 * time.Hour
	// maxSessions bounds the sign-ins, maxSessionsEach those of one name; the one that was not
	// used for longest makes room.
	maxSessions     = 256
	maxSessionsEach = 16

	// The cookie of a page that came encrypted is one that no neighbour can set.
	plainCookie  = "groupsyncd"
	secureCookie = "__Host-groupsyncd"
)

// session is a sign-in. It holds no token, only its hash: each use asks anew whose that is, so
// that a token that was replaced or taken out ends its sign-ins at once.
type session struct {
	key   [sha256.Size]byte
	token [sha256.Size]byte
	name  string
	// proof is what forms of this session carry; secure, that its cookie is sent encrypted only.
	proof  string
	secure bool

	began, used time.Time

	mu      sync.Mutex
	message *web.Said
}

// proves reports whether a form carries what we gave it.
func (s *session) proves(proof string) bool {
	return subtle.ConstantTimeCompare([]byte(proof), []byte(s.proof)) == 1
}

// say keeps a message for the next page.
func (s *session) say(m web.Said) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.message = &m
}

// said gives the message that waits, once, and not to a page about a failure.
func (s *session) said(code int) *web.Said {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code >= http.StatusBadRequest {
		return nil
	}
	m := s.message
	s.message = nil
	return m
}

// sessions are all sign-ins. They are in memory alone: a restart ends them.
type sessions struct {
	now func() time.Time

	mu sync.Mutex
	by map[[sha256.Size]byte]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, by: map[[sha256.Size]byte]*session{}}
}

// begin signs somebody in and gives the cookie.
func (all *sessions) begin(v visitor, token string, secure bool) *http.Cookie {
	id := rand.Text() + rand.Text()
	now := all.now()
	s := &session{key: sha256.Sum256([]byte(id)), token: sha256.Sum256([]byte(token)), name: v.name, proof: rand.Text(), secure: secure, began: now, used: now}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.sweep(now)
	all.makeRoom(maxSessionsEach, func(o *session) bool { return o.name == s.name })
	all.makeRoom(maxSessions, func(*session) bool { return true })
	all.by[s.key] = s
	return cookie(id, secure, sessionLife)
}

// cookie is one that scripts do not see and other sites do not send.
func cookie(id string, secure bool, life time.Duration) *http.Cookie {
	//nolint:gosec // Secure is left out where a browser came without TLS: it would not send it back
	c := &http.Cookie{Name: plainCookie, Value: id, Path: "/", MaxAge: int(life / time.Second), HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure}
	if secure {
		c.Name = secureCookie
	}
	return c
}

func (all *sessions) sweep(now time.Time) {
	for key, s := range all.by {
		if s.over(now) {
			delete(all.by, key)
		}
	}
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.used) >= sessionIdle || now.Sub(s.began) >= sessionLife
}

// makeRoom ends what was used longest ago among some, so that one more is not too many.
func (all *sessions) makeRoom(most int, among func(*session) bool) {
	var oldest *session
	n := 0
	for _, s := range all.by {
		if !among(s) {
			continue
		}
		if n++; oldest == nil || s.used.Before(oldest.used) {
			oldest = s
		}
	}
	if n >= most {
		delete(all.by, oldest.key)
	}
}

// find gives the sign-in that a request belongs to and whose it is now.
func (all *sessions) find(r *http.Request, a *access) (*session, visitor, bool) {
	for _, name := range []string{secureCookie, plainCookie} {
		c, err := r.Cookie(name)
		if err != nil {
			continue
		}
		s := all.use(c.Value, name == secureCookie)
		if s == nil {
			continue
		}
		v, err := a.holder(r, s.token)
		if err == nil && v.name == s.name {
			return s, v, true
		}
		all.end(s)
	}
	return nil, visitor{}, false
}

func (all *sessions) use(id string, secure bool) *session {
	all.mu.Lock()
	defer all.mu.Unlock()
	s := all.by[sha256.Sum256([]byte(id))]
	now := all.now()
	switch {
	case s == nil || s.secure != secure:
		return nil
	case s.over(now):
		delete(all.by, s.key)
		return nil
	}
	s.used = now
	return s
}

func (all *sessions) end(s *session) {
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.by, s.key)
}

// overTLS reports whether the browser reached us, or a proxy before us, over TLS. The
// browser says so itself in Origin; believing it, or a proxy, only ever narrows down where
// the cookie goes.
func overTLS(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	return r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://") || strings.EqualFold(strings.TrimSpace(first), "https")
}

const (
	// Whoever tries wrong tokens has a few at once, and one more every few seconds.
	guessBurst = 8
	guessEvery = 5 * time.Second
	// maxGuessers bounds how many senders are told apart.
	maxGuessers = 1024
)

// guesses bounds how many wrong tokens somebody may try.
type guesses struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[sender]*guesser
}

// guesser is how many tries somebody has left, as of some time.
type guesser struct {
	left float64
	at   time.Time
}

func newGuesses(now func() time.Time) *guesses {
	return &guesses{now: now, by: map[sender]*guesser{}}
}

// may reports whether a sender may try a token.
func (g *guesses) may(s sender) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.of(s).left >= 1
}

// wrong counts a wrong token.
func (g *guesses) wrong(s sender) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.of(s).left--
}

func (g *guesses) of(s sender) *guesser {
	now := g.now()
	one := g.by[s]
	if one == nil {
		if len(g.by) >= maxGuessers {
			g.forget(now)
		}
		one = &guesser{left: guessBurst, at: now}
		g.by[s] = one
	}
	one.left = min(guessBurst, one.left+cmp.Or(now.Sub(one.at).Seconds(), 0)/guessEvery.Seconds())
	one.at = now
	return one
}

// forget drops who has all tries again, or else whoever is found first: more than so many
// senders at once are no people.
func (g *guesses) forget(now time.Time) {
	for s, one := range g.by {
		if now.Sub(one.at) >= guessBurst*guessEvery {
			delete(g.by, s)
		}
	}
	for s := range g.by {
		if len(g.by) < maxGuessers {
			return
		}
		delete(g.by, s)
	}
}
