package contract

import (
	"bytes"
	"strings"
	"testing"

	"groupsyncd/providers/authentik/authentiktest"
)

// TestAuthentik checks the copy of authentik's API against the schema that authentik publishes.
func TestAuthentik(t *testing.T) {
	t.Parallel()
	d, err := NewOpenAPI(obtain(t, source{npm: "@goauthentik/api@2026.8.3", file: "schema.yml", sha256: "6e9b00e18160ba60df33f5b2621db278693dbd0f35cce5abccb35c99160dc57f"}), "/api/v3")
	if err != nil {
		t.Fatal(err)
	}
	fake := authentiktest.New(t, world())
	r := NewRecorder(t, fake.URL())
	c := fake.Config()
	c.PageSize = 5
	s := open(t, r, c)
	drive(t, s, fake.SetWorld)
	fits(t, d, r, s, func(path string) bool { return strings.HasPrefix(path, "/application/o/") }, func(x *Exchange) {
		x.Body = bytes.ReplaceAll(x.Body, []byte(`"num_pk"`), []byte(`"number"`))
	})
}
