package faults

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/app"
	"groupsyncd/internal/httpx"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
	"groupsyncd/test/hand"
)

// Site is a directory and an Open WebUI, in this process or real.
type Site struct {
	// Directory and Chat are host and port of the two servers.
	Directory, Chat string
	// Source is the configuration of the source, with %s for host and port.
	Source string
	// Key is that of an administrator of Open WebUI; Files are further files that the
	// configuration names.
	Key   string
	Files map[string]string
	// People are the mail addresses of people of the directory, each with an account;
	// Outsider is that of an account that the directory does not know.
	People   []string
	Outsider string
	// Groups are the names of the groups, and SetMembers gives one of them exactly these
	// of the people.
	Groups     []string
	SetMembers func(tb testing.TB, group int, people []int)
	// Knowledge is the id of a knowledge base that all groups may read, and that the
	// outsider reads by a grant made by hand; then roles are managed too. Empty: neither.
	Knowledge string
}

// Cell is one place of the matrix: which server the fault stands before, and the fault.
// Percent says where in what an undisturbed run moves it acts; a fault that acts at the
// very beginning, or on the last byte, is worth a cell too.
type Cell struct {
	Directory bool
	Fault     Fault
	Percent   int
}

// town is a program between the two servers, with a proxy before each.
type town struct {
	testing.TB
	site     *Site
	dir      string
	ldap     *Proxy
	chat     *Proxy
	hand     *hand.Hand
	accounts map[string]string
	members  [][]int
	turns    int
	log      strings.Builder
	// moved is what one run moves: before the directory and before Open WebUI, up and down.
	moved [2][2]int
}

// Tally says what became of the runs of a matrix that were disturbed.
type Tally struct{ Cells, Acted, Incomplete, Failed, Unharmed int }

// impatient is how long a request may take while a fault lets it wait for ever.
const impatient = 400 * time.Millisecond

// Play goes through cells, one after the other: people leave and come, a run is disturbed,
// and what it did is judged; then the fault goes, and the next run has to converge.
func Play(tb testing.TB, site *Site, cells []Cell) Tally {
	tb.Helper()
	w := &town{TB: tb, site: site, dir: tb.TempDir(), ldap: New(tb, site.Directory), chat: New(tb, site.Chat),
		hand: &hand.Hand{TB: tb, URL: "http://" + site.Chat, Key: site.Key}, accounts: map[string]string{}, members: make([][]int, len(site.Groups))}
	w.begin()
	var t Tally
	for _, c := range cells {
		w.play(c, &t)
		if tb.Failed() {
			tb.Fatalf("in the cell: %s, before the directory: %t\n%s", c.Fault, c.Directory, w.log.String())
		}
	}
	return t
}

func (w *town) begin() {
	w.Helper()
	for _, a := range w.hand.Accounts() {
		w.accounts[a.Email] = a.ID
	}
	w.write("key", w.site.Key)
	for name, text := range w.site.Files {
		w.write(name, text)
	}
	// What a day may take away would be used up soon, and is not what this is about.
	accounts, shared := "", ""
	if w.site.Knowledge != "" {
		accounts, shared = `, accounts: {role: {user: [{match: "*"}]}}`, fmt.Sprintf(`, knowledge: [%q]`, w.site.Knowledge)
	}
	w.write("groupsyncd.yaml", fmt.Sprintf(`state: state
sources:
  corp: %s
targets:
  chat: {type: openwebui, url: "http://%s", api_key: file:key%s}
rules:
  - {name: all, match: "*"%s}
safety: {max_people: off, max_people_24h: off, max_group_loss: off}
server: {admin: {listen: ""}}
`, fmt.Sprintf(w.site.Source, w.ldap.Addr), w.chat.Addr, accounts, shared))
	for g := range w.site.Groups {
		for p := range w.site.People {
			if (p+g)%3 != 0 {
				w.members[g] = append(w.members[g], p)
			}
		}
		w.site.SetMembers(w, g, w.members[g])
	}
	w.calm("at the beginning")
	for _, g := range w.groups() {
		w.hand.AddMembers(g.ID, w.accounts[w.site.Outsider])
	}
	w.calm("with members by hand")
	// A run that has something to do shows how much it moves.
	w.change()
	w.ldap.Heal()
	w.chat.Heal()
	w.run(app.Network{})
	w.moved[0][Up], w.moved[0][Down] = w.ldap.Passed()
	w.moved[1][Up], w.moved[1][Down] = w.chat.Passed()
}

func (w *town) write(name, text string) {
	w.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// change lets somebody leave each group and somebody else join it.
func (w *town) change() {
	w.Helper()
	for g := range w.members {
		out := w.members[g][(w.turns+g)%len(w.members[g])]
		in := w.turns + 2*g
		for slices.Contains(w.members[g], in%len(w.site.People)) {
			in++
		}
		w.members[g] = append(slices.DeleteFunc(slices.Clone(w.members[g]), func(p int) bool { return p == out }), in%len(w.site.People))
		w.site.SetMembers(w, g, w.members[g])
	}
	w.turns++
}

func (w *town) play(c Cell, t *Tally) {
	w.Helper()
	p, moved := w.chat, w.moved[1]
	if c.Directory {
		p, moved = w.ldap, w.moved[0]
	}
	f := c.Fault
	f.After = max(0, moved[f.Direction]*c.Percent/100-1)
	was := w.all()
	w.change()
	p.Set(f)
	n := app.Network{Retry: httpx.Retry{Tries: 2, First: time.Millisecond, Max: 2 * time.Millisecond}}
	if f.Kind == Stall {
		n.Timeout = impatient
	}
	r := w.run(n)
	acted := p.Heal()
	w.judge(f, was, r)
	w.calm("after " + f.String())
	t.Cells++
	t.Acted += min(acted, 1)
	switch {
	case r.Sources[0].Coverage != "full":
		t.Incomplete++
	case r.Exit != run.ExitOK:
		t.Failed++
	default:
		t.Unharmed++
	}
}

// judge looks at what a disturbed run did: whoever is to be a member and was one still is,
// whoever is neither has not come in, and a run without a complaint has done everything.
func (w *town) judge(f Fault, was [][]int, r *run.Report) {
	w.Helper()
	complete := r.Sources[0].Coverage == "full" && r.Exit == run.ExitOK
	for g, have := range w.all() {
		for p := range w.site.People {
			before, wanted, is := slices.Contains(was[g], p), slices.Contains(w.members[g], p), slices.Contains(have, p)
			switch {
			case before && wanted && !is:
				w.Errorf("%s: %s lost %s and had not left", f, w.site.People[p], w.site.Groups[g])
			case !before && !wanted && is:
				w.Errorf("%s: %s came into %s", f, w.site.People[p], w.site.Groups[g])
			case complete && wanted != is:
				w.Errorf("%s: the run complains of nothing, and %s is in %s: %t", f, w.site.People[p], w.site.Groups[g], is)
			}
		}
	}
	if r.Sources[0].Coverage == "none" && len(r.Targets) > 0 && r.Targets[0].Summary.MembersRemoved > 0 {
		w.Errorf("%s: members were removed on a read that showed nothing", f)
	}
}

// calm lets a run go undisturbed: it converges, and the next has nothing to do.
func (w *town) calm(when string) {
	w.Helper()
	if r := w.run(app.Network{}); r.Exit != run.ExitOK {
		w.Errorf("%s: a run that nothing disturbs ended with %d: %+v", when, r.Exit, r.Sources)
	}
	for g, have := range w.all() {
		if want := slices.Sorted(slices.Values(w.members[g])); !slices.Equal(have, want) {
			w.Errorf("%s: in %s are %v instead of %v", when, w.site.Groups[g], have, want)
		}
	}
	if r := w.run(app.Network{}); r.Exit != run.ExitOK || r.Targets[0].Writes != 0 {
		w.Errorf("%s: a run with nothing to do ended with %d after %d writes", when, r.Exit, r.Targets[0].Writes)
	}
}

// run is the program for one run, as the command sync is.
func (w *town) run(n app.Network) *run.Report {
	w.Helper()
	file := filepath.Join(w.dir, "groupsyncd.yaml")
	cfg, err := app.Load(file)
	if err != nil {
		w.Fatal(err)
	}
	a, err := app.New(w.Context(), app.Options{File: file, Config: cfg, Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Network: n})
	if err != nil {
		w.Fatal(err)
	}
	r, err := a.Run(w.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}, nil)
	if err := errors.Join(err, a.Close()); err != nil {
		w.Fatal(err)
	}
	return r
}

// groups gives our groups, in the order of the site.
func (w *town) groups() []hand.Group {
	w.Helper()
	all := w.hand.Groups()
	out := make([]hand.Group, len(w.site.Groups))
	for i, name := range w.site.Groups {
		n := slices.IndexFunc(all, func(g hand.Group) bool { return g.Name == name })
		if n < 0 {
			w.Fatalf("there is no group %s", name)
		}
		out[i] = all[n]
	}
	if len(all) != len(out) {
		w.Errorf("there are %d groups instead of %d", len(all), len(out))
	}
	return out
}

// all gives the members of each group as the directory knows them. Who is no person of
// the directory was put there by hand and stays.
func (w *town) all() [][]int {
	w.Helper()
	var out [][]int
	for _, g := range w.groups() {
		var have []int
		for p, mail := range w.site.People {
			if slices.Contains(g.Members, w.accounts[mail]) {
				have = append(have, p)
			}
		}
		if w.turns > 0 && !slices.Contains(g.Members, w.accounts[w.site.Outsider]) {
			w.Errorf("who was put into %s by hand is gone", g.Name)
		}
		out = append(out, have)
	}
	w.kept()
	return out
}

// kept demands that nobody was suspended, and that no grant of somebody else is gone.
func (w *town) kept() {
	w.Helper()
	if w.site.Knowledge == "" {
		return
	}
	var list struct {
		Users []struct{ Email, Role string }
	}
	w.hand.Call("GET", "/api/v1/users/all", nil, &list)
	for _, a := range list.Users {
		if a.Role == plan.RolePending {
			w.Errorf("%s was suspended", a.Email)
		}
	}
	readers := w.readers()
	if !readers[w.accounts[w.site.Outsider]] {
		w.Errorf("the grant that was made by hand is gone")
	}
	if w.turns == 0 {
		return
	}
	for _, g := range w.hand.Groups() {
		if !readers[g.ID] {
			w.Errorf("the group %s lost what is shared with it", g.Name)
		}
	}
}

// readers gives the ids of the accounts and groups that may read the knowledge base.
func (w *town) readers() map[string]bool {
	w.Helper()
	var k struct {
		Grants []struct {
			ID string `json:"principal_id"`
		} `json:"access_grants"`
	}
	w.hand.Call("GET", "/api/v1/knowledge/"+w.site.Knowledge, nil, &k)
	ids := map[string]bool{}
	for _, g := range k.Grants {
		ids[g.ID] = true
	}
	return ids
}
