package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// What a user number maps to when it is no account.
const (
	pending   int32 = -1 // could be matched, but has no account yet
	unmatched int32 = -2 // cannot be matched at all
	conflict  int32 = -3 // an account exists, and taking it could be wrong
	idle      int32 = -4 // missing or disabled, and never linked
)

// mailMemory is how long a mail address keeps belonging to somebody who is no longer
// shown with it: within it, somebody else with that address inherits nothing.
const mailMemory = 90 * 24 * time.Hour

// people is who is which account, for one plan.
type people struct {
	in *Input
	// account gives, per source and user number, an account number or one of the
	// negative words above.
	account [][]int32
	// users gives, per account number, the people behind it; built when first needed.
	users map[uint32][]person
	// contested are the people who would be matched to an account, were it not for a
	// conflict.
	contested map[uint32][]person
	// claims are the accounts of those people, and why each of them does not get it.
	claims   map[person]claim
	linked   Linked
	problems []run.Problem

	// The indexes are built when the first person without a link turns up.
	bySubject map[[2]string]uint32
	byMail    map[string][]uint32
	holders   map[string][]directory.UserKey
	sourceOf  map[string]int
}

// person is one user of one source.
type person struct {
	source int
	user   uint32
}

// claim is an account that somebody would have by what it shows, and why it is not theirs.
type claim struct {
	account uint32
	why     string
}

// matchPeople finds the account of every user: the stored link while both ends live,
// else by sign-in, else by mail.
func matchPeople(in *Input) *people {
	p := &people{in: in, account: make([][]int32, len(in.Sources)), contested: map[uint32][]person{}, claims: map[person]claim{}}
	for s := range in.Sources {
		p.matchSource(s)
	}
	p.recheck()
	return p
}

// recheck judges the accounts that were found by mail once more, now that it is known
// whom other sources have found: their order must decide nothing.
func (p *people) recheck() {
	for _, l := range p.linked.New {
		p.holders[l.Link.Account] = append(p.holders[l.Link.Account], directory.UserKey{Source: l.Source, ID: l.User})
	}
	p.linked.New = slices.DeleteFunc(p.linked.New, func(l NewLink) bool {
		if l.Link.By != "email" {
			return false
		}
		s := p.sourceOf[l.Source]
		n, _ := p.in.Sources[s].Replica.User(l.User)
		account := uint32(p.account[s][n])
		why := p.refuse(s, &p.in.Sources[s].Replica.Users()[n], account)
		if why != "" {
			p.contest(s, n, account, why)
		}
		return why != ""
	})
}

// contest leaves somebody without the account that would be theirs by what it shows.
func (p *people) contest(s int, user, account uint32, why string) {
	src := &p.in.Sources[s]
	p.account[s][user] = conflict
	p.contested[account] = append(p.contested[account], person{s, user})
	p.claims[person{s, user}] = claim{account, why}
	p.problems = append(p.problems, run.Problem{Kind: run.KindConflict,
		Message: fmt.Sprintf("%s (%s) is not matched to the account %s: %s", label(&src.Replica.Users()[user]), src.Name, p.in.Memory.Mirror.Account(account).Email, why),
		Hint:    "settle who owns the account with: groupsyncd link set; nothing is given to or taken from this person until then"})
}

func (p *people) matchSource(s int) {
	src := &p.in.Sources[s]
	rows := src.Replica.Users()
	p.account[s] = make([]int32, len(rows))
	var open []uint32
	links := p.in.Memory.People.of(src.ID)
	for n := range rows {
		linked := links.row(rows[n].ID)
		if linked == nil {
			open = append(open, uint32(n))
			continue
		}
		account, found := p.in.Memory.Mirror.Number(linked.account)
		if !found {
			// The account was never seen, which does not prove that it was deleted.
			p.account[s][n] = idle
			continue
		}
		if p.in.Memory.Mirror.Account(account).Deleted {
			link := linked.link()
			p.linked.Ended = append(p.linked.Ended, NewLink{Source: src.ID, User: rows[n].ID, Link: link})
			p.problems = append(p.problems, run.Problem{Kind: run.KindUnmatched,
				Message: fmt.Sprintf("the account of %s (%s) was deleted in Open WebUI; its link ended", link.Email, src.Name)})
			open = append(open, uint32(n))
			continue
		}
		p.account[s][n] = int32(account)
	}
	if len(open) > 0 {
		p.matchOpen(s, open)
	}
}

// taken marks the accounts that people of a source are linked to, all but those who are
// still open.
func (p *people) taken(s int, open []uint32) []bool {
	taken := make([]bool, len(p.in.Memory.Mirror.Accounts()))
	for n, a := range p.account[s] {
		if len(open) > 0 && open[0] == uint32(n) {
			open = open[1:]
			continue
		}
		if a >= 0 {
			taken[a] = true
		}
	}
	return taken
}

// matchOpen looks for accounts of users without a link. Nobody takes an account that
// another person of the same source has, and of two newcomers neither gets it.
func (p *people) matchOpen(s int, open []uint32) {
	src := &p.in.Sources[s]
	taken := p.taken(s, open)
	p.index()
	mails := mailCounts(src.Replica.Users(), p.in.Now)
	type found struct {
		user uint32
		by   string
	}
	claims := map[uint32][]found{}
	for _, n := range open {
		u := &src.Replica.Users()[n]
		account, by, word := p.find(src, u, mails)
		p.account[s][n] = word
		switch {
		case u.Disabled && word < 0:
			p.account[s][n] = idle
		case word >= 0:
			claims[account] = append(claims[account], found{n, by})
		}
	}
	// Who is disabled is looked for only so that their account can be closed, and takes none
	// from anybody else.
	for _, n := range open {
		if a := p.account[s][n]; a >= 0 && src.Replica.Users()[n].Disabled && (taken[a] || len(claims[uint32(a)]) > 1) {
			p.account[s][n] = idle
			claims[uint32(a)] = slices.DeleteFunc(claims[uint32(a)], func(f found) bool { return f.user == n })
		}
	}
	for _, n := range open {
		if p.account[s][n] < 0 {
			continue
		}
		account := uint32(p.account[s][n])
		u := &src.Replica.Users()[n]
		by := claims[account][0].by
		why := ""
		switch {
		case taken[account] || len(claims[account]) > 1:
			why = "another person of the same source has it, or claims it too"
		case by == "email" && mails[directory.FoldEmail(u.Email)] > 1:
			why = "another person of the same source has this mail address, or had it in the last 90 days"
		case by == "email":
			why = p.refuse(s, u, account)
		}
		if why != "" {
			p.contest(s, n, account, why)
			continue
		}
		p.linked.New = append(p.linked.New, NewLink{Source: src.ID, User: u.ID,
			Link: PersonLink{Account: p.in.Memory.Mirror.Account(account).ID, By: by, Email: u.Email, Since: p.in.Now}})
	}
}

// find looks for the one account of a user.
func (p *people) find(src *Source, u *replica.User, mails map[string]int) (account uint32, by string, word int32) {
	if u.Missing.Is() || u.Disabled && !p.in.Accounts.disables(src.ID) {
		return 0, "", idle
	}
	possible, signIn := false, false
	for _, way := range p.in.Match {
		switch way {
		case "sign_in":
			values := u.Value(src.Subject)
			if src.Provider == "" || len(values) == 0 {
				continue
			}
			possible, signIn = true, true
			if n, ok := p.bySubject[[2]string{src.Provider, values[0]}]; ok {
				return n, way, int32(n)
			}
		case "email":
			if u.Email == "" || !InDomains(u.Email, src.Domains) {
				continue
			}
			possible = true
			switch found := p.byMail[directory.FoldEmail(u.Email)]; {
			case len(found) == 1:
				return found[0], way, int32(found[0])
			case len(found) > 1:
				return 0, "", unmatched
			}
		}
	}
	if !possible || !signIn && mails[directory.FoldEmail(u.Email)] > 1 {
		return 0, "", unmatched
	}
	return 0, "", pending
}

// refuse says why a person must not get an account by mail: because somebody of
// another source has it who is no longer who the mail says.
func (p *people) refuse(s int, u *replica.User, account uint32) string {
	for _, key := range p.holders[p.in.Memory.Mirror.Account(account).ID] {
		o, configured := p.sourceOf[key.Source]
		if !configured || o == s {
			continue
		}
		other := &p.in.Sources[o]
		n, known := other.Replica.User(key.ID)
		if !known {
			continue
		}
		v := &other.Replica.Users()[n]
		// Of somebody who is gone for long the mail address is not known any more.
		if other.Replica.Listing(n, other.Grace).Absence.Kind() == replica.Gone {
			return fmt.Sprintf("it belongs to %s of source %s, who is gone from there", label(v), other.Name)
		}
		if directory.FoldEmail(v.Email) != directory.FoldEmail(u.Email) {
			return fmt.Sprintf("it belongs to %s of source %s, who has another mail address now", label(v), other.Name)
		}
	}
	return ""
}

func (p *people) index() {
	if p.byMail != nil {
		return
	}
	p.bySubject = map[[2]string]uint32{}
	p.byMail = map[string][]uint32{}
	for n := range p.in.Memory.Mirror.Accounts() {
		a := p.in.Memory.Mirror.Account(uint32(n))
		if a.Deleted {
			continue
		}
		for provider, subject := range a.Subjects {
			p.bySubject[[2]string{provider, subject}] = uint32(n)
		}
		mail := directory.FoldEmail(a.Email)
		p.byMail[mail] = append(p.byMail[mail], uint32(n))
	}
	p.aliases()
	p.sourceOf = map[string]int{}
	for s := range p.in.Sources {
		p.sourceOf[p.in.Sources[s].ID] = s
	}
	p.holders = map[string][]directory.UserKey{}
	for key, link := range p.in.Memory.People.All() {
		p.holders[link.Account] = append(p.holders[link.Account], key)
	}
	for _, keys := range p.holders {
		slices.SortFunc(keys, compareUsers)
	}
}

func compareUsers(a, b directory.UserKey) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
}

// of gives the people behind an account.
func (p *people) of(account uint32) []person {
	if p.in.Only != nil {
		return p.behind(account)
	}
	if p.users == nil {
		p.users = map[uint32][]person{}
		for s := range p.account {
			for n, a := range p.account[s] {
				if a >= 0 {
					p.users[uint32(a)] = append(p.users[uint32(a)], person{s, uint32(n)})
				}
			}
		}
	}
	return p.users[account]
}

// behind finds the people behind one of the few accounts that a plan for one person asks for.
func (p *people) behind(account uint32) []person {
	found, asked := p.users[account]
	if asked {
		return found
	}
	for s := range p.account {
		for n, a := range p.account[s] {
			if a == int32(account) {
				found = append(found, person{s, uint32(n)})
			}
		}
	}
	if p.users == nil {
		p.users = map[uint32][]person{}
	}
	p.users[account] = found
	return found
}

func mailCounts(users []replica.User, now time.Time) map[string]int {
	counts := make(map[string]int, len(users))
	for n := range users {
		u := &users[n]
		if u.Email != "" && (!u.Missing.Is() || now.Sub(u.Missing.First) < mailMemory) {
			counts[directory.FoldEmail(u.Email)]++
		}
	}
	return counts
}

// InDomains reports whether mail links accounts in the domain of an address; none named:
// in any.
func InDomains(mail string, domains []string) bool {
	if len(domains) == 0 {
		return true
	}
	at := strings.LastIndexByte(mail, '@')
	if at < 0 {
		return false
	}
	domain := directory.FoldEmail(mail[at+1:])
	return slices.ContainsFunc(domains, func(d string) bool { return directory.FoldEmail(d) == domain })
}

func label(u *replica.User) string {
	for _, s := range []string{u.Email, u.Username, u.DN} {
		if s != "" {
			return s
		}
	}
	return u.ID
}

// AccountFor gives the number of the account that a person has, or would be linked to by
// this plan; the person may be known to several sources, of which the first that leads to
// an account counts.
func AccountFor(in *Input, who []directory.UserKey) (uint32, bool) {
	for _, key := range who {
		link, linked := in.Memory.People.Get(key)
		if n, met := in.Memory.Mirror.Number(link.Account); linked && met && !in.Memory.Mirror.Account(n).Deleted {
			return n, true
		}
	}
	p := matchPeople(in)
	for _, key := range who {
		s := slices.IndexFunc(in.Sources, func(src Source) bool { return src.ID == key.Source })
		if s < 0 {
			continue
		}
		if n, known := in.Sources[s].Replica.User(key.ID); known && p.account[s][n] >= 0 {
			return uint32(p.account[s][n]), true
		}
	}
	return 0, false
}
