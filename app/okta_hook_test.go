package app

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"groupsyncd/providers/okta/oktatest"
	"groupsyncd/providers/providertest"
	"groupsyncd/sync/run"
)

const eventSecret = "canary-okta-events-0123456789"

// newOktaTown is a town whose people are in an Okta organisation, which sends its events.
func newOktaTown(t *testing.T) (*town, *oktatest.Server) {
	t.Helper()
	w := newTown(t)
	var world providertest.World
	for name := range strings.SplitSeq(strings.Trim(members, "[]"), ", ") {
		world.Users = append(world.Users, providertest.User{ID: "00u-" + name, Username: name + "@example.org", Email: name + "@example.org", Name: name})
	}
	world.Groups = []providertest.Group{{ID: "00g-sales", Name: "Sales", Members: []string{"00u-ana", "00u-bo", "00u-chloe"}}}
	org := oktatest.New(t, world)
	c := org.Config()
	w.write("events", eventSecret)
	w.write("groupsyncd.yaml", fmt.Sprintf(`state: state
sources:
  okta: {type: okta, url: %q, client_id: %q, private_key: %q, key_id: %q, schedule: every 24h}
targets:
  chat: {type: openwebui, url: %q, api_key: file:key}
rules:
  - {name: all, match: "*"}
server: {}
`, c.URL, c.ClientID, c.PrivateKey, c.KeyID, w.chat.URL))
	w.receive(`listen: "127.0.0.1:0"`, "", "okta-events: {type: okta, secret: file:events, source: okta}")
	return w, org
}

// event sends an event about somebody and waits for the run that it starts.
func (w *town) event(kind, secret string, targets ...string) answer {
	w.Helper()
	var list []string
	for _, id := range targets {
		what := "User"
		if strings.HasPrefix(id, "00g") {
			what = "UserGroup"
		}
		list = append(list, fmt.Sprintf(`{"id": %q, "type": %q, "alternateId": "unknown"}`, id, what))
	}
	text := fmt.Sprintf(`{"eventType": "com.okta.event_hook", "eventTypeVersion": "1.0", "cloudEventsVersion": "0.1", "eventId": %q, "data": {"events": [
		{"uuid": "u", "eventType": %q, "outcome": {"result": "SUCCESS"}, "actor": {"id": "00u-admin", "type": "User", "alternateId": "admin@example.org"}, "target": [%s]}]}}`,
		kind+strings.Join(targets, " "), kind, strings.Join(list, ","))
	return w.deliver(w.hall(), "/hooks/okta-events?wait=20s", text, http.Header{"Authorization": {secret}, "Content-Type": {"application/json"}})
}

// TestAnEventHookOfOktaLeadsToARunOfItsPerson from the hook over a look-up to the group in
// Open WebUI, without a read of everything.
func TestAnEventHookOfOktaLeadsToARunOfItsPerson(t *testing.T) {
	t.Parallel()
	w, org := newOktaTown(t)
	w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 3 })
	before := len(org.Requests())

	org.SetMembers("00g-sales", "00u-ana", "00u-bo", "00u-chloe", "00u-dmitri")
	r := w.report(w.event("group.user_membership.add", eventSecret, "00u-dmitri", "00g-sales"))
	if r.Trigger != run.Webhook || w.size("Sales") != 4 {
		t.Fatalf("%+v, %d in Sales", r, w.size("Sales"))
	}
	org.SetStatus("00u-bo", "SUSPENDED")
	r = w.report(w.event("user.lifecycle.suspend", eventSecret, "00u-bo"))
	if changes := r.Targets[0].Changes; len(changes) != 1 || changes[0].Absence != "explicit" || w.size("Sales") != 3 {
		t.Fatalf("%+v, %d in Sales", r, w.size("Sales"))
	}
	var asked []string
	for _, q := range org.Requests()[before:] {
		asked = append(asked, q.Path)
	}
	if want := []string{"/api/v1/users/00u-dmitri", "/api/v1/users/00u-dmitri/groups", "/api/v1/users/00u-bo", "/api/v1/users/00u-bo/groups"}; !slices.Equal(asked, want) {
		t.Errorf("Okta was asked for %q", asked)
	}

	org.SetMembers("00g-sales")
	if a := w.event("group.user_membership.remove", "canary-wrong", "00u-ana", "00g-sales"); a.status != http.StatusUnauthorized || w.size("Sales") != 3 {
		t.Errorf("somebody else's event: %d, %d in Sales", a.status, w.size("Sales"))
	}
	if len(org.Requests()) != before+4 {
		t.Error("somebody else's event led to a look-up")
	}
}
