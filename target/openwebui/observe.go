package openwebui

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/sync/plan"
)

// parallel is how many exports are under way at once. The server is one process: more
// than this gains nothing and makes people wait.
const parallel = 4

// Observe looks at all groups and new accounts, and at what look asks for beside them. When
// nothing changed it costs three requests:
// the version, the list of groups, one page of accounts.
//
// An observation is whole or an error: never a part of the groups or of the accounts.
func (s *Session) Observe(ctx context.Context, m *plan.Mirror, look plan.Look) (*plan.Observation, error) {
	all := look.All
	o := &plan.Observation{At: s.c.now(), Self: m.Self}
	v, err := s.version(ctx)
	if err != nil {
		return nil, err
	}
	o.Version, o.Deployment = v.Version, v.Deployment
	before := s.http.LastDate()
	wire, err := s.listGroups(ctx)
	if err != nil {
		return nil, err
	}
	o.Parents = haveParents(v.Version, wire)
	if o.Groups, err = s.observeGroups(ctx, m, all, wire, before); err != nil {
		return nil, err
	}
	// Accounts come last: whoever is a member by now has an account by then. Only
	// administrators may read them, which proves that the list of groups was whole.
	if o.Accounts, o.AllAccounts, err = s.observeAccounts(ctx, m, all); err != nil {
		return nil, err
	}
	if look.Roles && !o.AllAccounts {
		if err := s.observeRoles(ctx, m, o); err != nil {
			return nil, err
		}
	}
	if err := s.knowMembers(ctx, m, o); err != nil {
		return nil, err
	}
	if look.Defaults {
		if o.Defaults, err = s.readDefaults(ctx); err != nil {
			return nil, err
		}
	}
	if look.Own {
		if o.Own, err = s.ownPermissions(ctx); err != nil {
			return nil, err
		}
	}
	o.ReadAll = !slices.ContainsFunc(o.Groups, func(g plan.Group) bool { return !g.MembersRead })
	// Whoever manages roles must know whose key this is now: that account keeps its own.
	if all || look.Roles || m.At.IsZero() {
		self, err := s.self(ctx)
		if err != nil {
			return nil, err
		}
		o.Self = cmp.Or(self, o.Self)
	}
	if o.Self != "" {
		s.remembered(o.Self)
	}
	return o, s.observeResources(ctx, look, o)
}

// observeGroups exports the groups for which the mirror does not vouch. A group whose
// count is zero has nobody in it, which the list itself proves; before is the server's
// time ahead of that list.
func (s *Session) observeGroups(ctx context.Context, m *plan.Mirror, all bool, wire []groupWire, before time.Time) ([]plan.Group, error) {
	groups := make([]plan.Group, len(wire))
	keep := make([]bool, len(wire))
	var vanished atomic.Bool
	work, wctx := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for i := range wire {
		groups[i], keep[i] = wire[i].group(), true
		switch {
		case !all && m.Unchanged(&groups[i]):
			continue
		case *wire[i].MemberCount == 0:
			groups[i] = wire[i].read(before)
			groups[i].Members = []string{}
			continue
		}
		work.Go(func() error {
			w, at, err := s.export(wctx, wire[i].ID)
			if err != nil {
				err = s.gone(wctx, wire[i].ID, err)
			}
			switch {
			case fault.KindOf(err) == fault.NotFound: // deleted since it was listed
				keep[i] = false
				vanished.Store(true)
				return nil
			case err != nil:
				return err
			}
			groups[i] = w.read(at)
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	if vanished.Load() {
		left := groups[:0]
		for i := range groups {
			if keep[i] {
				left = append(left, groups[i])
			}
		}
		groups = left
	}
	return groups, nil
}

// knowMembers makes sure that every member has an account in the mirror or in the
// observation. An id with neither has an account that was made out of order, or one
// that was deleted since its group was read: reading all accounts tells which.
func (s *Session) knowMembers(ctx context.Context, m *plan.Mirror, o *plan.Observation) error {
	strangers := func() []string {
		have := make(map[string]bool, len(o.Accounts))
		for i := range o.Accounts {
			have[o.Accounts[i].ID] = true
		}
		var ids []string
		for i := range o.Groups {
			for _, id := range o.Groups[i].Members {
				if !have[id] && (o.AllAccounts || !knows(m, id)) {
					ids = append(ids, id)
				}
			}
		}
		return ids
	}
	ids := strangers()
	if len(ids) > 0 && !o.AllAccounts {
		var err error
		if o.Accounts, err = s.readAccounts(ctx, m, nil, false); err != nil {
			return err
		}
		o.AllAccounts = true
		ids = strangers()
	}
	for i := range o.Groups {
		o.Groups[i].Members = slices.DeleteFunc(o.Groups[i].Members, func(id string) bool { return slices.Contains(ids, id) })
	}
	return nil
}

// Account reads one account with the ids of its groups; fault.NotFound when the list
// of all accounts does not name it.
func (s *Session) Account(ctx context.Context, id string, known bool) (*plan.AccountView, error) {
	var w userWire
	_, err := s.get(ctx, "read account", "/api/v1/users/"+url.PathEscape(id), &w)
	if e, ok := statusOf(err); ok && (e == http.StatusBadRequest || e == http.StatusNotFound) {
		if !known {
			return nil, fault.Errorf(fault.NotFound, "read account", "target "+s.c.name, "no account has the id %s", id)
		}
		return nil, s.accountGone(ctx, id, err)
	}
	if err != nil {
		return nil, err
	}
	if w.ID != id || w.Groups == nil {
		return nil, fault.Errorf(fault.Incomplete, "read account", "target "+s.c.name, "the answer is another account than %s, or without its groups", id)
	}
	v := &plan.AccountView{Account: w.account(true), Groups: make([]string, 0, len(w.Groups))}
	for _, g := range w.Groups {
		v.Groups = append(v.Groups, g.ID)
	}
	slices.Sort(v.Groups)
	return v, nil
}

// accountGone decides by the list of all accounts what a refusal to show one means:
// every inner failure of the server has the same status.
func (s *Session) accountGone(ctx context.Context, id string, err error) error {
	users, listErr := s.allUsers(ctx)
	if listErr != nil {
		return listErr
	}
	if slices.ContainsFunc(users, func(w userWire) bool { return w.ID == id }) {
		return listed(err)
	}
	return fault.Errorf(fault.NotFound, "read account", "target "+s.c.name, "account %s does not exist any more", id)
}

// self finds the account behind our key: empty when this version or its settings do
// not tell.
func (s *Session) self(ctx context.Context) (string, error) {
	for _, path := range []string{"/api/v1/users/user/status", "/api/v1/auths/"} {
		var w userWire
		_, err := s.get(ctx, "read our own account", path, &w)
		switch kind := fault.KindOf(err); {
		case err == nil && w.ID != "":
			return w.ID, nil
		case kind == fault.Unavailable || kind == fault.Throttled || kind == fault.Canceled:
			return "", err
		}
	}
	return "", nil
}

// usersPage reads one page of accounts in the order of their creation.
func (s *Session) usersPage(ctx context.Context, page int, direction string) (*usersWire, error) {
	return s.usersBy(ctx, page, "created_at", direction)
}

// usersBy reads one page of accounts in an order.
func (s *Session) usersBy(ctx context.Context, page int, order, direction string) (*usersWire, error) {
	return s.usersWith(ctx, page, url.Values{"order_by": {order}, "direction": {direction}})
}

// search reads one page of the accounts whose name or mail contains a text.
func (s *Session) search(ctx context.Context, page int, text string) (*usersWire, error) {
	return s.usersWith(ctx, page, url.Values{"query": {text}, "order_by": {"created_at"}, "direction": {"desc"}})
}

// pageSize is how many accounts are on a page; the server lets nobody choose.
const pageSize = 30

func (s *Session) usersWith(ctx context.Context, page int, query url.Values) (*usersWire, error) {
	var w usersWire
	query.Set("page", strconv.Itoa(page))
	_, err := s.do(ctx, httpx.Request{
		Method: http.MethodGet, Path: "/api/v1/users/", Op: "read accounts", Into: &w, Repeat: true, Query: query,
	})
	if err != nil {
		return nil, err
	}
	return &w, s.checkUsers(&w)
}

// allUsers reads every account in one call, without subjects and times of creation.
func (s *Session) allUsers(ctx context.Context) ([]userWire, error) {
	var w usersWire
	if _, err := s.get(ctx, "read accounts", "/api/v1/users/all", &w); err != nil {
		return nil, err
	}
	if err := s.checkUsers(&w); err != nil {
		return nil, err
	}
	if *w.Total != len(w.Users) {
		return nil, s.incomplete(fmt.Sprintf("the list of all accounts names %d of %d", len(w.Users), *w.Total))
	}
	return w.Users, nil
}

func (s *Session) checkUsers(w *usersWire) error {
	if w.Total == nil || w.Users == nil {
		return s.incomplete("the list of accounts has an unknown form")
	}
	for i := range w.Users {
		if w.Users[i].ID == "" {
			return s.incomplete("the list of accounts names one without its id")
		}
	}
	return nil
}

func (s *Session) incomplete(what string) error {
	return fault.Errorf(fault.Incomplete, "read accounts", "target "+s.c.name, "%s", what)
}
