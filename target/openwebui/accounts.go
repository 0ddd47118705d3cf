package openwebui

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"groupsyncd/sync/plan"
)

// observeAccounts finds the accounts that the mirror does not know, from the newest
// back to the first known one. The total that the server gives with each page then
// tells whether anything else changed: known and new together must make it up, else
// every account is read.
func (s *Session) observeAccounts(ctx context.Context, m *plan.Mirror, all bool) ([]plan.Account, bool, error) {
	living := m.Living()
	if all || living == 0 {
		accounts, err := s.readAccounts(ctx, m, nil, all)
		return accounts, true, err
	}
	fresh, renewed := newAccountSet(), newAccountSet()
	for page := 1; ; page++ {
		w, err := s.usersPage(ctx, page, "desc")
		if err != nil {
			return nil, false, err
		}
		met := len(w.Users) == 0
		back := false
		for i := range w.Users {
			a := w.Users[i].account(true)
			switch n, known := m.Number(a.ID); {
			case !known:
				fresh.add(a)
			case m.Account(n).Deleted:
				back = true
			default:
				met = true
				if differs(m.Account(n), &a) {
					renewed.add(a)
				}
			}
		}
		switch missing := *w.Total - living - len(fresh.list); {
		case !back && missing == 0 && met:
			return append(fresh.list, renewed.list...), false, nil
		case back || missing < 0 || met:
			// Deleted ones, ones that are there again, ones that were created out of
			// order, or a page that moved while it was read.
			accounts, err := s.readAccounts(ctx, m, fresh, all)
			return accounts, true, err
		}
	}
}

// observeRoles adds the known accounts that are not as the mirror has them, by the one call
// that names everybody: the pages show them only where something else changed too.
func (s *Session) observeRoles(ctx context.Context, m *plan.Mirror, o *plan.Observation) error {
	users, err := s.allUsers(ctx)
	if err != nil {
		return err
	}
	seen := make(map[string]bool, len(o.Accounts))
	for i := range o.Accounts {
		seen[o.Accounts[i].ID] = true
	}
	for i := range users {
		n, known := m.Number(users[i].ID)
		if !known || seen[users[i].ID] || m.Account(n).Deleted {
			continue // who signed up in between is seen by the next look
		}
		a := users[i].account(false)
		a.CreatedAt, a.Subjects = m.Account(n).CreatedAt, m.Account(n).Subjects
		if differs(m.Account(n), &a) {
			o.Accounts = append(o.Accounts, a)
		}
	}
	return nil
}

// differs reports whether a known account changed.
func differs(was, is *plan.Account) bool {
	return was.Email != is.Email || was.Name != is.Name || was.Role != is.Role || !maps.Equal(was.Subjects, is.Subjects)
}

// knows reports whether the mirror holds an account as living.
func knows(m *plan.Mirror, id string) bool {
	n, ok := m.Number(id)
	return ok && !m.Account(n).Deleted
}

// accountSet collects accounts without doubles, in the order in which they came: a
// page that moves while others are read shows some twice.
type accountSet struct {
	list []plan.Account
	at   map[string]int
}

func newAccountSet() *accountSet { return &accountSet{at: map[string]int{}} }

func (a *accountSet) add(account plan.Account) {
	if _, ok := a.at[account.ID]; ok {
		return
	}
	a.at[account.ID] = len(a.list)
	a.list = append(a.list, account)
}

func (a *accountSet) get(id string) (plan.Account, bool) {
	i, ok := a.at[id]
	if !ok {
		return plan.Account{}, false
	}
	return a.list[i], true
}

// readAccounts reads every account. Who exists is what one call says that names all;
// the pages add what it leaves out, subjects and times of creation, for as many
// accounts as it is not known of. fresh are accounts whose pages were read already.
func (s *Session) readAccounts(ctx context.Context, m *plan.Mirror, fresh *accountSet, all bool) ([]plan.Account, error) {
	if fresh == nil {
		fresh = newAccountSet()
	}
	users, err := s.everybody(ctx, fresh)
	if err != nil {
		return nil, err
	}
	if err := s.readPages(ctx, m, users, fresh, all); err != nil {
		return nil, err
	}
	accounts := make([]plan.Account, 0, len(users))
	for i := range users {
		a := users[i].account(false)
		if f, ok := fresh.get(a.ID); ok {
			a.CreatedAt, a.Subjects = f.CreatedAt, f.Subjects
		} else if n, ok := m.Number(a.ID); ok {
			a.CreatedAt, a.Subjects = m.Account(n).CreatedAt, m.Account(n).Subjects
		}
		accounts = append(accounts, a)
	}
	return accounts, nil
}

// everybody reads the list that names all accounts, and checks it against the total
// that the paged list gives: a list that leaves people out would make them count as
// deleted. That page is the one with the oldest accounts, the first of which is the
// primary administrator of the instance.
func (s *Session) everybody(ctx context.Context, fresh *accountSet) ([]userWire, error) {
	for tries := 1; ; tries++ {
		users, err := s.allUsers(ctx)
		if err != nil {
			return nil, err
		}
		w, err := s.usersPage(ctx, 1, "asc")
		if err != nil {
			return nil, err
		}
		if *w.Total != len(users) {
			if tries < 3 { // somebody signed up or was deleted in between
				continue
			}
			return nil, s.incomplete(fmt.Sprintf("one list names %d accounts, another %d", len(users), *w.Total))
		}
		for i := range w.Users {
			fresh.add(w.Users[i].account(true))
		}
		return users, nil
	}
}

// readPages reads pages, when subjects are needed, until each new account was on one;
// every account when all is set.
func (s *Session) readPages(ctx context.Context, m *plan.Mirror, users []userWire, fresh *accountSet, all bool) error {
	if !s.c.subjects {
		return nil
	}
	missing := map[string]bool{}
	for i := range users {
		_, known := m.Number(users[i].ID)
		_, read := fresh.get(users[i].ID)
		if !read && (all || !known) {
			missing[users[i].ID] = true
		}
	}
	return s.complete(ctx, missing, fresh)
}

// complete reads pages until every missing account was on one, or is known to be deleted.
func (s *Session) complete(ctx context.Context, missing map[string]bool, fresh *accountSet) error {
	// A deletion while pages are read moves an account from the next page to one that
	// was read already, so what is missing after the last page is looked for again.
	for pass := 0; pass < 3 && len(missing) > 0; pass++ {
		if err := s.onePass(ctx, missing, fresh); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return s.stillMissing(ctx, missing)
}

// onePass reads the pages from the newest account on until nothing is missing.
func (s *Session) onePass(ctx context.Context, missing map[string]bool, fresh *accountSet) error {
	for page := 1; len(missing) > 0; page++ {
		w, err := s.usersPage(ctx, page, "desc")
		if err != nil {
			return err
		}
		if len(w.Users) == 0 {
			return nil
		}
		for i := range w.Users {
			fresh.add(w.Users[i].account(true))
			delete(missing, w.Users[i].ID)
		}
	}
	return nil
}

// stillMissing accepts that accounts are on no page when they were deleted since.
func (s *Session) stillMissing(ctx context.Context, missing map[string]bool) error {
	users, err := s.allUsers(ctx)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(users, func(w userWire) bool { return missing[w.ID] }); i >= 0 {
		return s.incomplete(fmt.Sprintf("account %s is in the list of all accounts, but on none of its pages", users[i].ID))
	}
	return nil
}
