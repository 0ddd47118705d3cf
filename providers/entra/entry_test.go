package entra

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"
	"unicode/utf8"

	"groupsyncd/directory"
)

func parsed(t testing.TB, text string) object {
	t.Helper()
	var o object
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func users(email ...string) *Config {
	return &Config{Guests: true, Users: Users{Email: email, Username: "userPrincipalName", Name: "displayName",
		Attributes: map[string]string{"costs": "onPremisesExtensionAttributes/extensionAttribute1", "teams": "extension_x_teams"}}}
}

// TestWhatAChangeDoesNotTellStaysAsItWas: a property that is not there says nothing, and null
// says that it is empty now.
func TestWhatAChangeDoesNotTellStaysAsItWas(t *testing.T) {
	t.Parallel()
	base := directory.User{ID: "1", Email: "a@x", Username: "a", Name: "A", Disabled: true, StatusKnown: true, Attributes: map[string][]string{"costs": {"7"}, "teams": {"p", "q"}}}
	got, whole := users("mail").user(parsed(t, `{"id": "1", "mail": null}`), "1", base, true)
	if !whole || got.Email != "" || got.Username != "a" || got.Name != "A" || !got.Disabled || !got.StatusKnown || !slices.Equal(got.Attributes["teams"], base.Attributes["teams"]) {
		t.Errorf("%+v", got)
	}
	got, whole = users("mail").user(parsed(t, `{"id": "1", "displayName": "B", "accountEnabled": true, "extension_x_teams": ["r"], "onPremisesExtensionAttributes": {"extensionAttribute1": 8.5}}`), "1", base, true)
	if !whole || got.Email != "a@x" || got.Name != "B" || got.Disabled || got.Attributes["costs"][0] != "8.5" || got.Attributes["teams"][0] != "r" {
		t.Errorf("%+v", got)
	}
	if base.Attributes["teams"][0] != "p" {
		t.Error("the picture of before was changed")
	}
	// Where an address may have come from either of two properties, both have to be told.
	if _, whole = users("mail", "userPrincipalName").user(parsed(t, `{"id": "1", "userPrincipalName": "b"}`), "1", base, true); whole {
		t.Error("one property of two is enough")
	}
	if got, whole = users("mail", "userPrincipalName").user(parsed(t, `{"id": "1", "mail": "", "userPrincipalName": "b"}`), "1", base, true); !whole || got.Email != "b" {
		t.Errorf("%+v", got)
	}
	// Of somebody new nothing was known before, not even whether they are disabled.
	got, _ = users("mail").user(parsed(t, `{"id": "1", "accountEnabled": null}`), "1", directory.User{}, false)
	if got.StatusKnown || got.Attributes != nil {
		t.Errorf("%+v", got)
	}
}

func TestMembersAreToldApart(t *testing.T) {
	t.Parallel()
	o := parsed(t, `{"members@delta": [{"@odata.type": "#microsoft.graph.user", "id": "1"}, {"@odata.type": "#microsoft.graph.group", "id": "2"}, {"id": "3"},
		{"@odata.type": "#microsoft.graph.device", "id": "4"}, {"@odata.type": "#microsoft.graph.user", "id": "5", "@removed": {"reason": "deleted"}}, {"@odata.type": "#microsoft.graph.user", "id": "6", "@removed": null}]}`)
	list, there, err := o.members()
	if err != nil || !there {
		t.Fatal(err)
	}
	g := newMirror(nil).putGroup("g")
	g.refs["5"] = directory.UserMember
	g.change(list)
	g.change(list) // A replay changes nothing.
	if len(g.refs) != 4 || g.refs["1"] != directory.UserMember || g.refs["2"] != directory.GroupMember || g.refs["3"] != directory.AnyMember || g.refs["6"] != directory.UserMember {
		t.Errorf("%v", g.refs)
	}
	for _, bad := range []string{`{"members@delta": {}}`, `{"members@delta": [{"@odata.type": "#microsoft.graph.user"}]}`, `{"members@delta": "x"}`} {
		if _, _, err := parsed(t, bad).members(); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// FuzzObject: whatever stands in an answer, nothing fails and no text is invented.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{`{"id": "1", "mail": null}`, `{"id": 1, "accountEnabled": "x"}`, `{"members@delta": [{"id": "1", "@removed": {}}]}`, `{"@removed": 1, "createdDateTime": "x"}`,
		`{"onPremisesExtensionAttributes": {"extensionAttribute1": [[1], {"a": 2}, null, true, 1e99]}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var o object
		if json.Unmarshal(text, &o) != nil {
			return
		}
		id, err := o.id()
		if (err == nil) != (id != "") {
			t.Errorf("id %q, %v", id, err)
		}
		u, _ := users("mail", "userPrincipalName").user(o, id, directory.User{}, false)
		for _, text := range append(slices.Concat(u.Attributes["costs"], u.Attributes["teams"]), u.Email, u.Username, u.Name) {
			if !utf8.ValidString(text) {
				t.Errorf("%q is not UTF-8", text)
			}
		}
		lines, _, err := o.members()
		if err == nil {
			g := newMirror(nil).putGroup("g")
			g.change(lines)
			g.take(o)
			for id := range g.refs {
				if id == "" {
					t.Error("a member without an id")
				}
			}
		}
		o.created()
		o.removed()
	})
}

// FuzzCursor: a damaged cursor is refused, never followed.
func FuzzCursor(f *testing.F) {
	good, err := (&cursor{Users: "https://x", Feeds: []feed{{Link: "y"}}}).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(cursorForm))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := decodeCursor(raw); err == nil && (c.Users == "" || len(raw) < len(cursorForm)) {
			t.Errorf("%+v", c)
		}
	})
}

func TestPermissionsInATokenAreRead(t *testing.T) {
	t.Parallel()
	token := func(payload string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
	}
	for text, want := range map[string]bool{token(`{"tid": "T", "roles": ["x"]}`): true, token(`{"roles": ["x"]}`): false, token(`x`): false, "opaque": false, "a.b.c": false, "": false} {
		if _, _, known := claims(text); known != want {
			t.Errorf("%q: known %v", text, known)
		}
	}
	g := &grants{}
	g.tenant, g.roles, g.known = claims(token(`{"tid": "T", "roles": ["Directory.Read.All"]}`))
	for p, want := range map[permission]bool{readMembers: true, readUsers: true, readApplications: true, readHidden: false} {
		if granted, known := g.has(p); granted != want || !known {
			t.Errorf("%s: %v", p, granted)
		}
	}
	if g.tid() != "t" {
		t.Error(g.tid())
	}
}
