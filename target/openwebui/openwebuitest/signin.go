package openwebuitest

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxSessions is how many sessions of one provider the server keeps of each account.
const maxSessions = 10

// session is a stored sign-in session.
type session struct {
	id, provider              string
	token                     Tokens
	expires, created, updated int64
}

// Tokens are what an OpenID provider issued at a sign-in. Beside them the server keeps a
// refresh token, which is planted so that a client that shows it is caught.
type Tokens struct {
	ID, Access string
	// Lives is how long the access token does; zero: five minutes.
	Lives time.Duration
	// Userinfo are the claims at the sign-in.
	Userinfo map[string]any
}

// SignIn is a sign-in through an OAuth provider.
type SignIn struct {
	Email, Name, Provider, Subject string
	Tokens                         Tokens
	// Role is that of an account which this makes; empty: user.
	Role string
}

// SignIn lets a person sign in and load the page: the account is found by its subject,
// else by its mail, else made; the session is stored, and events are sent, in the
// server's order. It gives the id of the account.
func (s *Server) SignIn(in SignIn) (string, error) {
	if in.Provider == "" || in.Subject == "" {
		return "", errors.New("a sign-in needs a provider and a subject")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.accountOf(&in)
	if err != nil {
		return "", err
	}
	s.store(a, in.Provider, in.Tokens)
	s.publish("auth.login", "oauth", a, "user", a.id, map[string]any{"auth_method": "oauth"})
	s.touch(a)
	return a.id, nil
}

// accountOf finds the account of a sign-in, or makes it.
func (s *Server) accountOf(in *SignIn) (*account, error) {
	s.offer(in.Provider)
	for _, a := range s.db.accounts {
		if a.oauth[in.Provider] == in.Subject {
			return a, nil
		}
	}
	a := s.db.byEmail(in.Email)
	switch {
	case in.Email == "":
		return nil, errors.New("the provider gives no mail address")
	case a == nil:
		a = s.db.addAccount(&account{email: in.Email, name: cmp.Or(in.Name, in.Email), role: cmp.Or(in.Role, "user"),
			oauth: map[string]string{in.Provider: in.Subject}, created: s.seconds()})
		s.publish("user.created", "oauth", a, "user", a.id, map[string]any{"role": a.role, "provider": in.Provider})
	case !s.settings.mergeByEmail:
		return nil, errors.New("the mail address belongs to another account")
	default:
		if a.oauth == nil {
			a.oauth = map[string]string{}
		}
		a.oauth[in.Provider] = in.Subject
	}
	return a, nil
}

// offer puts a provider on the sign-in page.
func (s *Server) offer(provider string) {
	if s.settings.providers[provider] == "" {
		s.settings.providers[provider] = strings.ToUpper(provider[:1]) + provider[1:]
	}
}

// store keeps the session of a sign-in, and the newest others.
func (s *Server) store(a *account, provider string, t Tokens) {
	sessions := slices.Clone(a.sessions)
	same := 0
	for i, v := range slices.Backward(sessions) {
		if v.provider != provider {
			continue
		}
		if same++; same >= maxSessions {
			sessions = slices.Delete(sessions, i, i+1)
		}
	}
	now := s.seconds()
	id := s.db.id(3)
	sessions = append(sessions, session{id: id, provider: provider, token: t, created: now, updated: now, expires: s.expiry(t)})
	a.sessions = sessions
}

func (s *Server) expiry(t Tokens) int64 {
	return s.seconds() + int64(cmp.Or(t.Lives, 5*time.Minute)/time.Second)
}

// RefreshSession puts new tokens into the newest session of an account, as the server
// does when it needs a living access token.
func (s *Server) RefreshSession(account, provider string, t Tokens) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.db.accounts[account]
	for i := range slices.Backward(a.sessions) {
		if a.sessions[i].provider == provider {
			a.sessions = slices.Clone(a.sessions)
			a.sessions[i].token, a.sessions[i].updated, a.sessions[i].expires = t, s.seconds(), s.expiry(t)
			return
		}
	}
}

// DropSessions ends the stored sessions of an account.
func (s *Server) DropSessions(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db.accounts[account].sessions = nil
}

// Visit lets somebody who is signed in use the server.
func (s *Server) Visit(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touch(s.db.accounts[account])
}

// touch moves the time of the last activity, not more often than the setting allows.
func (s *Server) touch(a *account) {
	if now := s.seconds(); now-a.touched >= s.settings.activeEvery || now < a.touched {
		a.touched, a.active = now, now
	}
}

// SetActiveEvery sets how often the time of the last activity moves at most
// (DATABASE_USER_ACTIVE_STATUS_UPDATE_INTERVAL there); the default is a minute.
func (s *Server) SetActiveEvery(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.activeEvery = int64(d / time.Second)
}

// SetProviders sets the OAuth providers that the sign-in page offers. A sign-in or a
// subject adds its own.
func (s *Server) SetProviders(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.providers = map[string]string{}
	for _, name := range names {
		s.offer(name)
	}
}

// MergeByEmail says whether a first sign-in takes over the account with the same mail
// (OAUTH_MERGE_ACCOUNTS_BY_EMAIL there); it is off at first.
func (s *Server) MergeByEmail(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.mergeByEmail = on
}

// publicConfig answers what anybody may know.
func (s *Server) publicConfig(*call) *answer {
	return send(map[string]any{
		"status": true, "name": "Open WebUI", "version": s.version, "default_locale": "",
		"oauth":    map[string]any{"providers": s.settings.providers, "auto_redirect": false},
		"features": map[string]any{"auth": true, "enable_ldap": s.settings.ldap, "enable_signup": false, "enable_login_form": true},
	})
}

// listSessions answers the stored sessions of an account with their tokens in clear;
// none, and an account that does not exist, are the same refusal.
func (s *Server) listSessions(c *call) *answer {
	id := strings.TrimSuffix(strings.TrimPrefix(c.r.URL.Path, "/api/v1/users/"), "/oauth/sessions")
	a := s.db.accounts[id]
	if a == nil || len(a.sessions) == 0 {
		return refuse(http.StatusBadRequest, notFound)
	}
	out := make([]map[string]any, 0, len(a.sessions))
	for _, v := range a.sessions {
		token := map[string]any{
			"access_token": v.token.Access, "token_type": "Bearer", "refresh_token": "canary-refresh-token", "scope": "openid email profile",
			"expires_in": v.expires - v.updated, "expires_at": v.expires, "userinfo": v.token.Userinfo, "issued_at": v.updated,
		}
		if v.token.ID != "" {
			token["id_token"] = v.token.ID
		}
		out = append(out, map[string]any{
			"id": v.id, "user_id": a.id, "provider": v.provider, "token": token, "expires_at": v.expires, "created_at": v.created, "updated_at": v.updated,
		})
	}
	return send(out)
}
