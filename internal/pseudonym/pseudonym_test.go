package pseudonym

import (
	"strings"
	"testing"
)

func names(t *testing.T, known ...string) *Names {
	t.Helper()
	n, err := New([]string{"server", "public", "url", "sources", "listen", "bind", "dn", "full_every"}, known)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNamesLeaveATextAndOurWordsStay(t *testing.T) {
	t.Parallel()
	n := names(t, "Sales", "corp", "key")
	for text, want := range map[string]string{
		"the key is accepted; 3 groups":                           "the KEY is accepted; 3 groups",
		"server.public.url is missing":                            "server.public.url is missing",
		"read 0.12.4 at 2026-11-22T03:00:00Z, 15m ago":            "read 0.12.4 at 2026-11-22T03:00:00Z, 15m ago",
		"run 01M80JN9ZX7ZPGFJH4Q477AH90":                          "run 01M80JN9ZX7ZPGFJH4Q477AH90",
		"ana@example.org is not in Sales":                         "X is not in X",
		"bind as cn=sync,dc=example,dc=org":                       "bind as X",
		"GET https://user:pw@chat.example.org:443/api/v1/users":   "GET https://X:443/api/v1/users",
		"http://127.0.0.1:8421/livez says ok":                     "http://127.0.0.1:8421/livez says ok",
		"ldap.example.org has no address":                         "X has no address",
		"10.1.2.3:389 and [2001:db8::1]":                          "X and [X]",
		"allowed: 10.1.2.0/24, 203.0.113.9/32":                    "allowed: X/24, X/32",
		"10.1.2.3,10.1.2.4 10.1.2.3:389,10.1.2.4:389":             "X,X X:389,X:389",
		"2001:470:1:2:3:4:5:6/64 and 0.0.0.0/0, 127.0.0.1/8":      "X and 0.0.0.0/0, 127.0.0.1/8",
		"https://ana:pass word/of@chat.example.org":               "https://X:X X",
		"user 4711234 of tenant 11111111-2222-3333-4444-55555555": "user X of tenant X",
		"source corp: 5 of 10":                                    "source X: 5 of 10",
		"Жанна, O'Brien (Müller)":                                 "X, X (X)",
		"/home/annemarie/groupsyncd.yaml":                         "/X/X/X",
	} {
		got := n.Text(text)
		plain := got
		for f := range strings.FieldsFuncSeq(got, func(r rune) bool { return strings.ContainsRune(" ,()[]:/;\"", r) }) {
			if strings.HasPrefix(f, "~") {
				if strings.EqualFold(f, n.Mark("key")) {
					plain = strings.ReplaceAll(plain, f, "KEY")
					continue
				}
				plain = strings.ReplaceAll(plain, f, "X")
			}
		}
		if strings.HasPrefix(text, "/home") {
			if strings.Contains(got, "annemarie") {
				t.Errorf("%s", got)
			}
			continue
		}
		if plain != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestEqualNamesStayEqualInOneBundleOnly(t *testing.T) {
	t.Parallel()
	a, b := names(t), names(t)
	if a.Text("Ana@Example.org") != a.Text("ana@example.org") || a.Mark("ana") == a.Mark("bo") {
		t.Error("names of one bundle cannot be compared")
	}
	if a.Mark("ana") == b.Mark("ana") {
		t.Error("two bundles have one key")
	}
}

func TestNamesLeaveTreesAndMetrics(t *testing.T) {
	t.Parallel()
	n := names(t, "corp", "secretive")
	out, err := n.JSON(map[string]any{"sources": []any{map[string]any{"name": "corp", "users": 7, "complete": true}}, "corp": 1, "members_added": 2, "full_every": "24h"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"name": "~`, `"users": 7`, `"complete": true`, `"members_added": 2`, `"full_every": "24h"`, `"~`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is missing in %s", want, out)
		}
	}
	if strings.Contains(string(out), "corp") {
		t.Errorf("%s", out)
	}
	got := n.Metrics(`groupsyncd_source_users{source="corp",target="chat \"x\"",op="read"} 15`)
	if strings.Contains(got, "corp") || !strings.HasSuffix(got, `op="read"} 15`) || !strings.HasPrefix(got, `groupsyncd_source_users{source="~`) {
		t.Errorf("%s", got)
	}
}
