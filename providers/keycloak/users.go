package keycloak

import (
	"context"
	"errors"
	"net/url"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// readUsers reads the list of users for the first time.
func (r *reading) readUsers(ctx context.Context) error {
	list, err := r.listUsers(ctx)
	if err != nil {
		return err
	}
	for _, u := range list {
		r.users[u.ID] = u
	}
	return nil
}

func (r *reading) listUsers(ctx context.Context) ([]userRow, error) {
	list, _, err := rows[userRow](ctx, r, "read users", "users", "/users", len(r.s.config.Attributes) == 0)
	return list, err
}

// proveUsers reads the list again, until nobody can have been missed: whoever one look
// showed and the other did not is asked for, and the server counts as many.
//
// Somebody who is renamed is at another place in every list that is sorted by name, so they
// may be missing from a list of members that was walked meanwhile. They become suspects.
func (r *reading) proveUsers(ctx context.Context) error {
	came := func(u userRow) { r.suspects[u.ID] = true }
	missing := func(u userRow) (userRow, bool, error) { return r.oneUser(ctx, u.ID) }
	before, err := r.s.count(ctx, r.session, nil)
	for range rounds {
		if err != nil {
			return err
		}
		var list []userRow
		if list, err = r.listUsers(ctx); err == nil {
			err = settle(r.users, list, missing, came)
		}
		after := 0
		if err == nil {
			after, err = r.s.count(ctx, r.session, nil)
		}
		if err == nil && between(before, len(r.users), after) {
			r.usersListed = true
			return nil
		}
		before = after
	}
	if err != nil {
		return err
	}
	return r.s.fail(fault.Incomplete, "read users", "people come and go faster than they can be listed: the next read may be luckier", "%w", errCounts)
}

// between reports whether a list has as many as there were before it was read and after that,
// or any number between the two where some came or went meanwhile.
func between(before, n, after int) bool { return min(before, after) <= n && n <= max(before, after) }

// count gives how many users there are.
func (s *source) count(ctx context.Context, session *httpx.Session, query url.Values) (int, error) {
	var n *int
	err := s.get(ctx, session, "count users", "/users/count", query, &n)
	if err == nil && n == nil {
		err = s.fail(fault.Incomplete, "count users", "", "%w", errNull)
	}
	if err != nil {
		return 0, err
	}
	return *n, nil
}

// oneUser asks whether a user exists.
func (r *reading) oneUser(ctx context.Context, id string) (userRow, bool, error) {
	var u userRow
	err := r.get(ctx, "read user", "/users/"+url.PathEscape(id), url.Values{"userProfileMetadata": {"false"}}, &u)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return u, false, nil
	case err != nil:
		return u, false, err
	case u.ID != id:
		return u, false, r.s.fail(fault.Incomplete, "read user", "", "%w", errOther)
	}
	return u, !u.serviceAccount(), nil
}

// errOther is inside of the error of an answer about something else than was asked for.
var errOther = errors.New("the answer is about something else")
