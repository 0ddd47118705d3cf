package hooks_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/server/hooks"
)

// reading is what a body must be read as; nil and no error is nothing that concerns us.
type reading struct {
	name, body string
	want       []hooks.Hint
	unreadable bool
}

// reads checks a list of readings.
func reads(t *testing.T, d hooks.Dialect, list []reading, headers ...string) {
	t.Helper()
	for _, c := range list {
		got, err := d.Read(request(c.body, headers...), hooks.Proof{})
		if !reflect.DeepEqual(got, c.want) || (err != nil) != c.unreadable {
			t.Errorf("%s is read as %+v, %v", c.name, got, err)
		}
	}
}

var (
	everybody = []hooks.Hint{{All: true}}
	account   = []hooks.Hint{{Account: "u-1"}}
)

// TestOpenWebUIEvents: sign-ins and new accounts are about that account. What our own
// writes lead to is about nobody, or each run would begin another.
func TestOpenWebUIEvents(t *testing.T) {
	t.Parallel()
	event := func(name, subject string) string {
		return fmt.Sprintf(`{"id":"e","event":%q,"actor":{"id":"admin"},"subject":%s,"data":{}}`, name, subject)
	}
	ada := `{"type":"user","id":"u-1"}`
	reads(t, open(t, "openwebui", hooks.Options{}), []reading{
		{name: "a sign-in", body: event("auth.login", ada), want: account},
		{name: "a sign-up", body: event("auth.signup", ada), want: account},
		{name: "a new account", body: event("user.created", ada), want: account},
		{name: "our own echo", body: event("group.member_added", `{"type":"group","id":"g"}`)},
		{name: "another echo", body: event("group.member_removed", ada)},
		{name: "an account that is gone", body: event("user.deleted", ada)},
		{name: "a role", body: event("user.role_updated", ada)},
		{name: "a failed sign-in", body: event("auth.login.failed", ada)},
		{name: "a sign-in of nobody", body: event("auth.login", "null"), unreadable: true},
		{name: "a sign-in of a group", body: event("auth.login", `{"type":"group","id":"g"}`), unreadable: true},
		{name: "a sign-in of a number", body: event("auth.login", `{"type":"user","id":7}`), unreadable: true},
		{name: "a text for Slack", body: `{"text":"User logged in"}`, unreadable: true},
		{name: "0.9", body: `{"action":"signup","message":"New user signed up: Ada","user":"{\"id\":\"u-1\",\"email\":\"ada@example.org\"}"}`, want: account},
		{name: "its documents", body: `{"event":"new_user","user":{"name":"Ada","email":"ada@example.org"}}`, want: []hooks.Hint{{Who: "ada@example.org"}}},
		{name: "a sign-up of nobody", body: `{"event":"new_user"}`, unreadable: true},
		{name: "another of nobody", body: `{"action":"signup","user":"Ada"}`, unreadable: true},
	})
}

// TestKeycloakEvents: a sign-in is about who signed in, a change by an administrator
// about whom it changed and never about the administrator.
func TestKeycloakEvents(t *testing.T) {
	t.Parallel()
	access := func(what string) string {
		return `{"type":"access.` + what + `","authDetails":{"userId":"k-1","username":"ada"},"details":{"username":"typed"}}`
	}
	admin := func(what, path string) string {
		return `{"type":"admin.` + what + `","resourcePath":"` + path + `","authDetails":{"userId":"k-admin","username":"root"},"details":{"userId":"k-1","username":"ada"}}`
	}
	ada := []hooks.Hint{{Person: directory.Person{ID: "k-1", Username: "ada"}}}
	reads(t, open(t, "keycloak", hooks.Options{Source: "oidc"}), []reading{
		{name: "a sign-in", body: access("LOGIN"), want: ada},
		{name: "a registration", body: access("REGISTER"), want: ada},
		{name: "a new mail address", body: access("UPDATE_EMAIL"), want: ada},
		{name: "a profile", body: access("UPDATE_PROFILE"), want: ada},
		{name: "a refresh", body: access("REFRESH_TOKEN")},
		{name: "a failed sign-in", body: access("LOGIN_ERROR")},
		{name: "a sign-in with an error", body: `{"type":"access.LOGIN","error":"x","authDetails":{"userId":"k-1"}}`},
		{name: "joining a group", body: admin("GROUP_MEMBERSHIP-CREATE", "users/k-1/groups/g-1"), want: ada},
		{name: "leaving a group", body: admin("GROUP_MEMBERSHIP-DELETE", "users/k-1/groups/g-1"), want: ada},
		{name: "a new person", body: admin("USER-CREATE", "users/k-1"), want: ada},
		{name: "a changed person", body: admin("USER-UPDATE", "users/k-1"), want: ada},
		{name: "a person gone", body: admin("USER-DELETE", "users/k-1"), want: ada},
		{name: "a role given", body: admin("REALM_ROLE_MAPPING-CREATE", "users/k-1/role-mappings/realm"), want: ada},
		{name: "a role of a client", body: admin("CLIENT_ROLE_MAPPING-DELETE", "users/k-1/role-mappings/clients/c"), want: ada},
		{name: "a role of a group", body: admin("REALM_ROLE_MAPPING-CREATE", "groups/g-1/role-mappings/realm"), want: everybody},
		{name: "a group", body: admin("GROUP-UPDATE", "groups/g-1"), want: everybody},
		{name: "a group gone", body: admin("GROUP-DELETE", "groups/g-1"), want: everybody},
		{name: "roles inside of a role", body: admin("REALM_ROLE-CREATE", "roles-by-id/r/composites"), want: everybody},
		{name: "a mail sent", body: admin("USER-ACTION", "users/k-1/execute-actions-email")},
		{name: "a client", body: admin("CLIENT-UPDATE", "clients/c")},
		{name: "a person without a path", body: `{"type":"admin.USER-UPDATE"}`},
		{name: "an event of an application", body: `{"type":"app.something"}`},
		{name: "no type", body: `{"uid":"x"}`, unreadable: true},
	})
	// A directory behind Keycloak does not know its ids.
	reads(t, open(t, "keycloak", hooks.Options{Source: "ldap"}), []reading{
		{name: "a sign-in", body: access("LOGIN"), want: []hooks.Hint{{Person: directory.Person{Username: "ada"}}}},
		{name: "somebody without a name", body: `{"type":"admin.GROUP_MEMBERSHIP-CREATE","resourcePath":"users/k-1/groups/g"}`, want: everybody},
	})
	// Without a source, an id is better than nothing.
	reads(t, open(t, "keycloak", hooks.Options{}), []reading{
		{name: "a sign-in", body: access("LOGIN"), want: []hooks.Hint{{Person: directory.Person{Username: "ada"}}}},
		{name: "somebody without a name", body: `{"type":"admin.USER-UPDATE","resourcePath":"users/k-1"}`, want: []hooks.Hint{{Person: directory.Person{ID: "k-1"}}}},
	})
}

// TestOktaEvents: of a batch, everybody whom it is about, once.
func TestOktaEvents(t *testing.T) {
	t.Parallel()
	actor := `"actor":{"id":"00u1","type":"User","alternateId":"ada@example.org"}`
	target := `"target":[{"id":"00u2","type":"User","alternateId":"bob"},{"id":"00g","type":"UserGroup","alternateId":"unknown"}]`
	batch := func(events ...string) string { return `{"data":{"events":[` + strings.Join(events, ",") + `]}}` }
	event := func(kind string) string { return `{"eventType":"` + kind + `",` + actor + `,` + target + `}` }
	ada := hooks.Hint{Person: directory.Person{ID: "00u1", Email: "ada@example.org"}}
	bob := hooks.Hint{Person: directory.Person{ID: "00u2", Username: "bob"}}
	reads(t, open(t, "okta", hooks.Options{Source: "okta"}), []reading{
		{name: "a sign-in", body: batch(event("user.session.start")), want: []hooks.Hint{ada}},
		{name: "single sign-on", body: batch(event("user.authentication.sso")), want: []hooks.Hint{ada}},
		{name: "a failed sign-in", body: batch(`{"eventType":"user.session.start","outcome":{"result":"FAILURE"},` + actor + `}`)},
		{name: "a sign-in that was denied", body: batch(`{"eventType":"user.session.start","outcome":{"result":"DENY"},` + actor + `}`)},
		{name: "joining a group", body: batch(event("group.user_membership.add")), want: []hooks.Hint{bob}},
		{name: "a suspension", body: batch(event("user.lifecycle.suspend")), want: []hooks.Hint{bob}},
		{name: "a new mail address", body: batch(event("user.account.update_profile")), want: []hooks.Hint{bob}},
		{name: "a group", body: batch(event("group.lifecycle.create")), want: everybody},
		{name: "the name of a group", body: batch(event("group.profile.update")), want: everybody},
		{name: "a policy", body: batch(event("policy.rule.update"))},
		{name: "a batch", body: batch(event("user.session.start"), event("group.user_membership.remove"), event("user.authentication.sso")), want: []hooks.Hint{ada, bob}},
		{name: "an empty batch", body: batch()},
		{name: "events that are none", body: batch("7", "null", event("user.session.start")), want: []hooks.Hint{ada}},
		{name: "a system", body: batch(`{"eventType":"user.session.start","actor":{"id":"00u1","type":"SystemPrincipal"}}`)},
		{name: "no events", body: `{"data":{}}`, unreadable: true},
	})
	reads(t, open(t, "okta", hooks.Options{Source: "ldap"}), []reading{
		{name: "a login that nobody knows", body: batch(`{"eventType":"user.session.start","actor":{"id":"00u1","type":"User","alternateId":"unknown"}}`), want: everybody},
	})
}

// TestTooManyHintsAreEverybody: one delivery does not fill the queue.
func TestTooManyHintsAreEverybody(t *testing.T) {
	t.Parallel()
	d := open(t, "okta", hooks.Options{Source: "okta"})
	for people, want := range map[int]int{1000: 1000, 1001: 1} {
		var targets []string
		for i := range people {
			targets = append(targets, fmt.Sprintf(`{"id":"00u%d","type":"User"}`, i))
		}
		got, err := d.Read(request(`{"data":{"events":[{"eventType":"group.user_membership.add","target":[`+strings.Join(targets, ",")+`]}]}}`), hooks.Proof{})
		if err != nil || len(got) != want || got[0].All != (want == 1) {
			t.Errorf("%d people are %d hints, %v", people, len(got), err)
		}
	}
}

// TestAuthentikBodies: the default body and what mappings send. It is about who did
// something, not about who is told of it.
func TestAuthentikBodies(t *testing.T) {
	t.Parallel()
	ada := []hooks.Hint{{Person: directory.Person{Email: "ada@example.org", Username: "ada"}}}
	user := `"user":{"pk":4,"email":"ada@example.org","username":"ada"}`
	model := func(name string) string { return `"context":{"model":{"model_name":"` + name + `","pk":"1"}}` }
	reads(t, open(t, "authentik", hooks.Options{Source: "authentik"}), []reading{
		{name: "the default body", body: authentikLogin, want: ada},
		{name: "an event", body: `{"action":"login",` + user + `}`, want: ada},
		{name: "an event in a body", body: `{"severity":"notice","event":{"action":"login",` + user + `}}`, want: ada},
		{name: "only a user name", body: `{"event_user_email":null,"event_user_username":"ada"}`, want: []hooks.Hint{{Person: directory.Person{Username: "ada"}}}},
		{name: "who is told", body: `{"body":"x","user_email":"admin@example.org","user_username":"akadmin","event_user_email":null,"event_user_username":null}`, unreadable: true},
		{name: "a changed group", body: `{"action":"model_updated",` + user + `,` + model("group") + `}`, want: everybody},
		{name: "a new person", body: `{"event":{"action":"model_created",` + user + `,` + model("user") + `}}`, want: everybody},
		{name: "another model", body: `{"action":"model_updated",` + user + `,` + model("flow") + `}`},
		{name: "a user that is a text", body: `{"action":"login","user":"ada"}`, unreadable: true},
	})
}

// TestGraphNotifications: people by id; groups and doubts about the subscription are
// everybody; what is encrypted is left alone.
func TestGraphNotifications(t *testing.T) {
	t.Parallel()
	value := func(items ...string) string { return `{"value":[` + strings.Join(items, ",") + `]}` }
	ada := []hooks.Hint{{Person: directory.Person{ID: "a-1"}}}
	reads(t, open(t, "graph", hooks.Options{Source: "entra"}), []reading{
		{name: "a person", body: value(`{"resource":"Users/a-1"}`), want: ada},
		{name: "as a function", body: value(`{"resource":"/users('a-1')"}`), want: ada},
		{name: "by its data", body: value(`{"resource":"users","resourceData":{"id":"a-1"}}`), want: ada},
		{name: "something of a person", body: value(`{"resource":"users/a-1/manager"}`), want: ada},
		{name: "encrypted", body: value(`{"resource":"users/a-1","encryptedContent":{"data":"x"}}`), want: ada},
		{name: "a group", body: value(`{"resource":"groups/g-1","resourceData":{"members@delta":[{"id":"a-1"}]}}`), want: everybody},
		{name: "members", body: value(`{"resource":"Groups/g-1/members"}`), want: everybody},
		{name: "a subscription that ends", body: value(`{"lifecycleEvent":"subscriptionRemoved","resource":"users"}`), want: everybody},
		{name: "something missed", body: value(`{"lifecycleEvent":"missed"}`), want: everybody},
		{name: "a renewal", body: value(`{"lifecycleEvent":"reauthorizationRequired"}`), want: everybody},
		{name: "a message", body: value(`{"resource":"chats/1"}`)},
		{name: "nobody", body: value(`{"resource":"users"}`)},
		{name: "two", body: value(`{"resource":"users/a-1"}`, `{"resource":"groups/g"}`, `{"resource":"users/a-1"}`), want: append(ada, everybody...)},
		{name: "nothing", body: value(), unreadable: true},
	})
}

// TestGoogleNotifications: the first message of a channel is about nobody.
func TestGoogleNotifications(t *testing.T) {
	t.Parallel()
	d := open(t, "google", hooks.Options{Source: "google"})
	ada := []hooks.Hint{{Person: directory.Person{ID: "111220860655841818702", Email: "ada@example.org"}}}
	for _, state := range []string{"add", "delete", "makeAdmin", "undelete", "update"} {
		reads(t, d, []reading{
			{name: state, body: googleUser, want: ada},
			{name: state + " of anybody", want: everybody},
			{name: state + " of nobody", body: `{"kind":"x"}`, unreadable: true},
		}, "X-Goog-Resource-State", state)
	}
	for _, state := range []string{"sync", "exists", "not_exists"} {
		reads(t, d, []reading{{name: state}, {name: state, body: googleUser}}, "X-Goog-Resource-State", state)
	}
}
