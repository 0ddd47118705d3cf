package openwebui_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

// watch makes a watch of sign-ins that has looked once.
func (w *world) watch(t *testing.T, o openwebui.SignInOptions, first ...string) *openwebui.SignIns {
	t.Helper()
	o.Self = w.Admin
	if o.Every == 0 {
		o.Every = 5 * time.Second
	}
	watch := w.client.SignIns(o)
	w.notices(t, watch, first...)
	return watch
}

// notices looks and compares with what should be noticed, each as "id why".
func (w *world) notices(t *testing.T, watch *openwebui.SignIns, want ...string) {
	t.Helper()
	found, err := watch.Look(t.Context())
	if err != nil {
		t.Errorf("look: %v", err)
	}
	again, err := watch.Check(t.Context())
	if err != nil {
		t.Errorf("check: %v", err)
	}
	var got []string
	for _, n := range append(found, again...) {
		got = append(got, n.Account+" "+string(n.Why))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("noticed %v, want %v", got, want)
	}
}

// known gives the ids of all accounts that are there.
func (w *world) known() map[string]bool {
	ids := map[string]bool{}
	for _, a := range w.Accounts() {
		ids[a.ID] = true
	}
	return ids
}

// old makes an account that was active a day ago.
func (w *world) old(mail string) string {
	return w.AddAccount(openwebuitest.Account{Email: mail, CreatedAt: w.clock.Load() - 2*86_400, ActiveAt: w.clock.Load() - 86_400,
		OAuth: map[string]string{"oidc": "sub-" + mail}})
}

func TestASignInIsNoticedByActivity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ada, bob := w.old("ada@example.org"), w.old("bob@example.org")
	watch := w.watch(t, openwebui.SignInOptions{Known: w.known()})
	w.pass(5)
	w.notices(t, watch)

	w.Visit(ada)
	w.pass(5)
	w.notices(t, watch, ada+" back")
	for range 30 { // She keeps her page open.
		w.pass(60)
		w.Visit(ada)
		w.notices(t, watch)
	}
	w.pass(599)
	w.Visit(ada)
	w.notices(t, watch)
	w.pass(600)
	w.Visit(ada)
	w.notices(t, watch, ada+" back")

	w.pass(5)
	carl := w.signIn(t, "carl@example.org", "sub-carl", "x")
	w.notices(t, watch, carl+" first")
	w.pass(5)
	w.notices(t, watch)

	w.pass(5)
	w.SetOAuth(carl, "oidc", "sub-other")
	w.notices(t, watch, carl+" changed")
	w.SetRole(carl, "admin")
	w.notices(t, watch, carl+" changed")
	w.notices(t, watch)

	w.pass(5)
	w.Visit(bob)
	w.SetRole(ada, "pending")
	w.notices(t, watch, bob+" back", ada+" changed")
}

func TestALookCostsOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	for i := range 200 {
		w.old(fmt.Sprintf("u%d@example.org", i))
	}
	watch := w.watch(t, openwebui.SignInOptions{Known: w.known()})
	w.ResetLog()
	for range 10 {
		w.pass(5)
		w.notices(t, watch)
	}
	if reads, writes := w.Count(); reads != 10 || writes != 0 {
		t.Errorf("%d requests", reads+writes)
	}
}

func TestManyWhoComeAtOnceAreAllNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	var ids, want []string
	for i := range 200 {
		ids = append(ids, w.old(fmt.Sprintf("u%d@example.org", i)))
	}
	watch := w.watch(t, openwebui.SignInOptions{Known: w.known()})
	w.pass(5)
	for _, id := range ids {
		w.Visit(id)
		want = append(want, id+" back")
	}
	w.pass(5)
	w.notices(t, watch, want...)
}

func TestMoreThanALookReadsAreNoticedWhenTheyAreActiveNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	var ids []string
	for i := range 700 {
		ids = append(ids, w.old(fmt.Sprintf("u%d@example.org", i)))
	}
	watch := w.watch(t, openwebui.SignInOptions{Known: w.known()})
	seen := map[string]int{}
	for range 2 {
		w.pass(60)
		for _, id := range ids {
			if seen[id] == 0 {
				w.Visit(id)
			}
		}
		found, err := watch.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range found {
			seen[n.Account]++
		}
	}
	for _, id := range ids {
		if seen[id] != 1 {
			t.Fatalf("%d of 700 noticed, one %d times", len(seen), seen[id])
		}
	}
}

func TestARestartLooksAtNobodyAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	var ids []string
	for i := range 50 {
		ids = append(ids, w.old(fmt.Sprintf("u%d@example.org", i)))
	}
	known := w.known()
	w.pass(60)
	for _, id := range ids[:40] {
		w.Visit(id)
	}
	// While nobody looked, three signed in for the first time; one of them is gone again.
	var fresh []string
	for i := range 40 {
		fresh = append(fresh, w.signIn(t, fmt.Sprintf("new%d@example.org", i), fmt.Sprint("s", i), "x")+" first")
	}
	w.pass(3600)
	w.Visit(ids[3])
	watch := w.watch(t, openwebui.SignInOptions{Known: known}, fresh...)
	w.pass(60)
	w.Visit(ids[3])
	w.notices(t, watch)
	w.Visit(ids[45]) // who was away before the restart too
	w.notices(t, watch, ids[45]+" back")
}

func TestOnAnEmptyStateNobodyIsNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.accounts(70)
	watch := w.watch(t, openwebui.SignInOptions{})
	w.pass(5)
	id := w.signIn(t, "new@example.org", "sub-new", "x")
	w.notices(t, watch, id+" first")
}

func TestAReloadKeepsNoWatchOfBefore(t *testing.T) {
	t.Parallel()
	client, err := openwebui.New(openwebui.Options{Name: "chat", URL: "http://127.0.0.1:1", APIKey: func() (secret.Value, error) { return secret.New("sk-nobody"), nil }})
	if err != nil {
		t.Fatal(err)
	}
	watch := client.SignIns(openwebui.SignInOptions{Known: map[string]bool{"somebody": true}})
	first := weak.Make(watch)
	for range 3 {
		watch = client.SignIns(openwebui.SignInOptions{Before: watch})
	}
	runtime.GC()
	if first.Value() != nil {
		t.Error("the first watch is still there")
	}
	runtime.KeepAlive(watch)
}

func TestAReloadGoesOnWhereTheWatchWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ada := w.old("ada@example.org")
	before := w.watch(t, openwebui.SignInOptions{Known: w.known()})
	w.pass(5)
	w.Visit(ada)
	w.notices(t, before, ada+" back")
	w.pass(5)
	fresh := w.signIn(t, "new@example.org", "sub-new", "x")
	w.watch(t, openwebui.SignInOptions{Before: before}, fresh+" first")
}

func TestAReloadBeforeTheFirstLookMissesNobodyWhoIsNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.old("ada@example.org")
	before := w.client.SignIns(openwebui.SignInOptions{Known: w.known()})
	w.Inject(openwebuitest.Fault{Path: "/api/v1/users/", Times: 1, Status: 500})
	if _, err := before.Look(t.Context()); err == nil {
		t.Fatal("the look did not fail")
	}
	fresh := w.signIn(t, "new@example.org", "sub-new", "x")
	w.watch(t, openwebui.SignInOptions{Before: before}, fresh+" first")
}

func TestIgnoredAccountsAreNotNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	bot := w.old("Bot@example.org")
	watch := w.watch(t, openwebui.SignInOptions{Known: w.known(), Ignore: []string{"bot@Example.org", "new@example.org"}, Sessions: true})
	w.pass(5)
	w.Visit(bot)
	w.signIn(t, "new@example.org", "sub-new", "x")
	w.notices(t, watch)
	w.pass(60)
	w.signIn(t, "new@example.org", "sub-new", "x")
	w.notices(t, watch)
}

func TestSomebodyActiveWhoSignsInAnewIsNoticedByTheirSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ada := w.signIn(t, "ada@example.org", "sub-ada", "one")
	start := time.Unix(w.clock.Load(), 0)
	w.pass(30)
	watch := w.watch(t, openwebui.SignInOptions{Known: w.known(), Sessions: true, Since: start.Add(time.Second)})
	for range 3 {
		w.pass(60)
		w.Visit(ada)
		w.notices(t, watch)
	}
	w.pass(30) // A sign-in within the minute in which activity is not noted again.
	w.signIn(t, "", "sub-ada", "two")
	w.notices(t, watch)
	w.pass(30)
	w.Visit(ada)
	w.notices(t, watch, ada+" again")
	w.pass(60)
	w.Visit(ada)
	w.notices(t, watch)
	w.pass(60) // The server writes new tokens into a session when it needs living ones.
	w.RefreshSession(ada, "oidc", openwebuitest.Tokens{ID: "three"})
	w.Visit(ada)
	w.notices(t, watch, ada+" again")
	w.pass(60) // Two devices in one second, of which one is looked at.
	w.signIn(t, "", "sub-ada", "four")
	w.notices(t, watch, ada+" again")
	w.signIn(t, "", "sub-ada", "five")
	w.pass(60)
	w.Visit(ada)
	w.notices(t, watch, ada+" again")
	w.pass(60)
	w.DropSessions(ada)
	w.Visit(ada)
	w.notices(t, watch)
}

func TestASignInWhileNobodyLookedIsFoundByItsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ada, bob := w.signIn(t, "ada@example.org", "sub-ada", "one"), w.signIn(t, "bob@example.org", "sub-bob", "one")
	known, stopped := w.known(), time.Unix(w.clock.Load()+1, 0)
	w.pass(120)
	w.signIn(t, "", "sub-ada", "two")
	w.Visit(bob)
	w.pass(30)
	w.watch(t, openwebui.SignInOptions{Known: known, Sessions: true, Since: stopped}, ada+" again")
}

func TestASessionThatIsStoredAfterItsAccountIsNotMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	watch := w.watch(t, openwebui.SignInOptions{Known: w.known(), Sessions: true})
	w.pass(5)
	id := w.AddAccount(openwebuitest.Account{Email: "ada@example.org", OAuth: map[string]string{"oidc": "sub-ada"}})
	w.notices(t, watch, id+" first")
	w.signIn(t, "", "sub-ada", "one")
	w.pass(5)
	w.notices(t, watch, id+" again")
}

func TestSessionsAreReadInTurnWithinABudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	var ids []string
	for i := range 20 {
		ids = append(ids, w.signIn(t, fmt.Sprintf("u%d@example.org", i), fmt.Sprint("s", i), "one"))
	}
	for range 5 {
		w.AddAccount(openwebuitest.Account{Email: fmt.Sprintf("local%d@example.org", w.clock.Load())})
		w.pass(1)
	}
	asked := func() map[string]int {
		n := map[string]int{}
		for _, q := range w.Log() {
			if id, ok := strings.CutSuffix(strings.TrimPrefix(q.Path, "/api/v1/users/"), "/oauth/sessions"); ok {
				n[id]++
			}
		}
		return n
	}
	watch := w.watch(t, openwebui.SignInOptions{Known: w.known(), Sessions: true})
	if n := asked(); len(n) != 5 {
		t.Errorf("a look every five seconds reads the sessions of %d people", len(n))
	}
	for range 3 {
		w.pass(5)
		w.notices(t, watch)
	}
	if n := asked(); len(n) != 20 {
		t.Errorf("four looks read the sessions of %d people", len(n))
	}
	w.pass(5)
	w.ResetLog()
	w.notices(t, watch)
	if n := asked(); len(n) != 0 {
		t.Errorf("sessions of people who were not active were read: %v", n)
	}
	w.pass(60)
	for _, id := range ids {
		w.Visit(id)
	}
	w.Inject(openwebuitest.Fault{Path: "/api/v1/users/" + ids[7] + "/oauth/sessions", Status: 500})
	for range 5 {
		w.pass(5)
		if _, err := watch.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := watch.Check(t.Context()); err != nil && fault.KindOf(err) != fault.Unavailable {
			t.Fatal(err)
		}
	}
	if n := asked(); len(n) != 20 {
		t.Errorf("with one that fails, %d people's sessions were read", len(n))
	}
}

func TestAFailedLookLosesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	var ids, want []string
	for i := range 60 {
		ids = append(ids, w.old(fmt.Sprintf("u%d@example.org", i)))
		want = append(want, ids[i]+" back")
	}
	watch := w.watch(t, openwebui.SignInOptions{Known: w.known()})
	w.pass(5)
	for _, id := range ids {
		w.Visit(id)
	}
	for name, f := range map[string]openwebuitest.Fault{
		"the server fails":    {Path: "/api/v1/users/", Status: 500},
		"the second page":     {Path: "/api/v1/users/", Skip: 1, Status: 500},
		"the key is refused":  {Path: "/api/v1/users/", Status: 401},
		"a web page answers":  {Path: "/api/v1/users/", HTML: true},
		"the answer is cut":   {Path: "/api/v1/users/", Truncate: true},
		"no total":            {Path: "/api/v1/users/", Body: `{"users":[]}`},
		"not the order asked": {Path: "/api/v1/users/", Body: `{"users":[{"id":"a","last_active_at":1},{"id":"b","last_active_at":2}],"total":2}`},
	} {
		w.Inject(f)
		w.ResetLog()
		if found, err := watch.Look(t.Context()); err == nil || found != nil {
			t.Errorf("%s: %v, %v", name, found, err)
		}
		if reads, _ := w.Count(); reads > 2 {
			t.Errorf("%s: asked %d times", name, reads)
		}
		w.Heal()
	}
	w.notices(t, watch, want...)
}
