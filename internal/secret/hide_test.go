package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestHideFindsASecretInEveryForm(t *testing.T) {
	t.Parallel()
	const text = `pa"ss<w&or\d/+%1`
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	forms := []string{text, string(quoted), fmt.Sprintf("%q", text), url.QueryEscape(text), url.PathEscape(text), hex.EncodeToString([]byte(text))}
	for _, before := range []string{"", "a", "ab", "sync:", "Bearer "} {
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(before+text)), base64.URLEncoding.EncodeToString([]byte(before+text+"\n")))
	}
	for _, form := range forms {
		got := New(text).Hide("you sent " + form + ".")
		// What is left of base64 are the ends, which the neighbours have a part in.
		if !strings.Contains(got, hidden) || !strings.HasPrefix(got, "you sent ") || len(got) > len("you sent "+hidden+".")+16 {
			t.Errorf("%q becomes %q", form, got)
		}
	}
}

func TestHideLeavesOtherTextsAlone(t *testing.T) {
	t.Parallel()
	for _, v := range []Value{{}, New(""), New("secret-1")} {
		if got := v.Hide("invalid credentials, 64 bytes"); got != "invalid credentials, 64 bytes" {
			t.Error(got)
		}
	}
	if got := New("ab").Hide("a b YWI= 6162 ab"); got != "a b YWI= 6162 "+hidden {
		t.Errorf("a short secret: %q", got)
	}
}
