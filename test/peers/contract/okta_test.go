package contract

import (
	"bytes"
	"strings"
	"testing"

	"groupsyncd/providers/okta/oktatest"
)

// TestOkta checks the copy of the management API against Okta's description of it.
func TestOkta(t *testing.T) {
	t.Parallel()
	d, err := NewOpenAPI(obtain(t, source{module: "github.com/okta/okta-sdk-golang/v5@v5.0.2", file: ".generator/okta-management-APIs-oasv3-enum-inheritance.yaml",
		sha256: "224bd1f67c7ea64c5f0e698136dafd2c004148cbe5cab28698d2b06958763962"}), "")
	if err != nil {
		t.Fatal(err)
	}
	fake := oktatest.New(t, world(), func(o *oktatest.Options) { o.PageSize = 5 })
	r := NewRecorder(t, fake.URL())
	s := open(t, r, fake.Config())
	drive(t, s, fake.SetWorld)
	fits(t, d, r, s, func(path string) bool { return strings.HasPrefix(path, "/oauth2/") }, func(x *Exchange) {
		x.Body = bytes.ReplaceAll(x.Body, []byte(`"ACTIVE"`), []byte(`"AWAKE"`))
	})
}
