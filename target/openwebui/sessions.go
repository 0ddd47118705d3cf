package openwebui

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/sync/plan"
)

// sweepEvery is how long a reading of all accounts is believed when it did not show a
// subject: whoever signed in since is among the newest or the most lately active.
const sweepEvery = 10 * time.Minute

// Sessions reads the sign-in sessions that the server stores. It counts for itself: what
// a source asks for is not in the requests of a run. It is safe for use by several
// goroutines.
type Sessions struct {
	s *Session

	mu sync.Mutex
	// accounts are the accounts by provider and subject, as they were last seen; a use of
	// one is preceded by reading that account.
	accounts map[[2]string]string
	// swept is when all accounts were read last.
	swept time.Time
}

var _ providers.Sessions = (*Sessions)(nil)

// Sessions gives a reader of stored sign-in sessions.
func (c *Client) Sessions() *Sessions {
	return &Sessions{s: c.Session(), accounts: map[[2]string]string{}}
}

// Providers names the OAuth providers that the sign-in page offers, sorted. Anybody may
// read that, so no key is sent.
func (r *Sessions) Providers(ctx context.Context) ([]string, error) {
	var w struct {
		OAuth *struct {
			Providers map[string]json.RawMessage `json:"providers"`
		} `json:"oauth"`
	}
	_, err := r.s.c.open.Session().Do(ctx, httpx.Request{Method: http.MethodGet, Path: "/api/config", Op: "read sign-in providers", Into: &w, Repeat: true})
	if err != nil {
		return nil, hinted(err)
	}
	if w.OAuth == nil {
		return nil, fault.Errorf(fault.Incomplete, "read sign-in providers", "target "+r.s.c.name, "the answer does not say which there are")
	}
	return slices.Sorted(maps.Keys(w.OAuth.Providers)), nil
}

// SignedIn calls each for every account with a subject at the provider. Who exists is
// what the list of all accounts says; each must have been on a page, which carry subjects.
func (r *Sessions) SignedIn(ctx context.Context, provider string, each func(providers.SignedIn) error) error {
	read := newAccountSet()
	users, err := r.s.everybody(ctx, read)
	if err != nil {
		return err
	}
	missing := map[string]bool{}
	for i := range users {
		if _, ok := read.get(users[i].ID); !ok {
			missing[users[i].ID] = true
		}
	}
	if err := r.s.complete(ctx, missing, read); err != nil {
		return err
	}
	r.keep(read.list, true)
	for i := range read.list {
		if who, ok := signedIn(&read.list[i], provider); ok {
			if err := each(who); err != nil {
				return err
			}
		}
	}
	return nil
}

// signedIn gives an account in the words of sources, if it has a subject at the provider.
func signedIn(a *plan.Account, provider string) (providers.SignedIn, bool) {
	subject := a.Subjects[provider]
	return providers.SignedIn{Account: a.ID, Subject: subject, Email: a.Email, Name: a.Name}, subject != ""
}

// keep notes which account a subject belongs to; all says that these are all there are.
func (r *Sessions) keep(accounts []plan.Account, all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if all {
		r.accounts, r.swept = map[[2]string]string{}, r.s.c.now()
	}
	for i := range accounts {
		for provider, subject := range accounts[i].Subjects {
			r.accounts[[2]string{provider, subject}] = accounts[i].ID
		}
	}
}

// kept gives the account of a subject as it was last seen, and whether all accounts were
// read a short while ago.
func (r *Sessions) kept(provider, subject string) (account string, lately bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accounts[[2]string{provider, subject}], !r.swept.IsZero() && r.s.c.now().Sub(r.swept) < sweepEvery
}

// Find gives the account with that id; else the one with that subject, else the one with
// that mail address, at the provider.
func (r *Sessions) Find(ctx context.Context, provider string, who directory.Person) (providers.SignedIn, error) {
	if who.Account != "" {
		return r.one(ctx, provider, who.Account)
	}
	if who.ID != "" {
		found, err := r.bySubject(ctx, provider, who.ID)
		if fault.KindOf(err) != fault.NotFound || who.Email == "" {
			return found, err
		}
	}
	if who.Email != "" {
		return r.byMail(ctx, provider, who.Email)
	}
	return providers.SignedIn{}, r.nobody("nothing says which account is meant")
}

func (r *Sessions) nobody(what string) error {
	return fault.Errorf(fault.NotFound, "find account", "target "+r.s.c.name, "%s", what)
}

// one reads an account by its id.
func (r *Sessions) one(ctx context.Context, provider, id string) (providers.SignedIn, error) {
	v, err := r.s.Account(ctx, id, false)
	if err != nil {
		return providers.SignedIn{}, err
	}
	who, ok := signedIn(&v.Account, provider)
	if !ok {
		return who, r.nobody("account " + id + " has never signed in through " + provider)
	}
	return who, nil
}

// bySubject finds an account that the server cannot be asked for: as it was last seen,
// else among the newest and the most lately active, else among all.
func (r *Sessions) bySubject(ctx context.Context, provider, subject string) (providers.SignedIn, error) {
	id, lately := r.kept(provider, subject)
	if id == "" {
		for _, order := range []string{"last_active_at", "created_at"} {
			w, err := r.s.usersBy(ctx, 1, order, "desc")
			if err != nil {
				return providers.SignedIn{}, err
			}
			r.keepPage(w)
		}
		id, _ = r.kept(provider, subject)
	}
	if id == "" && !lately {
		if err := r.SignedIn(ctx, provider, func(providers.SignedIn) error { return nil }); err != nil {
			return providers.SignedIn{}, err
		}
		id, _ = r.kept(provider, subject)
	}
	if id == "" {
		return providers.SignedIn{}, r.nobody("no account has that subject at " + provider)
	}
	who, err := r.one(ctx, provider, id)
	if err == nil && who.Subject != subject {
		err = r.nobody("no account has that subject at " + provider + " any more")
	}
	if fault.KindOf(err) == fault.NotFound { // deleted, or linked with somebody else
		r.mu.Lock()
		delete(r.accounts, [2]string{provider, subject})
		r.mu.Unlock()
	}
	return who, err
}

func (r *Sessions) keepPage(w *usersWire) {
	accounts := make([]plan.Account, len(w.Users))
	for i := range w.Users {
		accounts[i] = w.Users[i].account(true)
	}
	r.keep(accounts, false)
}

// byMail asks for the accounts whose mail or name contains the address.
func (r *Sessions) byMail(ctx context.Context, provider, mail string) (providers.SignedIn, error) {
	for page := 1; ; page++ {
		w, err := r.s.search(ctx, page, mail)
		if err != nil {
			return providers.SignedIn{}, err
		}
		for i := range w.Users {
			a := w.Users[i].account(true)
			if directory.FoldEmail(a.Email) != directory.FoldEmail(mail) {
				continue
			}
			if who, ok := signedIn(&a, provider); ok {
				return who, nil
			}
			return providers.SignedIn{}, r.nobody("the account with that mail address has never signed in through " + provider)
		}
		if len(w.Users) == 0 || page*pageSize >= *w.Total {
			return providers.SignedIn{}, r.nobody("no account has that mail address")
		}
	}
}

// sessionWire is a stored session. What it holds beside this is left alone: above all the
// refresh token, whose use would end the person's session.
type sessionWire struct {
	ID       string          `json:"id"`
	Provider string          `json:"provider"`
	Token    json.RawMessage `json:"token"`
	Expires  int64           `json:"expires_at"`
	Created  int64           `json:"created_at"`
	Updated  int64           `json:"updated_at"`
}

// Of gives the stored sessions of an account at a provider, the one that was written last
// first. The server says with one and the same refusal that there are none, that there is
// no such account, and that it could not read them: none proves nothing.
func (r *Sessions) Of(ctx context.Context, provider, account string) ([]providers.SignInSession, error) {
	wire, err := r.s.sessions(ctx, provider, account)
	if err != nil {
		return nil, err
	}
	now := r.s.c.now()
	out := make([]providers.SignInSession, 0, len(wire))
	for i := range wire {
		v, err := wire[i].session(now)
		if err != nil {
			return nil, fault.New(fault.Incomplete, "read sign-in sessions", "target "+r.s.c.name, err, "")
		}
		out = append(out, v)
	}
	return out, nil
}

// sessions reads the stored sessions of an account at a provider, or of all where none is
// named, the one that was written last first. Errors hold nothing of what the server said.
func (s *Session) sessions(ctx context.Context, provider, account string) ([]sessionWire, error) {
	var all []sessionWire
	_, err := s.do(ctx, httpx.Request{
		Method: http.MethodGet, Path: "/api/v1/users/" + url.PathEscape(account) + "/oauth/sessions", Op: "read sign-in sessions",
		Into: &all, Repeat: true, Secret: true,
	})
	if none(err) {
		return []sessionWire{}, nil
	}
	if err != nil {
		return nil, err
	}
	sessions := slices.DeleteFunc(all, func(w sessionWire) bool { return !ofProvider(&w, provider) })
	slices.Reverse(sessions) // The server adds at the end, and its times are whole seconds.
	slices.SortStableFunc(sessions, func(a, b sessionWire) int {
		return cmp.Or(cmp.Compare(b.Updated, a.Updated), cmp.Compare(b.Created, a.Created))
	})
	return sessions, nil
}

// none reports whether a refusal says that there is nothing stored.
func none(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return false
	}
	e, ok := errors.AsType[*httpx.StatusError](f.Err)
	return ok && e.Status == http.StatusBadRequest && e.JSON
}

// session gives a stored session in the words of sources.
func (w *sessionWire) session(now time.Time) (providers.SignInSession, error) {
	var token struct {
		ID     string `json:"id_token"`
		Access string `json:"access_token"`
	}
	if json.Unmarshal(w.Token, &token) != nil || w.ID == "" {
		return providers.SignInSession{}, fmt.Errorf("stored session %q has an unknown form", w.ID)
	}
	v := providers.SignInSession{ID: w.ID, IDToken: secret.New(token.ID), CreatedAt: time.Unix(w.Created, 0).UTC(), Expires: time.Unix(w.Expires, 0).UTC()}
	if now.Before(v.Expires) {
		v.AccessToken = secret.New(token.Access)
	}
	return v, nil
}
