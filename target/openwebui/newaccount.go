package openwebui

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/sync/plan"
)

const addPath = "/api/v1/auths/add"

// addWire is the body that makes an account.
type addWire struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	Password string `json:"password"`
	Role     string `json:"role"`
}

// madeWire is what is read of the answer. It also holds a token with which the new account
// is signed in: that is never decoded, kept, or shown.
type madeWire struct {
	ID string `json:"id"`
}

// CreateAccount makes an account for somebody who has not signed in yet; fault.Conflict
// when its mail address is taken. Nobody learns its password, so it is signed in to through
// the provider only, which needs OAUTH_MERGE_ACCOUNTS_BY_EMAIL there.
func (s *Session) CreateAccount(ctx context.Context, spec plan.AccountSpec) (plan.Account, error) {
	const op = "create account"
	if spec.Role != plan.RolePending && spec.Role != plan.RoleUser {
		return plan.Account{}, fault.Errorf(fault.Invalid, op, "target "+s.c.name, "%q is none of pending, user", spec.Role)
	}
	form := addWire{Name: spec.Name, Email: spec.Email, Password: password(), Role: spec.Role}
	if form.Name == "" {
		form.Name = spec.Email
	}
	var made madeWire
	_, err := s.do(ctx, httpx.Request{
		Method: http.MethodPost, Path: addPath, Op: op, Body: form, Into: &made, Secret: true,
		Happened: func(ctx context.Context) (bool, error) {
			w, err := s.withEmail(ctx, spec.Email)
			if w != nil {
				made.ID = w.ID
			}
			return w != nil, err
		},
	})
	switch {
	case errors.Is(err, httpx.ErrHappened):
	case err != nil:
		return plan.Account{}, s.notMade(ctx, op, spec.Email, err)
	case made.ID == "":
		return plan.Account{}, fault.Errorf(fault.Incomplete, op, "target "+s.c.name, "the server did not tell the new account")
	}
	v, err := s.Account(ctx, made.ID, true)
	if err != nil {
		return plan.Account{}, err
	}
	return v.Account, nil
}

// notMade says why an account was not made. The server has one status for a mail address
// that is taken, one that it does not like, and a password that its policy refuses.
func (s *Session) notMade(ctx context.Context, op, email string, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	status, known := statusOf(err)
	switch {
	case !ok || !known:
		return err
	case status == http.StatusForbidden:
		f.Hint = "the key may not make accounts: where ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS is on, let API_KEYS_ALLOWED_ENDPOINTS contain " + addPath +
			", or write accounts.create: never"
		return err
	case status != http.StatusBadRequest:
		return err
	}
	w, findErr := s.withEmail(ctx, email)
	switch {
	case findErr != nil:
		return findErr
	case w != nil:
		return fault.New(fault.Conflict, op, f.Where, errors.New("the mail address "+email+" has an account already"), "the next run finds it")
	}
	return fault.New(fault.Invalid, op, f.Where, errors.New("the server refuses the mail address "+email+", or its password policy refuses a random password"),
		"see PASSWORD_VALIDATION_REGEX_PATTERN there")
}

// withEmail finds the account with a mail address, or nothing.
func (s *Session) withEmail(ctx context.Context, email string) (*userWire, error) {
	for page := 1; ; page++ {
		w, err := s.usersWith(ctx, page, url.Values{"query": {email}, "order_by": {"created_at"}, "direction": {"desc"}})
		if err != nil {
			return nil, err
		}
		for i := range w.Users {
			if directory.FoldEmail(w.Users[i].Email) == directory.FoldEmail(email) {
				return &w.Users[i], nil
			}
		}
		if page*pageSize >= *w.Total {
			return nil, nil //nolint:nilnil // there is none, and that is an answer
		}
	}
}

// password gives one that nobody can guess and that the server's policies accept: letters
// of both cases, a digit, a sign, and no more than the 72 bytes that it can hash.
func password() string {
	b := make([]byte, 36)
	_, _ = rand.Read(b) // never fails: the program ends where there is no randomness
	return "aA1!" + base64.RawURLEncoding.EncodeToString(b)
}
