package enginetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// Claim is what a token says of the groups of its person.
type Claim int

// The ways in which a token speaks of groups.
const (
	// Listed: it names them, which may be none.
	Listed Claim = iota
	// Without: it has no claim about them.
	Without
	// Overage: there are too many of them for a token, so that nothing is told of its person.
	Overage
	// Emptied: it names none, whatever the provider knows.
	Emptied
)

// Token is what the provider said of somebody when it issued it.
type Token struct {
	Subject  string
	IssuedAt time.Time
	Claim    Claim
}

// SignIns is a source that knows single people only: from the tokens with which they signed
// in to an Open WebUI, or that somebody posts. What the provider knows is the Directory of
// Source, whose Next, NextLookUp, Nobody and During count here too. A token says what was so
// when it was issued; tokens come late, in any order, and say more or less.
type SignIns struct {
	Source *Source
	// Provider is the name of the provider inside the Open WebUI.
	Provider string
	web      *OpenWebUI
	sessions map[string][]Token // by account, in the order in which they were stored
	posted   map[string]Token   // by subject, until a look-up takes it
}

var _ providers.LookUp = (*SignIns)(nil)

// NewSignIns gives a source of whoever signs in to an Open WebUI.
func NewSignIns(s *Source, web *OpenWebUI, provider string) *SignIns {
	return &SignIns{Source: s, Provider: provider, web: web, sessions: map[string][]Token{}, posted: map[string]Token{}}
}

// Close has nothing to close.
func (s *SignIns) Close() error { return nil }

// SignIn has somebody sign in: the account keeps the token.
func (s *SignIns) SignIn(account string, t Token) {
	s.web.SetSubject(account, s.Provider, t.Subject)
	s.sessions[account] = append(s.sessions[account], t)
}

// Knows reports whether somebody has signed in with an account.
func (s *SignIns) Knows(account string) bool {
	a := s.web.accounts[account]
	return a != nil && a.Subjects[s.Provider] != ""
}

// SignOut ends the sessions of an account.
func (s *SignIns) SignOut(account string) { delete(s.sessions, account) }

// Post hands a token in, which the next look-up of its person takes.
func (s *SignIns) Post(t Token) { s.posted[t.Subject] = t }

// Pull reads the sessions of all accounts, as far as the fault lets it: CutUsers is how many
// accounts are read before it fails.
func (s *SignIns) Pull(ctx context.Context, _ providers.Progress) (*directory.Snapshot, error) {
	s.Source.clock.turn.Lock()
	defer s.Source.clock.turn.Unlock()
	f := s.Source.Next
	s.Source.Next = Whole()
	out := &directory.Snapshot{AsOf: s.Source.clock.Now()}
	switch {
	case f.Panics:
		panic("a bug in the reader of sessions")
	case f.Fails || ctx.Err() != nil:
		out.Reason = "the connection was refused"
		return out, fault.Errorf(fault.Unavailable, "read", "sign-in sessions", "the connection was refused")
	}
	var tokens []Token
	faulty := false
	for n, account := range slices.Sorted(maps.Keys(s.sessions)) {
		if faulty = f.CutUsers >= 0 && n >= f.CutUsers; faulty {
			break
		}
		if t, found := s.newest(account); found {
			tokens = append(tokens, t)
		}
	}
	s.tell(out, tokens)
	if faulty {
		out.Reason = "the answer was cut"
		return out, fault.Errorf(fault.Incomplete, "read", "sign-in sessions", "the answer was cut")
	}
	return out, nil
}

// LookUp reads what is known of one person: the token that was posted, else the newest one
// of the account.
func (s *SignIns) LookUp(_ context.Context, who directory.Person) (*directory.Snapshot, error) {
	f, nobody := s.Source.NextLookUp, s.Source.Nobody
	s.Source.NextLookUp, s.Source.Nobody = Whole(), false
	out := &directory.Snapshot{AsOf: s.Source.clock.Now()}
	if f.Fails {
		out.Reason = "the connection was refused"
		return out, fault.Errorf(fault.Unavailable, "look up", "sign-in sessions", "the connection was refused")
	}
	account, subject := s.find(who)
	t, found := s.posted[subject]
	delete(s.posted, subject)
	if !found {
		t, found = s.newest(account)
	}
	if nobody || !found {
		out.Reason = "no session was found"
		s.happen()
		return out, nil
	}
	s.tell(out, []Token{t})
	return out, nil
}

// find gives the account and the subject of a person.
func (s *SignIns) find(who directory.Person) (account, subject string) {
	for _, id := range s.web.order {
		a := s.web.accounts[id]
		sub := a.Subjects[s.Provider]
		switch {
		case who.ID != "" && sub == who.ID,
			who.ID == "" && who.Account != "" && id == who.Account,
			who.ID == "" && who.Account == "" && who.Email != "" && directory.FoldEmail(a.Email) == directory.FoldEmail(who.Email):
			return id, cmp.Or(sub, who.ID)
		}
	}
	return "", who.ID
}

// newest gives the token of an account that was issued last.
func (s *SignIns) newest(account string) (Token, bool) {
	if !s.web.HasAccount(account) || len(s.sessions[account]) == 0 {
		return Token{}, false
	}
	return slices.MaxFunc(s.sessions[account], func(a, b Token) int { return a.IssuedAt.Compare(b.IssuedAt) }), true
}

// happen lets happen what was kept for the middle of a read.
func (s *SignIns) happen() {
	if during := s.Source.During; during != nil {
		s.Source.During = nil
		during()
	}
}

// tell puts what tokens say into a snapshot, and notes it as evidence once the middle of the
// read is over: only then can anybody know of it.
func (s *SignIns) tell(out *directory.Snapshot, tokens []Token) {
	at := map[string]int{}
	var reads []Read
	for _, t := range tokens {
		if t.Claim == Overage {
			out.Reason = "a token has too many groups to name them"
			continue
		}
		n := uint32(len(out.Users))
		state := s.Source.Directory.At(t.IssuedAt)
		u, there := state.Users[t.Subject]
		if !there {
			u = directory.User{ID: t.Subject}
		}
		u.Attributes, u.AsOf, u.GroupsKnown = nil, t.IssuedAt, t.Claim == Listed || t.Claim == Emptied
		out.Users = append(out.Users, u)
		r := Read{AsOf: t.IssuedAt, Data: t.IssuedAt, Shown: []string{t.Subject}}
		if u.GroupsKnown {
			r.Person = t.Subject
		} else {
			out.Reason = "a token has no claim of groups"
		}
		if t.Claim == Listed {
			for _, id := range slices.Sorted(maps.Keys(state.Groups)) {
				if !state.Groups[id].Members[t.Subject] {
					continue
				}
				g, known := at[id]
				if !known {
					g = len(out.Groups)
					at[id] = g
					out.Groups = append(out.Groups, directory.Group{ID: id, Name: id})
				}
				out.Groups[g].Direct = append(out.Groups[g].Direct, n)
				r.Named = append(r.Named, id)
			}
		}
		reads = append(reads, r)
	}
	out.Close(false)
	s.happen()
	for _, r := range reads {
		r.Got = s.Source.clock.Now()
		s.Source.Reads = append(s.Source.Reads, r)
	}
}
