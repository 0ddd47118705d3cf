//go:build peers

package sso

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/peer"
)

// claimed are people whom only Keycloak knows, with groups of its own.
func claimed() []peer.Login {
	return []peer.Login{
		{Username: "ann", Mail: "ann@example.test", First: "Ann", Last: "Moved", Groups: []string{"red", "blue"}},
		{Username: "bob", Mail: "bob@example.test", First: "Bob", Last: "Stays", Groups: []string{"red"}},
		{Username: "cid", Mail: "cid@example.test", First: "Cid", Last: "Expires", Groups: []string{"red"}},
	}
}

// claims is a world without a directory: who is in which group is known from the tokens
// that people signed in with and that Open WebUI keeps.
type claims struct {
	*world
	realm    *peer.Realm
	ann, bob peer.Session
}

// tokens is a source of the tokens of an issuer.
func tokens(issuer, how string) string {
	return fmt.Sprintf("  sso: {type: oidc, issuer: %q, audience: %s, %s}", issuer, peer.ClientID, how)
}

// ofTokens is the rule of such a source.
const ofTokens = `  - {name: claims, from: sso, match: "*", to: "sso {{ .Name }}"}`

func (c *claims) all() {
	c.configure(tokens(c.realm.Issuer, "tokens: openwebui, target: chat"), ofTokens, "off", events)
	c.register()
	c.daemon()
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"the groups of the token", c.first},
		{"moved to another group and signed in again", c.moved},
		{"a token without the claim", c.absent},
		{"a deleted session", c.deleted},
		{"an expired session", c.expired},
		{"the last group", c.last},
	} {
		if !c.root.Run(step.name, func(t *testing.T) { c.t = t; step.do() }) {
			return
		}
	}
	c.t = c.root
	c.unregister()
}

// in signs somebody in with a browser of their own. Tokens have whole seconds: one that is to be
// newer than another is made in a later one.
func (w *world) in(username string) peer.Session {
	w.t.Helper()
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	return peer.NewBrowser(w.t).SignIn(w.t, w.chat.URL, username)
}

// still makes sure that, once everything that a sign-in caused is over, somebody is in
// exactly these groups, and that nothing was written since.
func (w *world) still(who string, s peer.Session, since time.Time, want ...string) {
	w.t.Helper()
	w.quiet()
	if have := w.groupsOf(s); !slices.Equal(have, want) {
		w.t.Errorf("%s is in %q and not in %q", who, have, want)
	}
	for _, call := range w.api.since(since) {
		if call.write() {
			w.t.Errorf("%s %s %s", call.method, call.path, call.body)
		}
	}
}

func (c *claims) first() {
	c.ann, c.bob = c.in("ann"), c.in("bob")
	c.sees("ann", c.ann, "sso blue", "sso red")
	c.sees("bob", c.bob, "sso red")
}

func (c *claims) moved() {
	c.realm.Leave(c.t, "ann", "red")
	c.realm.Join(c.t, "ann", "green")
	c.ann = c.in("ann")
	c.sees("ann", c.ann, "sso blue", "sso green")
	c.sees("bob", c.bob, "sso red")
}

func (c *claims) absent() {
	c.realm.Leave(c.t, "ann", "green")
	c.realm.Claim(c.t, false)
	c.quiet()
	began := time.Now()
	c.ann = c.in("ann")
	c.until("the event of the sign-in", func() bool { return len(c.hooks.about(began, "ann@example.test")) > 0 })
	c.still("ann", c.ann, began, "sso blue", "sso green")
	c.realm.Claim(c.t, true)
}

// deleted takes away everything that Open WebUI keeps of Ann's sign-ins, and of Bob's.
func (c *claims) deleted() {
	c.quiet()
	began := time.Now()
	for _, s := range []peer.Session{c.ann, c.bob} {
		if status := c.call(s.Token, http.MethodDelete, "/api/v1/auths/oauth/sessions/oidc", "", nil); status != http.StatusOK {
			c.t.Fatalf("Open WebUI refuses with %d to delete a session", status)
		}
		if status := c.call(c.chat.Key(c.t), http.MethodGet, "/api/v1/users/"+c.idOf(s)+"/oauth/sessions", "", nil); status != http.StatusBadRequest {
			c.t.Fatalf("Open WebUI still has a session: %d", status)
		}
	}
	c.swept(0)
	c.still("ann", c.ann, began, "sso blue", "sso green")
	c.still("bob", c.bob, began, "sso red")
}

// swept reads the tokens of everybody once, which say something of so many people.
func (c *claims) swept(people int) {
	c.t.Helper()
	report := c.sync(run.ExitOK)
	if len(report.Sources) != 1 || report.Sources[0].Users != people {
		c.t.Errorf("the sweep is not about %d people: %+v", people, report.Sources)
	}
}

func (c *claims) expired() {
	c.realm.Lifespan(c.t, time.Second)
	cid := c.in("cid")
	c.sees("cid", cid, "sso red")
	c.realm.Leave(c.t, "cid", "red")
	time.Sleep(2 * time.Second) // until the token of a real server is over
	c.quiet()
	began := time.Now()
	c.swept(1)
	c.must(run.ExitOK, "sync", "--user", "cid@example.test")
	c.still("cid", cid, began, "sso red")
}

// last takes Bob out of his last group. Keycloak leaves the claim out for who is in none, as
// it does without the mapper: the configuration has to say that this one means none, and
// somebody that this is meant.
func (c *claims) last() {
	c.realm.Lifespan(c.t, 5*time.Minute)
	c.realm.Leave(c.t, "bob", "red")
	c.quiet()
	began := time.Now()
	c.bob = c.in("bob")
	c.until("the event of the sign-in", func() bool { return len(c.hooks.about(began, "bob@example.test")) > 0 })
	c.still("bob", c.bob, began, "sso red")
	c.configure(tokens(c.realm.Issuer, "tokens: openwebui, target: chat, absent_claim: empty"), ofTokens, "off", events)
	c.daemon()
	c.bob = c.in("bob")
	var list struct{ Holds []run.Hold }
	c.until("the removal is held", func() bool {
		r := c.must(run.ExitOK, "holds", "-o", "json")
		if err := json.Unmarshal([]byte(r.Out), &list); err != nil {
			c.t.Fatalf("%v: %.500s", err, r.Out)
		}
		return len(list.Holds) > 0
	})
	if hold := list.Holds[0]; len(list.Holds) != 1 || hold.Check != run.SourceChanged {
		c.t.Errorf("the holds are %+v", list.Holds)
	}
	c.must(run.ExitOK, "approve", list.Holds[0].Hash, "--reason", "the mapper is there")
	c.sees("bob", c.bob)
}
