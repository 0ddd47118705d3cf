package engine

import (
	"maps"
	"slices"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// findPerson finds somebody by id, mail or user name, when exactly one fits.
func findPerson(r *replica.Replica, who string) (uint32, bool) {
	if n, ok := r.User(who); ok {
		return n, true
	}
	mail := directory.FoldEmail(who)
	return theOne(r, func(u *replica.User) bool {
		return u.Email != "" && directory.FoldEmail(u.Email) == mail || u.Username == who
	})
}

// theOne finds the only user of whom something is true.
func theOne(r *replica.Replica, fits func(*replica.User) bool) (uint32, bool) {
	found, count := uint32(0), 0
	for n := range r.Users() {
		if fits(&r.Users()[n]) {
			found = uint32(n)
			count++
		}
	}
	return found, count == 1
}

// namesake is what is known of whom a request names.
type namesake struct {
	// ids are by source, accounts by target. Whoever has an account that somebody of the
	// name has is the same person, under whatever name.
	ids, accounts map[string]string
}

// namesake finds whom a name means in each source and target.
func (e *Engine) namesake(s *Setup, who string) namesake {
	known := namesake{map[string]string{}, map[string]string{}}
	var keys []directory.UserKey
	for i := range s.Sources {
		src := &s.Sources[i]
		r := e.replica(src.ID)
		if n, found := findPerson(r, who); found {
			known.ids[src.ID] = r.Users()[n].ID
			keys = append(keys, directory.UserKey{Source: src.ID, ID: r.Users()[n].ID})
		}
	}
	if len(keys) == len(s.Sources) {
		return known
	}
	for i := range s.Targets {
		w := e.work(s, &s.Targets[i], run.Request{User: who}, &run.Report{}, e.log, nil)
		w.state.mu.Lock()
		account := ""
		for _, key := range keys {
			if link, linked := w.state.mem.People.Get(key); linked {
				account = link.Account
			}
		}
		if account == "" {
			account = w.accountShown(who)
		}
		if account != "" {
			known.accounts[w.t.Name] = account
			for source, id := range w.linkedTo(account) {
				if known.ids[source] == "" {
					known.ids[source] = id
				}
			}
		}
		w.state.mu.Unlock()
	}
	return known
}

// keys gives the people of the name, in the order of their sources.
func (k *namesake) keys() []directory.UserKey {
	var keys []directory.UserKey
	for _, source := range slices.Sorted(maps.Keys(k.ids)) {
		keys = append(keys, directory.UserKey{Source: source, ID: k.ids[source]})
	}
	return keys
}

// accountShown gives the id of the only living account that shows a name as its id, its mail
// address or a subject; empty: there is none. The lock of the target is held.
func (w *work) accountShown(who string) string {
	found, mail := "", directory.FoldEmail(who)
	accounts := w.state.mem.Mirror.Accounts()
	for n := range accounts {
		a := &accounts[n]
		shows := a.ID == who || a.Email != "" && directory.FoldEmail(a.Email) == mail
		for _, subject := range a.Subjects {
			shows = shows || subject == who
		}
		switch {
		case a.Deleted || !shows:
		case found != "":
			return ""
		default:
			found = a.ID
		}
	}
	return found
}

// asked says how to ask a source for whom the request names, the surest name first.
func (p *personRun) asked(src *Source, known namesake) []directory.Person {
	who := p.req.User
	if id := known.ids[src.ID]; id != "" {
		return []directory.Person{{ID: id, Account: known.accounts[src.Reads]}}
	}
	if account := known.accounts[src.Reads]; account != "" {
		return []directory.Person{{Account: account}}
	}
	mail := strings.Contains(who, "@")
	name := directory.Person{Username: who}
	if mail {
		name = directory.Person{Email: who}
	}
	switch {
	case src.Reads != "" && !mail && p.req.Source != src.Name:
		return nil // Accounts have no user names; only a sender of its own knows people by their subjects.
	case src.Reads != "" && !mail:
		return []directory.Person{{ID: who}}
	case src.Single && src.Reads == "":
		return []directory.Person{{ID: who}, name} // It may be the subject of a token that was posted.
	case p.req.Trigger == run.Push && p.req.Source == src.Name:
		return []directory.Person{{ID: who}}
	case p.req.Trigger == run.Webhook && p.req.Source == src.Name:
		return []directory.Person{name, {ID: who}} // It may speak of people by their ids.
	}
	return []directory.Person{name}
}

// linkedTo gives, by source, the id of who is linked to an account. The lock of the target
// is held.
func (w *work) linkedTo(account string) map[string]string {
	linked := map[string]string{}
	for key, link := range w.state.mem.People.All() {
		if link.Account == account {
			linked[key.Source] = key.ID
		}
	}
	return linked
}

// provider gives the OAuth provider inside the target that the people of a source use. One
// that knows the sign-ins of this target, and does not say through which provider, means
// the only one that its accounts have. With posted tokens that is clear of one target alone.
func (w *work) provider(src *Source) string {
	here := src.Reads == w.t.Name || src.Single && src.Reads == "" && len(w.setup.Targets) == 1
	if src.SignIn != "" || src.Subject == "" || !here {
		return src.SignIn
	}
	return w.state.mem.Mirror.OnlyProvider()
}

// subjects gives what an account may be known by to the people of a provider: its subject
// there, and the object id of whoever a source of single people knows behind it, where that
// is another word.
func (w *work) subjects(provider string, a *plan.Account, known map[string]string) []string {
	var out []string
	if s := a.Subjects[provider]; provider != "" && s != "" {
		out = append(out, s)
	}
	for i := range w.setup.Sources {
		src := &w.setup.Sources[i]
		if !src.Single || provider == "" || w.provider(src) != provider {
			continue
		}
		r := w.e.replica(src.ID)
		if n, met := r.User(known[src.ID]); met && known[src.ID] != "" {
			if oid := plan.ObjectID(&r.Users()[n]); oid != "" {
				out = append(out, oid)
			}
		}
	}
	return out
}

// namesFor says how to ask a source for who is behind an account: by the id under which it
// knows them, else by what the account shows, in the order in which the target matches. The
// lock of the target is held.
func (w *work) namesFor(src *Source, account uint32, known map[string]string) []directory.Person {
	a := w.state.mem.Mirror.Account(account)
	reads := ""
	if src.Reads == w.t.Name {
		reads = a.ID
	}
	linked, subjects := known[src.ID], w.subjects(w.provider(src), a, known)
	if linked == "" {
		linked = w.matching(src, a, subjects)
	}
	if linked != "" {
		return []directory.Person{{ID: linked, Account: reads}}
	}
	if reads != "" {
		return []directory.Person{{Account: reads}}
	}
	var names []directory.Person
	for _, way := range w.t.Match {
		if way == "email" && a.Email != "" && plan.InDomains(a.Email, src.Domains) {
			names = append(names, directory.Person{Email: a.Email})
		}
		for _, subject := range subjects {
			switch {
			case way != "sign_in":
			case src.Subject == "id":
				names = append(names, directory.Person{ID: subject})
			case src.Subject == "username":
				names = append(names, directory.Person{Username: subject})
			case src.Subject == "email":
				names = append(names, directory.Person{Email: subject})
			}
		}
	}
	return slices.Compact(names)
}

// matching finds the id of the only person of a source who is shown with what an account
// has, and whom nobody has linked yet.
func (w *work) matching(src *Source, a *plan.Account, subjects []string) string {
	r, mail := w.e.replica(src.ID), directory.FoldEmail(a.Email)
	for _, way := range w.t.Match {
		n, found := theOne(r, func(u *replica.User) bool {
			if u.Missing.Is() {
				return false
			}
			if way == "sign_in" {
				values := u.Value(src.Subject)
				return len(values) > 0 && slices.Contains(subjects, values[0])
			}
			return mail != "" && directory.FoldEmail(u.Email) == mail && plan.InDomains(u.Email, src.Domains)
		})
		if found {
			return r.Users()[n].ID
		}
	}
	return ""
}

// named gives the people of a name, as the sources know them. The lock of the target is held.
func (w *work) named(who string) []directory.UserKey {
	var keys []directory.UserKey
	for i := range w.setup.Sources {
		id := w.setup.Sources[i].ID
		r := w.e.replica(id)
		if n, found := findPerson(r, who); found {
			keys = append(keys, directory.UserKey{Source: id, ID: r.Users()[n].ID})
		}
	}
	return keys
}
