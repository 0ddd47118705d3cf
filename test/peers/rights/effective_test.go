//go:build peers

package rights

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

const (
	people       = 200
	groupsByHand = 50
)

// providers are the models of the provider; nobody gives out the last.
var providers = []string{"base-1", "base-2", "base-3", "base-4", "base-5", "bare"}

// TestEffectiveRightsAreThoseOfOpenWebUI makes an Open WebUI by chance, asks it in the name
// of everybody what they may do and see, and asks us the same.
// GROUPSYNCD_RIGHTS_SEED draws another one.
func TestEffectiveRightsAreThoseOfOpenWebUI(t *testing.T) {
	t.Parallel()
	seed := uint64(1)
	if text := os.Getenv("GROUPSYNCD_RIGHTS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("GROUPSYNCD_RIGHTS_SEED=%d", seed)
	w := newWorld(t, people, providers)
	c := &chance{world: w, bases: map[string]string{}, rng: rand.New(rand.NewPCG(seed, 0x726967687473))}
	c.seed()

	w.Write(t, "people.yaml", "users: [{id: one, email: "+ldif.Mail(1)+", username: one, name: One}]\ngroups: [{id: g, name: ours, members: [one]}]\n")
	addr := peer.FreeAddr(t)
	w.Configure(t, fmt.Sprintf(`state: state
server: {admin: {listen: %q}}
sources:
  list: {type: file, path: people.yaml, schedule: every 24h}
targets:
  chat: {type: openwebui, url: %q, api_key: "file:%s", watch: off}
rules:
  - {name: ours, match: ours}
`, addr, w.chat.URL, w.chat.KeyFile))
	w.Sync(t, run.ExitOK)
	stop := w.Serve(t, addr)
	defer stop()

	began, total := time.Now(), 0
	for n := 1; n <= people; n++ {
		total += c.compare(n)
	}
	t.Logf("%d people in %d groups: %d keys and things are the same, %s", people, groupsByHand, total, time.Since(began).Round(time.Millisecond))
	c.holders()
	c.moves()
}

// chance is what a world is made by.
type chance struct {
	*world
	rng      *rand.Rand
	accounts []account
	tokens   []string
	groups   []string
	things   []thing
	// bases is what each model builds on.
	bases map[string]string
	// told is what Open WebUI answered everybody.
	told []answers
}

// answers are what Open WebUI tells somebody about themselves: permissions, and for each
// thing that they see whether they may write it.
type answers struct {
	may  map[string]bool
	sees map[string]string
}

// ask asks Open WebUI in the name of person number n.
func (c *chance) ask(n int) answers {
	c.t.Helper()
	who, token := c.accounts[n-1], c.tokens[n-1]
	may, told := c.permissions(token)
	if told == (who.Role == "pending") {
		c.t.Errorf("%s is %s, and Open WebUI answers: %t", who.Email, who.Role, told)
	}
	a := answers{may: may, sees: map[string]string{}}
	if who.Role == "pending" {
		if status := c.as(token, http.MethodGet, "/api/v1/tools/list", nil); status != http.StatusUnauthorized {
			c.t.Errorf("%s is pending, and their tools answer %d", who.Email, status)
		}
		return a
	}
	for t, s := range c.listed(token) {
		a.sees[t.String()] = map[bool]string{true: "write", false: "read"}[s.Write]
	}
	return a
}

// one says yes n times of a hundred.
func (c *chance) one(n int) bool { return c.rng.IntN(100) < n }

func pick[T any](c *chance, from []T) T { return from[c.rng.IntN(len(from))] }

// seed fills an empty server.
func (c *chance) seed() {
	all := c.world.accounts()
	for n := 1; n <= people; n++ {
		c.accounts = append(c.accounts, all[ldif.Mail(n)])
		c.tokens = append(c.tokens, c.chat.Login(c.t, ldif.Mail(n)))
	}
	c.seedGroups()
	c.seedThings()
	tree := map[string]bool{}
	flatten(c.defaults(), "", tree)
	// In order, so that a seed gives the same again.
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		tree[key] = c.one(30)
	}
	c.setDefaults(nested(tree))
	for i := range c.accounts {
		switch {
		case c.one(5):
			c.accounts[i].Role = "admin"
		case c.one(8):
			c.accounts[i].Role = "pending"
		default:
			continue
		}
		c.setRole(c.accounts[i].ID, c.accounts[i].Role)
	}
}

// seedGroups makes groups with any kind of tree, some below others.
func (c *chance) seedGroups() {
	known := map[string]bool{}
	flatten(c.defaults(), "", known)
	keys := append(slices.Sorted(maps.Keys(known)), "features.of_tomorrow", "tomorrow.everything", "alone")
	for i := range groupsByHand {
		form := map[string]any{"name": fmt.Sprintf("Group %02d", i), "description": ""}
		tree := map[string]bool{}
		share := pick(c, []int{0, 5, 20, 100})
		for _, key := range keys {
			if c.one(share) {
				tree[key] = c.one(50)
			}
		}
		switch kind := c.rng.IntN(10); kind {
		case 0: // None at all, which is stored as null.
		case 1:
			form["permissions"] = map[string]any{}
		case 2:
			form["permissions"] = map[string]any{"chat": nil, "workspace": map[string]any{"models": true}}
		default:
			form["permissions"] = nested(tree)
		}
		if i > 0 && c.one(40) {
			form["parent_group_id"] = pick(c, c.groups)
		}
		var members []string
		for range c.rng.IntN(25) {
			members = append(members, pick(c, c.accounts).ID)
		}
		c.groups = append(c.groups, c.newGroup(form, members...))
	}
}

// seedThings makes things of all kinds that belong to anybody, and shares them with anybody.
func (c *chance) seedThings() {
	before := c.defaults()
	all := map[string]bool{}
	flatten(before, "", all)
	for key := range all {
		all[key] = true
	}
	c.setDefaults(nested(all))
	for _, id := range providers[:len(providers)-1] {
		c.things = append(c.things, thing{"models", id})
	}
	for _, kind := range kinds {
		for i := range map[string]int{"models": 40}[kind] + 12 {
			name, token := fmt.Sprintf("%s_%d", kind, i), c.key
			if c.one(50) {
				token = pick(c, c.tokens)
			}
			more := map[string]any{"is_active": !c.one(15)}
			if kind == "models" {
				c.bases[name] = c.base()
				more["base_model_id"] = c.bases[name]
			}
			c.things = append(c.things, c.make(token, kind, name, nil, more))
		}
	}
	for _, t := range c.things {
		c.share(t, c.shares()...)
	}
	c.setDefaults(before)
}

// base gives what a model builds on: mostly a model of the provider, which may be one that
// nobody has given out, or another model, or nothing that exists.
func (c *chance) base() string {
	if models := slices.DeleteFunc(slices.Clone(c.things), func(t thing) bool { return t.kind != "models" }); c.one(20) {
		return pick(c, models).id
	}
	if c.one(5) {
		return "gone"
	}
	return pick(c, providers)
}

// shares gives grants to any principals, also to some that are not there.
func (c *chance) shares() []grant {
	var out []grant
	if c.one(15) {
		out = append(out, public)
	}
	if c.one(4) {
		out = append(out, toUser("*", "write"))
	}
	for range c.rng.IntN(5) {
		to, id := toGroup, pick(c, c.groups)
		switch {
		case c.one(30):
			to, id = toUser, pick(c, c.accounts).ID
		case c.one(3):
			id = "nobody"
		}
		// Writing alone does not let anybody read.
		if write := c.one(35); write {
			out = append(out, to(id, "write"))
			if c.one(30) {
				continue
			}
		}
		out = append(out, to(id, "read"))
	}
	return out
}

// theirs is what `access user` prints.
type theirs struct {
	User        struct{ ID, Email string }
	Role        string
	Permissions map[string]struct {
		Allowed bool
		From    []string
	}
	Resources []use
	Change    struct{ Gained, Lost changed }
}

// use is one thing that somebody may read or write.
type use struct {
	Type, ID, Permission, Unusable string
	From                           []string
	Hidden                         bool
}

// changed is what somebody would gain or lose.
type changed struct {
	Permissions []string
	Resources   []use
}

// access asks us about person number n.
func (w *world) access(n int, args ...string) theirs {
	w.t.Helper()
	var out theirs
	w.Must(w.t, run.ExitOK, append([]string{"access", "user", ldif.Mail(n), "-o", "json"}, args...)...).Decode(w.t, &out)
	return out
}

// compare says where the answers about one person differ, and how many they are.
func (c *chance) compare(n int) int {
	c.t.Helper()
	who, ours, told := c.accounts[n-1], c.access(n), c.ask(n)
	c.told = append(c.told, told)
	if ours.User.ID != who.ID || ours.Role != who.Role {
		c.t.Errorf("%s with the role %s is %+v to us, with the role %s", who.Email, who.Role, ours.User, ours.Role)
	}
	have, uses := map[string]bool{}, map[string]string{}
	for key, p := range ours.Permissions {
		if p.Allowed != (len(p.From) > 0) {
			c.t.Errorf("%s (%s): %s is %t, from %q", who.Email, who.Role, key, p.Allowed, p.From)
		}
		// Somebody pending is told nothing, and may do nothing.
		if who.Role != "pending" || p.Allowed {
			have[key] = p.Allowed
		}
	}
	for _, r := range ours.Resources {
		uses[r.Type+" "+r.ID] = r.Permission
		if len(r.From) == 0 {
			c.t.Errorf("%s: %s %s comes from nothing", who.Email, r.Type, r.ID)
		}
		if n%20 == 0 && r.Type == "models" {
			c.usable(n, &r)
		}
	}
	differ(c.t, who, "permission", told.may, have)
	differ(c.t, who, "thing", told.sees, uses)
	return len(told.may) + len(told.sees)
}

// usable has somebody chat with a model that they see: what we call of no use does not
// answer them, and any other one does that builds on a model of the provider.
func (c *chance) usable(n int, m *use) {
	c.t.Helper()
	answers := c.chats(c.tokens[n-1], m.ID)
	base, preset := c.bases[m.ID]
	direct := !preset || slices.Contains(providers, base)
	if answers && m.Unusable != "" || !answers && m.Unusable == "" && direct {
		c.t.Errorf("%s (%s): the model %s on %q answers: %t, and to us: %q", c.accounts[n-1].Email, c.accounts[n-1].Role, m.ID, base, answers, m.Unusable)
	}
}

// holders asks us who has some permissions and things, and compares with what everybody was
// told. Administrators have every permission, whatever they are told.
func (c *chance) holders() {
	type holders struct {
		People []struct{ Email, Permission string }
	}
	ask := func(what string) map[string]string {
		var h holders
		c.Must(c.t, run.ExitOK, "access", "who", what, "-o", "json").Decode(c.t, &h)
		out := map[string]string{}
		for _, p := range h.People {
			if p.Email != c.chat.Admin {
				out[p.Email] = p.Permission
			}
		}
		return out
	}
	keys := slices.Sorted(maps.Keys(c.told[slices.IndexFunc(c.accounts, func(a account) bool { return a.Role != "pending" })].may))
	for range 8 {
		key, want := pick(c, keys), map[string]string{}
		for i, a := range c.accounts {
			if c.told[i].may[key] || a.Role == "admin" {
				want[a.Email] = ""
			}
		}
		differ(c.t, account{Email: "who has " + key}, "person", want, ask(key))
	}
	for range 8 {
		t, want := pick(c, c.things), map[string]string{}
		for i, a := range c.accounts {
			if permission, sees := c.told[i].sees[t.String()]; sees {
				want[a.Email] = permission
			}
		}
		have := ask(t.kind + "/" + t.id)
		// Who may write it and not see it is told apart, and finds it in no list.
		for i, a := range c.accounts {
			if _, sees := c.told[i].sees[t.String()]; !sees && have[a.Email] == "write" && a.Role == "user" {
				delete(have, a.Email)
			}
		}
		differ(c.t, account{Email: "who has " + t.String()}, "person", want, have)
	}
}

// moves asks us what some people would lose and gain by leaving a group and joining another,
// has them do it, and compares with what Open WebUI tells them then.
func (c *chance) moves() {
	groups := c.world.groups()
	names := slices.Sorted(maps.Keys(groups))
	for range 8 {
		n := 1 + c.rng.IntN(people)
		for c.accounts[n-1].Role != "user" {
			n = 1 + c.rng.IntN(people)
		}
		who := c.accounts[n-1]
		args, path := []string{}, map[string]string{}
		for _, name := range names {
			in := slices.Contains(groups[name].Members, who.ID)
			switch {
			case in && path["remove"] == "":
				args, path["remove"] = append(args, "--without", name), groups[name].ID
			case !in && path["add"] == "" && c.one(20):
				args, path["add"] = append(args, "--with", name), groups[name].ID
			}
		}
		ours, before := c.access(n, args...).Change, c.told[n-1]
		do := func(undo bool) {
			for verb, group := range path {
				if undo {
					verb = map[string]string{"add": "remove", "remove": "add"}[verb]
				}
				c.do(http.MethodPost, "/api/v1/groups/id/"+group+"/users/"+verb, map[string][]string{"user_ids": {who.ID}}, nil)
			}
		}
		do(false)
		after := c.ask(n)
		do(true)
		what := account{Email: who.Email, Role: fmt.Sprint(args)}
		differ(c.t, what, "lost permission", lost(before.may, after.may), set(ours.Lost.Permissions))
		differ(c.t, what, "gained permission", lost(after.may, before.may), set(ours.Gained.Permissions))
		differ(c.t, what, "lost thing", fewer(before.sees, after.sees), listedOnly(ours.Lost.Resources, before.sees, after.sees))
		differ(c.t, what, "gained thing", fewer(after.sees, before.sees), listedOnly(ours.Gained.Resources, after.sees, before.sees))
	}
}

// lost gives what is allowed before and not after.
func lost(before, after map[string]bool) map[string]bool {
	out := map[string]bool{}
	for key, on := range before {
		if on && !after[key] {
			out[key] = true
		}
	}
	return out
}

// fewer gives the things that are seen before and not after, or written before and only read
// after.
func fewer(before, after map[string]string) map[string]bool {
	out := map[string]bool{}
	for key, permission := range before {
		if now := after[key]; now == "" || permission == "write" && now == "read" {
			out[key] = true
		}
	}
	return out
}

// listedOnly leaves out what no list shows: what may only be written, and a model that stays
// in the list, even with more, while the one that it builds on is gone.
func listedOnly(uses []use, before, after map[string]string) map[string]bool {
	out := map[string]bool{}
	for _, r := range uses {
		key := r.Type + " " + r.ID
		stays := after[key] != "" && (before[key] == "read" || after[key] == "write")
		if r.Hidden || r.Type == "models" && stays {
			continue
		}
		out[key] = true
	}
	return out
}

func set(list []string) map[string]bool {
	out := map[string]bool{}
	for _, key := range list {
		out[key] = true
	}
	return out
}

// differ reports every key that is not the same.
func differ[V comparable](t *testing.T, who account, what string, server, ours map[string]V) {
	t.Helper()
	all := slices.Concat(slices.Collect(maps.Keys(server)), slices.Collect(maps.Keys(ours)))
	slices.Sort(all)
	for _, key := range slices.Compact(all) {
		want, there := server[key]
		have, here := ours[key]
		if there != here || want != have {
			t.Errorf("%s (%s): %s %s is %v (%t) in Open WebUI and %v (%t) to us", who.Email, who.Role, what, key, want, there, have, here)
		}
	}
}
