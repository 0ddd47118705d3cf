package kill

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/app"
	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/state"
	"groupsyncd/sync/run"
	"groupsyncd/test/hand"
)

// server is an Open WebUI with accounts in it.
type server struct {
	front *front
	// people are the mail addresses of accounts for the people of the directory,
	// outsiders those of accounts that no directory knows.
	people, outsiders []string
	hand              *hand.Hand
}

// strike says how a child is killed. What is never reached kills nobody.
type strike struct {
	// step is the call of the hook at which the child ends itself.
	step int
	// request is the request at which the front kills it, in a phase.
	request int
	phase   phase
	// after is how long it lives otherwise.
	after time.Duration
	// daemon: it is one, and is killed after its first run at the latest.
	daemon bool
}

func (s strike) String() string {
	switch {
	case s.step > 0:
		return "at a commit"
	case s.request > 0:
		return "at a request, " + s.phase.String()
	}
	return "at a moment of chance"
}

func drawStrike(rng *rand.Rand) strike {
	s := strike{daemon: rng.IntN(5) == 0}
	switch rng.IntN(5) {
	case 0, 1:
		s.step = 1 + rng.IntN(24)
	case 2, 3:
		s.request, s.phase = 1+rng.IntN(24), phase(rng.IntN(4))
	default:
		s.after = 15*time.Millisecond + time.Duration(rng.IntN(60_000))*time.Microsecond
	}
	return s
}

// byHand is a membership that an administrator gave.
type byHand struct{ group, account string }

// world is one play of a story.
type world struct {
	*testing.T
	story *story
	dir   string
	ldap  *ldaptest.Server
	url   string
	srv   *server
	log   strings.Builder

	chapter  int
	accounts []hand.Account
	foreign  []hand.Group
	adopted  hand.Group
	byHand   map[byHand]bool
	kills    []string
}

func newWorld(t *testing.T, s *story, srv *server) *world {
	t.Helper()
	w := &world{T: t, story: s, dir: t.TempDir(), srv: srv, byHand: map[byHand]bool{}}
	public := httptest.NewServer(srv.front)
	t.Cleanup(public.Close)
	w.url = public.URL
	w.write("key", srv.hand.Key)
	if !s.file {
		w.write("password", "secret")
		w.ldap = ldaptest.New(ldaptest.Options{BindDN: "cn=sync," + suffix, Password: "secret"})
		t.Cleanup(func() {
			if err := w.ldap.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	w.accounts = srv.hand.Accounts()
	// Two groups are nobody's business, and one may be taken over because of its name.
	for i := range 2 {
		id := srv.hand.CreateGroup(fmt.Sprintf("%sforeign %d", s.prefix, i))
		srv.hand.AddMembers(id, w.account(srv.outsiders[0]), w.account(s.mails[i]))
		w.foreign = append(w.foreign, srv.hand.Group(id))
	}
	if s.adopts {
		adopted := srv.hand.CreateGroup(s.chapters[0].name(0))
		w.give(adopted, srv.outsiders[1])
		w.adopted = srv.hand.Group(adopted)
	}
	return w
}

func (w *world) write(name, text string) {
	w.Helper()
	file := filepath.Join(w.dir, name)
	if err := errors.Join(os.WriteFile(file+".new", []byte(text), 0o600), os.Rename(file+".new", file)); err != nil {
		w.Fatal(err)
	}
}

// account gives the id of an account, nothing when there is none of that mail address.
func (w *world) account(mail string) string {
	i := slices.IndexFunc(w.accounts, func(a hand.Account) bool { return a.Email == mail })
	if i < 0 {
		return ""
	}
	return w.accounts[i].ID
}

// give makes an account a member by hand.
func (w *world) give(group, mail string) {
	w.Helper()
	id := w.account(mail)
	w.srv.hand.AddMembers(group, id)
	w.byHand[byHand{group, id}] = true
}

// turn goes on to a chapter: the directory and the rules change.
func (w *world) turn(n int) {
	w.Helper()
	w.chapter = n
	w.srv.front.turn(n)
	c := &w.story.chapters[n]
	source := "{type: file, path: people.yaml}"
	if w.story.file {
		w.write("people.yaml", w.story.list(c))
	} else {
		if err := w.ldap.Replace(w.story.entries(c)...); err != nil {
			w.Fatal(err)
		}
		if n == 0 {
			address, err := w.ldap.Start("127.0.0.1:0")
			if err != nil {
				w.Fatal(err)
			}
			w.write("address", address)
		}
		address, err := os.ReadFile(filepath.Join(w.dir, "address"))
		if err != nil {
			w.Fatal(err)
		}
		source = fmt.Sprintf(`{type: ldap, url: %q, bind: {dn: "cn=sync,%s", password: file:password}, users: {base: "ou=people,%s", disabled: "(employeeType=disabled)"}, groups: {base: "ou=groups,%s"}, page_size: 7}`,
			address, suffix, suffix, suffix)
	}
	w.write("groupsyncd.yaml", fmt.Sprintf(`state: state
sources:
  corp: %s
targets:
  chat: {type: openwebui, url: %q, api_key: file:key}
rules:
%ssafety: {absence: {reads: %d, over: 0s}}
server: {admin: {listen: ""}}
`, source, w.url, w.story.rule(c), w.story.reads))
}

// hands lets the administrator add members to groups of ours: outsiders, and people of
// the directory who are never to be there.
func (w *world) hands(rng *rand.Rand) {
	w.Helper()
	for _, g := range w.srv.hand.Groups() {
		n := w.place(&g)
		if n < 0 {
			continue
		}
		if rng.IntN(2) == 0 {
			w.give(g.ID, w.srv.outsiders[rng.IntN(len(w.srv.outsiders))])
		}
		p := rng.IntN(len(w.story.mails))
		never := !slices.ContainsFunc(w.story.chapters, func(c chapter) bool { return c.has(n, p) })
		if id := w.account(w.story.mails[p]); never && id != "" && !slices.Contains(g.Members, id) {
			w.give(g.ID, w.story.mails[p])
		}
	}
}

// place finds which group of the directory a group is, by our mark or by its name; -1 for
// one of nobody.
func (w *world) place(g *hand.Group) int {
	for n := range w.story.chapters[len(w.story.chapters)-1].groups {
		if g.Mark().Group == groupID(n) || g.ID == w.adopted.ID && n == 0 {
			return n
		}
		if slices.ContainsFunc(w.story.chapters, func(c chapter) bool { return n < len(c.groups) && c.name(n) == g.Name }) {
			return n
		}
	}
	return -1
}

// strike lets a child live until it is struck, and looks at what it leaves behind.
func (w *world) strike(s strike) *life {
	w.Helper()
	began, err := lastCommit(filepath.Join(w.dir, "state"))
	if err != nil {
		w.Fatal(err)
	}
	l := live(w.T, w.dir, s, w.srv.front)
	fmt.Fprintf(&w.log, "chapter %d, killed: %t, %s, the last step: %s\n%s", w.chapter, l.killed, s, l.last(), l.log)
	if !l.killed && l.code != run.ExitOK && l.code != run.ExitHeld {
		w.Fatalf("the child ended by itself with %d", l.code)
	}
	if l.killed {
		w.kills = append(w.kills, s.String()+" (last step: "+l.last()+")")
	}
	w.inspect(began, s, l)
	return l
}

// inspect shows that the state is whole and that nothing acknowledged is lost: commits
// are numbered, and at most the one under way is beyond the last that was acknowledged.
func (w *world) inspect(began uint64, s strike, l *life) {
	w.Helper()
	last, err := lastCommit(filepath.Join(w.dir, "state"))
	if err != nil {
		w.Fatal(err)
	}
	if last == 0 && l.commit == 0 {
		return // It was killed before there was a state.
	}
	if acknowledged := max(began, l.commit); began > 0 && (last < acknowledged || last > acknowledged+1) {
		w.Fatalf("commit %d is the last that is stored, %d was acknowledged", last, acknowledged)
	}
	db, err := state.Open(w.Context(), state.Options{Dir: filepath.Join(w.dir, "state"), Timeout: time.Second})
	if err != nil {
		w.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			w.Error(err)
		}
	}()
	if err := db.Check(w.Context()); err != nil {
		w.Fatal(err)
	}
	if _, err := db.VerifyAudit(nil); err != nil {
		w.Fatal(err)
	}
	for _, id := range l.runs {
		if _, err := db.Run(id); err != nil {
			w.Fatalf("a run that ended is not in the history: %v", err)
		}
	}
	open, err := db.Open("chat")
	if err != nil {
		w.Fatal(err)
	}
	// Whatever was asked of Open WebUI was written down before.
	interrupted := l.killed && s.request > 0 && w.srv.front.interrupted()
	if began := l.last() == "after begin journal" && last == l.commit; len(open) == 0 && (interrupted || began) {
		w.Fatal("calls were about to be made, and no intent is open")
	}
}

// program opens the program in this process, carries something out, and closes it.
func (w *world) program(do func(*app.App)) {
	w.Helper()
	file := filepath.Join(w.dir, "groupsyncd.yaml")
	cfg, err := app.Load(file)
	if err != nil {
		w.Fatal(err)
	}
	a, err := app.New(w.Context(), app.Options{File: file, Config: cfg, Logger: slog.New(slog.NewTextHandler(&w.log, nil)), LockTimeout: time.Second})
	if err != nil {
		w.Fatal(err)
	}
	do(a)
	if err := a.Close(); err != nil {
		w.Error(err)
	}
}

func (w *world) run(a *app.App) *run.Report {
	w.Helper()
	r, err := a.Run(w.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}, nil)
	if err != nil {
		w.Fatal(err)
	}
	if r.Exit != run.ExitOK && r.Exit != run.ExitHeld {
		w.Fatalf("a run that nobody disturbs ended with %d", r.Exit)
	}
	return r
}
