package scim_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/scim"
	"groupsyncd/providers/scim/scimtest"
)

func TestTheEndOfATokenIsKnownWithoutARequest(t *testing.T) {
	t.Parallel()
	s := scimtest.New(t, providertest.World{}, scimtest.Profile{})
	for text, want := range map[string]int64{
		"e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1900000000}`)) + ".c2ln": 1900000000,
		"an-opaque-token": 0,
	} {
		name := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ref, err := secret.Parse("file:" + name)
		if err != nil {
			t.Fatal(err)
		}
		able := open(t, s, func(c *scim.Config) { c.Token = ref }).(providers.Expiring)
		got := able.Expiries()
		if want == 0 && got != nil || want != 0 && (len(got) != 1 || !got[0].At.Equal(time.Unix(want, 0)) || got[0].Credential != providers.Token) {
			t.Errorf("%d: %v", want, got)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if got := able.Expiries(); got != nil {
			t.Errorf("a token that is gone: %v", got)
		}
	}
}
