package hooks_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/providers/authentik/authentiktest"
	"groupsyncd/providers/providertest"
	"groupsyncd/server/hooks"
)

// TestWhatAuthentikTellsIsFoundInAuthentik: whom a notification names the source behind it finds,
// with the groups that they have by then.
func TestWhatAuthentikTellsIsFoundInAuthentik(t *testing.T) {
	t.Parallel()
	const id, group, above = "0a000000-0000-4000-8000-000000000001", "0b000000-0000-4000-8000-000000000001", "0b000000-0000-4000-8000-000000000002"
	world := providertest.World{
		Users:  []providertest.User{{ID: id, Username: "ada", Email: "Ada@example.org", Name: "Ada"}},
		Groups: []providertest.Group{{ID: group, Name: "staff", Members: []string{id}}, {ID: above, Name: "everybody", Groups: []string{group}}},
	}
	dialect := open(t, "authentik", hooks.Options{Source: "authentik"})
	for name, body := range map[string]string{
		"the default body": `{"body":"login","severity":"notice","user_email":"admin@example.org","user_username":"akadmin","event_user_email":"ada@example.org","event_user_username":"ada"}`,
		"an event":         `{"action":"login","user":{"pk":7,"email":"ADA@example.org","username":"ada"},"app":"authentik.events.signals","context":{}}`,
		"without a mail":   `{"event":{"action":"login","user":{"email":"","username":"ada"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hints, err := dialect.Read(&hooks.Request{Body: []byte(body)}, hooks.Proof{})
			if err != nil || len(hints) != 1 || hints[0].All {
				t.Fatalf("%+v, %v", hints, err)
			}
			synctest.Test(t, func(t *testing.T) {
				server := authentiktest.InMemory(t, world)
				source, ok := server.Open(server.Config()).(providers.LookUp)
				if !ok {
					t.Fatal("the source looks nobody up")
				}
				got, err := source.LookUp(t.Context(), hints[0].Person)
				if err != nil || len(got.Users) != 1 || got.Users[0].ID != id {
					t.Fatalf("%+v, %v", got, err)
				}
				var names []string
				for i := range got.Groups {
					names = append(names, got.Groups[i].Name)
				}
				if strings.Join(names, " ") != "staff everybody" {
					t.Errorf("groups %v", names)
				}
			})
		})
	}
	hints, err := dialect.Read(&hooks.Request{Body: []byte(`{"action":"model_updated","user":{"username":"akadmin"},"context":{"model":{"model_name":"group","pk":"x"}}}`)}, hooks.Proof{})
	if err != nil || len(hints) != 1 || !hints[0].All || hints[0].Person != (directory.Person{}) {
		t.Errorf("a changed group: %+v, %v", hints, err)
	}
}
