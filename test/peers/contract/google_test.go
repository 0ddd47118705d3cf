package contract

import (
	"bytes"
	"testing"

	"groupsyncd/providers/google/googletest"
	"groupsyncd/providers/providertest"
)

// TestGoogle checks the copy of the Directory API against Google's description of it.
func TestGoogle(t *testing.T) {
	t.Parallel()
	d, err := NewDiscovery(obtain(t, source{module: "google.golang.org/api@v0.311.0", file: "admin/directory/v1/admin-api.json", sha256: "315493e8f593891727853d60e41eeafac5820fa8f2f35edb6d18209b2d4d0898"}))
	if err != nil {
		t.Fatal(err)
	}
	fake := googletest.New(t, world())
	fake.Everybody(world().Groups[3].ID)
	fake.Foreign(providertest.Group{ID: "foreign", Name: "of others", Members: []string{world().Users[0].ID}})
	fake.Alias(world().Users[1].ID, "robert@example.org")
	fake.Custom(world().Users[0].ID, "Work", "level", 3)
	c := fake.Config()
	c.PageSize, c.Owners, c.Groups = 2, true, ""
	c.Attributes["level"], c.Attributes["unit"] = "customSchemas.Work.level", "orgUnitPath"
	r := NewRecorder(t, fake.URL())
	s := open(t, r, c)
	drive(t, s, fake.SetWorld)
	fits(t, d, r, s, func(path string) bool { return path == "/token" }, func(x *Exchange) {
		x.Body = bytes.ReplaceAll(x.Body, []byte(`"primaryEmail"`), []byte(`"primary_email"`))
	})
}
