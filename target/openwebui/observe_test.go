package openwebui_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/sync/plan"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

func TestALookAtNothingNewCostsThreeRequests(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.8.0", "0.10.2", "0.11.4", "0.12.4"} {
		w := newWorld(t, version, nil)
		ids := w.accounts(100)
		for i := range 20 {
			w.AddMembers(w.CreateGroup(fmt.Sprintf("g%d", i)), ids[:i*2]...)
		}
		w.pass(10)
		o, cost := w.look(t, false)
		// Version, groups, 19 exports, all accounts, the oldest page, 4 pages, self.
		if cost > 28 || !o.AllAccounts || !o.ReadAll || o.Self != w.Admin || o.Deployment != "d1" || o.Version != version {
			t.Errorf("%s: first look: %d requests, %+v", version, cost, o)
		}
		w.check(t)
		w.ResetLog()
		o, cost = w.look(t, false)
		if cost != 3 || o.ReadAll || o.AllAccounts || len(o.Accounts) != 0 {
			t.Errorf("%s: second look: %d requests: %v", version, cost, w.Log())
		}
		w.check(t)
	}
}

func TestSubjectsAreReadOnlyWhereNeeded(t *testing.T) {
	t.Parallel()
	with := newWorld(t, "", nil)
	ids := with.accounts(100)
	o, _ := with.look(t, false)
	i := slices.IndexFunc(o.Accounts, func(a plan.Account) bool { return a.ID == ids[50] })
	if o.Accounts[i].Subjects["oidc"] != "sub-50" || o.Accounts[i].CreatedAt == 0 {
		t.Errorf("%+v", o.Accounts[i])
	}
	without := newWorld(t, "", func(o *openwebui.Options) { o.NeedSubjects = false })
	without.accounts(100)
	if _, cost := without.look(t, false); cost != 5 {
		t.Errorf("without subjects the first look cost %d requests", cost)
	}
	without.check(t)
	// A first sign-in gives an old account its subject; the daily full look sees it.
	with.SetOAuth(ids[3], "google", "g-3")
	with.look(t, true)
	n, _ := with.memory.Mirror.Number(ids[3])
	if with.memory.Mirror.Account(n).Subjects["google"] != "g-3" {
		t.Error("the new subject of an old account was not seen by a full look")
	}
}

func TestAccountsThatComeAndGoAreSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ids := w.accounts(70)
	g := w.CreateGroup("g")
	w.AddMembers(g, ids...)
	w.pass(10)
	w.look(t, false)
	more := w.accounts(0)
	for i := range 45 { // more than a page
		w.pass(1)
		more = append(more, w.AddAccount(openwebuitest.Account{Email: fmt.Sprintf("new%d@example.org", i)}))
	}
	o, cost := w.look(t, false)
	if o.AllAccounts || len(o.Accounts) != 45 || cost != 4 {
		t.Errorf("45 new accounts: %d shown, %d requests", len(o.Accounts), cost)
	}
	w.check(t)
	w.DeleteAccount(ids[0])
	w.DeleteAccount(more[44])
	if o, cost = w.look(t, false); !o.AllAccounts || cost > 6 {
		t.Errorf("two deleted accounts: all %t, %d requests", o.AllAccounts, cost)
	}
	w.check(t)
	// One goes and one comes: the total is as before.
	w.DeleteAccount(ids[1])
	w.pass(1)
	w.AddAccount(openwebuitest.Account{Email: "swap@example.org"})
	if o, _ = w.look(t, false); !o.AllAccounts {
		t.Error("a swap of accounts was not seen")
	}
	w.check(t)
	// One that was made with an old date sits on no new page.
	w.AddAccount(openwebuitest.Account{Email: "old@example.org", CreatedAt: 1_795_000_030})
	w.look(t, false)
	w.check(t)
	// A changed account on the newest page is renewed at no cost.
	w.SetOAuth(more[43], "oidc", "late")
	o, cost = w.look(t, false)
	n, _ := w.memory.Mirror.Number(more[43])
	if cost != 4 || len(o.Accounts) != 1 || w.memory.Mirror.Account(n).Subjects["oidc"] != "late" { // one export: the group changed within the margin
		t.Errorf("%d requests, %v", cost, o.Accounts)
	}
}

func TestAnAccountThatIsBackIsReadWithAllOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ids := w.accounts(5)
	w.look(t, false)
	backup := w.Backup()
	w.DeleteAccount(ids[4])
	w.look(t, false)
	w.Restore(backup)
	w.DeleteAccount(ids[0]) // the total is what is remembered
	s := w.client.Session()
	o, err := s.Observe(t.Context(), w.memory.Mirror, plan.Look{})
	if err != nil || !o.AllAccounts {
		t.Fatalf("%v, %+v", err, o)
	}
	if why := w.memory.TargetChanged(o); why == "" {
		t.Error("a restored backup was not noticed")
	}
}

func TestPagesThatMoveWhileTheyAreReadLoseNobody(t *testing.T) {
	t.Parallel()
	const users = "/api/v1/users/"
	for name, hand := range map[string]func(*world, []string){
		"one deleted": func(w *world, ids []string) { w.DeleteAccount(ids[110]) },
		"one made":    func(w *world, _ []string) { w.pass(1); w.AddAccount(openwebuitest.Account{Email: "x@example.org"}) },
		"many deleted": func(w *world, ids []string) {
			for _, id := range ids[60:119] {
				w.DeleteAccount(id)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", nil)
			ids := w.accounts(120)
			w.Inject(openwebuitest.Fault{Method: "GET", Path: users, Skip: 2, Times: 1, Do: func() { hand(w, ids) }})
			o, _ := w.look(t, false)
			seen := map[string]bool{}
			for _, a := range o.Accounts {
				if seen[a.ID] {
					t.Errorf("%s twice", a.Email)
				}
				seen[a.ID] = true
			}
			w.look(t, false) // sees what happened during the first
			w.check(t)
			for _, a := range w.Accounts() {
				n, _ := w.memory.Mirror.Number(a.ID)
				if w.memory.Mirror.Account(n).Subjects["oidc"] != a.OAuth["oidc"] {
					t.Errorf("%s without its subject", a.Email)
				}
			}
		})
	}
}

func TestAListThatLeavesAccountsOutDeletesNobody(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]openwebuitest.Fault{
		"short":         {Path: "/api/v1/users/all", Body: `{"users":[],"total":0}`},
		"shorter than":  {Path: "/api/v1/users/all", Body: `{"users":[{"id":"x"}],"total":5}`},
		"no total":      {Path: "/api/v1/users/all", Body: `{"users":[]}`},
		"no ids":        {Path: "/api/v1/users/all", Body: `{"users":[{"email":"a"}],"total":1}`},
		"pages empty":   {Path: "/api/v1/users/", Body: `{"users":[],"total":6}`},
		"pages unknown": {Path: "/api/v1/users/", Body: `{"items":[]}`},
	} {
		w := newWorld(t, "", nil)
		w.accounts(5)
		w.Inject(f)
		if _, err := w.client.Session().Observe(t.Context(), plan.NewMirror(), plan.Look{}); fault.KindOf(err) != fault.Incomplete {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAGroupIsReadAgainUntilItsTimeProvesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ids := w.accounts(3)
	g := w.CreateGroup("g")
	w.AddMembers(g, ids[0])
	w.look(t, false) // in the second of the change
	// Somebody swaps a member in the same second: same count, same time.
	w.RemoveMembers(g, ids[0])
	w.AddMembers(g, ids[1])
	w.pass(1)
	w.look(t, false)
	w.check(t)
	w.pass(2)
	w.look(t, false)
	if _, cost := w.look(t, false); cost != 3 {
		t.Errorf("a proved group was read again: %d requests", cost)
	}
}

func TestASlowAnswerDoesNotHideAChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ids := w.accounts(3)
	g := w.CreateGroup("g")
	w.AddMembers(g, ids[0])
	// The export is read at once but takes ten seconds to be answered; a swap happens in
	// the second of the reading.
	s := w.client.Session()
	slow := &slowDate{w: w, then: func() { w.RemoveMembers(g, ids[0]); w.AddMembers(g, ids[1]) }}
	w2 := newWorld(t, "", func(o *openwebui.Options) { o.Transport = slow })
	o, err := w2.client.Session().Observe(t.Context(), w.memory.Mirror, plan.Look{})
	if err != nil {
		t.Fatal(err)
	}
	w.memory.Observe(o)
	if o, err = s.Observe(t.Context(), w.memory.Mirror, plan.Look{}); err != nil {
		t.Fatal(err)
	}
	w.memory.Observe(o)
	w.check(t)
}

// slowDate gives exports a Date ten seconds after they were read.
type slowDate struct {
	w    *world
	then func()
	once sync.Once
}

func (s *slowDate) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.w.Transport().RoundTrip(r)
	if err == nil && strings.HasSuffix(r.URL.Path, "/export") {
		s.once.Do(s.then)
		s.w.pass(10)
		resp.Header.Set("Date", time.Unix(s.w.clock.Load(), 0).UTC().Format(http.TimeFormat))
	}
	return resp, err
}

func TestWithoutADateEveryGroupIsReadEachTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ids := w.accounts(3)
	w.AddMembers(w.CreateGroup("g"), ids[0])
	w.pass(100)
	w.Inject(openwebuitest.Fault{NoDate: true})
	w.look(t, false)
	if _, cost := w.look(t, false); cost != 4 {
		t.Errorf("%d requests", cost)
	}
}

func TestAGroupDeletedWhileItIsReadIsLeftOut(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.8.12", "0.11.4", "0.12.4"} {
		w := newWorld(t, version, nil)
		ids := w.accounts(3)
		keep, drop := w.CreateGroup("keep"), w.CreateGroup("drop")
		w.AddMembers(keep, ids...)
		w.AddMembers(drop, ids...)
		w.Inject(openwebuitest.Fault{Path: "/api/v1/groups/", Skip: 0, Times: 1, Latency: 0},
			openwebuitest.Fault{Path: "/api/v1/groups/id/*/export", Times: 1, Do: func() { w.DeleteGroup(drop) }})
		w.look(t, false)
		w.check(t)
	}
}

func TestAMemberMadeWhileGroupsAreReadHasAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ids := w.accounts(3)
	g := w.CreateGroup("g")
	w.AddMembers(g, ids...)
	w.look(t, false)
	w.Inject(openwebuitest.Fault{Path: "/api/v1/groups/id/*/export", Times: 1, Do: func() {
		w.AddMembers(g, w.AddAccount(openwebuitest.Account{Email: "new@example.org", CreatedAt: 1})) // on the last page
	}})
	w.look(t, false)
	w.check(t)
	// And one that is deleted after its group was read is in no group.
	w.Inject(openwebuitest.Fault{Path: "/api/v1/users/", Times: 1, Do: func() { w.DeleteAccount(ids[2]) }})
	w.look(t, true)
	if slices.Contains(w.members(g), ids[2]) {
		t.Error("a deleted account is a member")
	}
}

// TestAnotherKeyIsNoticedWhereRolesAreManaged would let a run demote its own account.
func TestAnotherKeyIsNoticedWhereRolesAreManaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.look(t, true)
	second := w.AddAccount(openwebuitest.Account{Email: "second@example.org", Role: "admin"})
	w.AddKey(second, "sk-of-the-second-administrator")
	c := newWorld(t, "", func(o *openwebui.Options) {
		o.Transport = w.Transport()
		o.APIKey = func() (secret.Value, error) { return secret.New("sk-of-the-second-administrator"), nil }
	}).client
	o, err := c.Session().Observe(t.Context(), w.memory.Mirror, plan.Look{Roles: true})
	if err != nil || o.Self != second {
		t.Errorf("our own account is %q, not %q: %v", o.Self, second, err)
	}
}
