package openwebui

import (
	"cmp"
	"context"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
)

const (
	// away is after how long without activity somebody who is there again counts as having
	// signed in. The server notes activity once a minute, and an open page keeps it going.
	away = 10 * time.Minute
	// maxActivePages bounds one look. Whoever is further back than that is met when they
	// are active the next time, which is within two minutes.
	maxActivePages = 20
	// maxNewPages bounds the search for accounts that were made while nobody looked.
	maxNewPages = 100
	// raced is how long before an account was noticed its session may have been stored:
	// the server makes the account first.
	raced = 2
)

// Why says by what a sign-in was noticed.
type Why string

// What counts as a sign-in.
const (
	// First: the account was not there before.
	First Why = "first"
	// Back: somebody is active again after a while.
	Back Why = "back"
	// Changed: mail, role or subject of an account are others than they were.
	Changed Why = "changed"
	// Again: a session was stored, or written anew, of somebody who was active all along.
	Again Why = "again"
)

// Noticed is a sign-in.
type Noticed struct {
	Account string
	Why     Why
}

// SignInOptions are what a watch of sign-ins needs.
type SignInOptions struct {
	// Every is how often it looks, which decides how many sessions one look reads.
	Every time.Duration
	// Known are the ids of the accounts that were known before the first look; empty:
	// none was ever read, and nobody who is there counts as new. Those of Before count
	// when there is one.
	Known map[string]bool
	// Ignore are mail addresses of accounts that are not noticed, and Self is the id of our
	// own, whose activity is these looks; empty: not known.
	Ignore []string
	Self   string
	// Sessions says that stored sessions matter, because a source reads them, and Since
	// from when on: by then they were heeded.
	Sessions bool
	Since    time.Time
	// Before is a watch of the same server that this one takes over from; nil: none. It
	// must have ended.
	Before *SignIns
}

// SignIns notices who signs in, by one request that asks who was active last. It is used
// by one goroutine.
type SignIns struct {
	s      *Session
	o      SignInOptions
	ignore map[string]bool
	*activity
}

// activity is what a watch of sign-ins remembers.
type activity struct {
	known map[string]*presence
	// begun is the server's time of the first look; zero: there was none.
	begun int64
	// newest is the latest activity of the look before; floor is when accounts that were
	// never met were active at the latest.
	newest, floor int64
	// since is when sessions were heeded of accounts that were never met.
	since int64
	// looks counts them.
	looks int64
}

// presence is what is remembered of one account.
type presence struct {
	active int64
	// face tells mail, role and subjects from others; subject says that there is one.
	face    uint64
	subject bool
	// moved says that they were active since their sessions were looked at, in the look
	// with the number checked.
	moved   bool
	checked int64
	// session is the newest that was looked at; those written before heeded are no news.
	session string
	heeded  int64
}

// SignIns makes a watch of sign-ins.
func (c *Client) SignIns(o SignInOptions) *SignIns {
	w := &SignIns{s: c.Session(), o: o, ignore: map[string]bool{}, activity: &activity{known: map[string]*presence{}}}
	w.s.once = true // whoever looks again in a few seconds need not insist
	for _, mail := range o.Ignore {
		w.ignore[directory.FoldEmail(mail)] = true
	}
	if o.Before != nil {
		// What it remembers is taken over, and not the watch: else each reload would keep all before it.
		w.activity, w.o.Known, w.o.Before = o.Before.activity, o.Before.o.Known, nil
	}
	return w
}

// Look gives the accounts that somebody signed in to since the look before, as their
// activity tells. After an error the next look finds what this one did not.
func (w *SignIns) Look(ctx context.Context) ([]Noticed, error) {
	users, err := w.active(ctx)
	if err != nil {
		return nil, err
	}
	now := w.s.http.LastDate().Unix()
	if w.s.http.LastDate().IsZero() {
		now = w.newestOf(users)
	}
	var found []Noticed
	if w.begun == 0 {
		if found, err = w.begin(ctx, users, now); err != nil {
			return nil, err
		}
	} else {
		for i := range users {
			if why := w.meet(&users[i], now); why != "" {
				found = append(found, Noticed{users[i].ID, why})
			}
		}
	}
	w.newest = w.newestOf(users)
	w.looks++
	return found, nil
}

func (w *SignIns) newestOf(users []userWire) int64 {
	if len(users) == 0 {
		return w.newest
	}
	return users[0].ActiveAt
}

// active reads who was active since the look before, and in the first look who was within
// the time that counts as being there.
func (w *SignIns) active(ctx context.Context) ([]userWire, error) {
	var users []userWire
	for page := 1; ; page++ {
		p, err := w.s.usersBy(ctx, page, "last_active_at", "desc")
		if err != nil {
			return nil, err
		}
		if page == 1 && !slices.IsSortedFunc(p.Users, func(a, b userWire) int { return cmp.Compare(b.ActiveAt, a.ActiveAt) }) {
			return nil, fault.Errorf(fault.Incomplete, "look for sign-ins", "target "+w.s.c.name, "the accounts are not in the order of their activity")
		}
		users = append(users, p.Users...)
		back := w.newest
		if w.begun == 0 {
			back = w.newestOf(users) - int64(away/time.Second)
		}
		if len(p.Users) < pageSize || users[len(users)-1].ActiveAt < back || page == maxActivePages {
			return users, nil
		}
	}
}

// begin is the first look: whoever is there is there, and only accounts that nobody knew
// count. They may have been made, and left, long ago.
func (w *SignIns) begin(ctx context.Context, users []userWire, now int64) ([]Noticed, error) {
	if w.o.Self == "" {
		var err error
		if w.o.Self, err = w.s.self(ctx); err != nil {
			return nil, err
		}
	}
	var found []Noticed
	for page := 1; len(w.o.Known) > 0 && page <= maxNewPages; page++ {
		p, err := w.s.usersPage(ctx, page, "desc")
		if err != nil {
			return nil, err
		}
		met := len(p.Users) < pageSize
		for i := range p.Users {
			switch u := &p.Users[i]; {
			case w.o.Known[u.ID]:
				met = true
			case w.known[u.ID] == nil: // a page that moves shows some twice
				w.remember(u, now)
				if !w.ignored(u) {
					found = append(found, Noticed{u.ID, First})
				}
			}
		}
		if met {
			break
		}
	}
	if w.since = w.o.Since.Unix(); w.o.Since.IsZero() {
		w.since = now
	}
	w.floor = w.newestOf(users) - int64(away/time.Second)
	for i := range users {
		if w.known[users[i].ID] == nil {
			w.remember(&users[i], w.since).moved = true
		}
	}
	if len(users) >= maxActivePages*pageSize {
		w.floor = max(w.floor, users[len(users)-1].ActiveAt)
	}
	w.begun, w.o.Known = now, nil
	return found, nil
}

// meet takes in an account as a page shows it, and says whether somebody signed in to it.
func (w *SignIns) meet(u *userWire, now int64) Why {
	was := w.known[u.ID]
	switch {
	case was == nil && u.CreatedAt >= w.begun:
		w.remember(u, now-raced).moved = true
		return w.unless(u, First)
	case was == nil:
		p := w.remember(u, w.since)
		p.moved = u.ActiveAt > w.floor
		if u.ActiveAt-w.floor >= int64(away/time.Second) {
			p.heeded = now - raced
			return w.unless(u, Back)
		}
		return ""
	}
	before := *was
	is := w.remember(u, 0)
	is.session, is.heeded, is.checked, is.moved = before.session, before.heeded, before.checked, before.moved || u.ActiveAt > before.active
	why := Why("")
	switch {
	case is.face != before.face:
		why = w.unless(u, Changed)
	case u.ActiveAt-before.active >= int64(away/time.Second):
		why = w.unless(u, Back)
	}
	if why != "" {
		is.heeded = now - raced
	}
	return why
}

// remember keeps how an account looks. Its sessions are heeded up to a time.
func (w *SignIns) remember(u *userWire, heeded int64) *presence {
	a := u.account(true)
	p := &presence{active: u.ActiveAt, face: face(&a), subject: len(a.Subjects) > 0 && !w.ignored(u), heeded: heeded}
	w.known[u.ID] = p
	return p
}

func (w *SignIns) ignored(u *userWire) bool {
	return u.ID == w.o.Self || w.ignore[directory.FoldEmail(u.Email)]
}

func (w *SignIns) unless(u *userWire, why Why) Why {
	if w.ignored(u) {
		return ""
	}
	return why
}

// face gives a number that is another when mail, role or a subject of an account is.
func face(a *plan.Account) uint64 {
	h := fnv.New64a()
	for _, part := range []string{directory.FoldEmail(a.Email), a.Role} {
		_, _ = h.Write([]byte(part + "\x00"))
	}
	for _, provider := range slices.Sorted(maps.Keys(a.Subjects)) {
		_, _ = h.Write([]byte(provider + "\x00" + a.Subjects[provider] + "\x00"))
	}
	return h.Sum64()
}

// Check gives the accounts of people who signed in anew while they were active, by their
// stored sessions: of those who were active since theirs were looked at, those first whose
// turn is longest ago, about one a second. After a sign-in somebody's activity moves within
// a minute and a half, since the server notes it once a minute.
//
// What is found is right even when there is an error; the others come later.
func (w *SignIns) Check(ctx context.Context) ([]Noticed, error) {
	if !w.o.Sessions {
		return nil, nil
	}
	due := make([]string, 0, len(w.known))
	for id, p := range w.known {
		if p.moved && p.subject {
			due = append(due, id)
		}
	}
	slices.SortFunc(due, func(a, b string) int {
		return cmp.Or(cmp.Compare(w.known[a].checked, w.known[b].checked), cmp.Compare(a, b))
	})
	var found []Noticed
	for _, id := range due[:min(len(due), w.budget())] {
		p := w.known[id]
		p.checked = w.looks
		sessions, err := w.s.sessions(ctx, "", id)
		if err != nil {
			return found, err
		}
		// The session of a sign-in that was noticed this minute may still be on its way.
		if p.moved = len(sessions) == 0 && p.session == "" && w.newest < p.heeded+60; len(sessions) == 0 {
			continue
		}
		stamp, written := newest(sessions)
		if stamp != p.session && written >= p.heeded {
			found = append(found, Noticed{id, Again})
		}
		p.session, p.heeded = stamp, max(p.heeded, written)
	}
	return found, nil
}

// newest gives when the newest of some sessions was written, the one written last being
// first, and a text that is another when another was: several may be in one second.
func newest(sessions []sessionWire) (stamp string, written int64) {
	written = sessions[0].Updated
	for i := range sessions {
		if sessions[i].Updated == written {
			stamp += sessions[i].ID + " "
		}
	}
	return stamp + strconv.FormatInt(written, 10), written
}

// budget is how many accounts' sessions one look may read.
func (w *SignIns) budget() int {
	return min(max(1, int(w.o.Every/time.Second)), pageSize)
}

// ofProvider reports whether a session is one of a sign-in through the provider, or, with
// an empty name, of any sign-in: the server keeps those of tool servers beside them.
func ofProvider(w *sessionWire, provider string) bool {
	if provider == "" {
		return !strings.HasPrefix(w.Provider, "mcp:")
	}
	return w.Provider == provider
}
