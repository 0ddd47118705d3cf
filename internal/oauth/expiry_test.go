package oauth

import (
	"encoding/base64"
	"testing"
	"time"

	"groupsyncd/internal/secret"
)

func TestTheEndOfATokenIsReadOutOfIt(t *testing.T) {
	t.Parallel()
	jwt := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	}
	for _, c := range []struct {
		name, token string
		want        time.Time
	}{
		{"a JWT", jwt(`{"exp":1900000000}`), time.Unix(1900000000, 0).UTC()},
		{"one with a fraction", jwt(`{"exp":1900000000.5}`), time.Unix(1900000000, 0).UTC()},
		{"one that never ends", jwt(`{"sub":"a"}`), time.Time{}},
		{"one with words", jwt(`{"exp":"soon"}`), time.Time{}},
		{"one beyond all years", jwt(`{"exp":1e300}`), time.Time{}},
		{"no JSON", jwt(`exp`), time.Time{}},
		{"no base64", "a.%%.c", time.Time{}},
		{"an opaque key", "sk-0123456789", time.Time{}},
		{"nothing", "", time.Time{}},
	} {
		if got := Expiry(secret.New(c.token)); !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
