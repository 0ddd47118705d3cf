package openwebui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/sync/plan"
)

// noPicture is the server's own picture of an account without one.
const noPicture = "/user.png"

// roleWire is the body of a change of a role. Versions before 0.9.0 want the other fields
// too, later ones change only what is given.
type roleWire struct {
	Role    string  `json:"role"`
	Name    *string `json:"name,omitempty"`
	Email   *string `json:"email,omitempty"`
	Picture *string `json:"profile_image_url,omitempty"`
}

// SetRole gives an account a role and gives the account as the server has it then;
// fault.NotFound when the list of all accounts does not name it, fault.Invalid for the
// primary administrator, whom the server protects.
//
// The server stores any word as a role, so the word is checked here.
func (s *Session) SetRole(ctx context.Context, a plan.Account, role string) (plan.Account, error) {
	const op = "set role"
	if !slices.Contains([]string{plan.RoleAdmin, plan.RoleUser, plan.RolePending}, role) {
		return plan.Account{}, fault.Errorf(fault.Invalid, op, "target "+s.c.name, "%q is none of admin, user, pending", role)
	}
	var w userWire
	err := s.writeRole(ctx, a.ID, roleWire{Role: role}, &w)
	if err != nil {
		return plan.Account{}, s.roleRefused(ctx, op, a.ID, err)
	}
	if w.ID != a.ID {
		return plan.Account{}, fault.Errorf(fault.Incomplete, op, "target "+s.c.name, "the answer is another account than %s", a.ID)
	}
	if w.Role != role {
		return plan.Account{}, fault.New(fault.Conflict, op, "target "+s.c.name,
			fmt.Errorf("the server answers that %s has the role %s, not %s", a.Email, w.Role, role), "see Open WebUI's own log")
	}
	a.Role = w.Role
	return a, nil
}

// writeRole sends the role alone, and with the fields that go with it where the server
// wants those. A session that met such a server sends them at once.
func (s *Session) writeRole(ctx context.Context, id string, form roleWire, into *userWire) error {
	if !s.wholeForm.Load() {
		err := s.postRole(ctx, id, form, into)
		if status, ok := statusOf(err); !ok || status != http.StatusUnprocessableEntity {
			return err
		}
		s.wholeForm.Store(true)
	}
	now, err := s.onPages(ctx, id)
	if err != nil {
		return err
	}
	picture := now.Picture
	if !accepted(picture) {
		picture = noPicture
	}
	form.Name, form.Email, form.Picture = &now.Name, &now.Email, &picture
	return s.postRole(ctx, id, form, into)
}

// accepted reports whether these versions take a picture back: they refuse the whole call
// for one at an address, which sign-ins gave the account.
func accepted(picture string) bool {
	if slices.Contains([]string{"", noPicture, "/static/favicon.png"}, picture) {
		return true
	}
	return slices.ContainsFunc([]string{"png", "jpeg", "gif", "webp"}, func(kind string) bool { return strings.HasPrefix(picture, "data:image/"+kind) })
}

func (s *Session) postRole(ctx context.Context, id string, form roleWire, into *userWire) error {
	_, err := s.do(ctx, httpx.Request{
		Method: http.MethodPost, Path: userPath(id, "/update"), Op: "set role", Body: form, Into: into, Repeat: true,
	})
	return err
}

func userPath(id, action string) string { return "/api/v1/users/" + url.PathEscape(id) + action }

// onPages finds an account on the paged list, which alone has all of its fields.
func (s *Session) onPages(ctx context.Context, id string) (*userWire, error) {
	for page := 1; ; page++ {
		w, err := s.usersPage(ctx, page, "desc")
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(w.Users, func(u userWire) bool { return u.ID == id }); i >= 0 {
			return &w.Users[i], nil
		}
		if page*pageSize >= *w.Total {
			return nil, fault.Errorf(fault.NotFound, "read account", "target "+s.c.name, "account %s does not exist any more", id)
		}
	}
}

// roleRefused says what the refusal of a call for one account means.
func (s *Session) roleRefused(ctx context.Context, op, id string, err error) error {
	status, ok := statusOf(err)
	switch {
	case !ok:
		return err
	case status == http.StatusBadRequest || status == http.StatusNotFound:
		return s.accountGone(ctx, id, err)
	case status != http.StatusForbidden && status != http.StatusInternalServerError:
		return err
	}
	// Versions before 0.9.6 answer 500 for the primary administrator, later ones 403.
	w, pageErr := s.usersPage(ctx, 1, "asc")
	if pageErr != nil || len(w.Users) == 0 || w.Users[0].ID != id {
		return err
	}
	f, _ := errors.AsType[*fault.Error](err)
	return fault.New(fault.Invalid, op, f.Where, errors.New("this is the primary administrator, the oldest account, which Open WebUI lets nobody else change"),
		"put its mail address under protect")
}

// RevokeSessions ends the sign-in sessions of an account; false where this version of the
// server cannot, as those before 0.12.0.
func (s *Session) RevokeSessions(ctx context.Context, account string) (bool, error) {
	const op = "revoke sessions"
	var done bool
	_, err := s.do(ctx, httpx.Request{
		Method: http.MethodPost, Path: userPath(account, "/sessions/revoke"), Op: op, Into: &done, Repeat: true,
	})
	if absent(err) {
		return false, nil
	}
	if err != nil {
		return false, s.roleRefused(ctx, op, account, err)
	}
	return done, nil
}

// absent reports whether an error says that the server does not have a call, or not what
// it is about.
func absent(err error) bool {
	if _, page := errors.AsType[*httpx.NotJSONError](err); page {
		return true
	}
	status, ok := statusOf(err)
	return ok && (status == http.StatusNotFound || status == http.StatusMethodNotAllowed)
}
