package scim

import (
	"encoding/json"
	"slices"
	"testing"
)

const person = `{"id":"1","userName":"ann","DisplayName":"Ann","title":"","age":41,"tags":["a","b"],
 "name":{"familyName":"Lee","givenName":"Ann"},
 "emails":[{"value":"home@example.org","type":"home"},{"value":"work@example.org","type":"Work"},{"value":"main@example.org","primary":"True"}],
 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Finance","manager":{"value":"7"}}}`

func TestPathsLeadToAttributes(t *testing.T) {
	t.Parallel()
	r, err := object(json.RawMessage(person))
	if err != nil {
		t.Fatal(err)
	}
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"
	for text, want := range map[string][]string{
		"userName": {"ann"}, "USERNAME": {"ann"}, "displayName": {"Ann"}, "title": nil, "age": {"41"}, "tags": {"a", "b"}, "nothing": nil,
		"name.familyName": {"Lee"}, "name": nil, "emails": {"home@example.org", "work@example.org", "main@example.org"},
		`emails[type eq "work"].value`: {"work@example.org"}, "emails[primary eq true].value": {"main@example.org"}, `emails[type eq "x"].value`: nil,
		enterprise + "department": {"Finance"}, enterprise + "manager": {"7"}, enterprise + "manager.value": {"7"}, "urn:x:User:department": nil,
		"urn:ietf:params:scim:schemas:core:2.0:User:userName": {"ann"}, "userName.x": nil,
	} {
		p, err := parsePath(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := p.values(r); !slices.Equal(got, want) {
			t.Errorf("%s gives %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"", ".", "a.", ".a", "a.b.c", "a b", "emails[type]", "emails[type eq ]", "emails[ eq 1]", "emails[type eq 1]x", "emails[type eq 1", "urn:", "a\"b"} {
		if p, err := parsePath(text); err == nil {
			t.Errorf("%q is taken for %+v", text, p)
		}
	}
	for choice, want := range map[string]string{Auto: "main@example.org", Primary: "main@example.org", Work: "work@example.org", First: "home@example.org"} {
		if got := (mail{choice: choice}).of(r); got != want {
			t.Errorf("%s is %q", choice, got)
		}
	}
}

// FuzzLists: whatever is in an answer, it is an error, or a list whose entries can be told.
func FuzzLists(f *testing.F) {
	for _, seed := range []string{`{}`, `[]`, `null`, `{"totalResults":0}`, `{"totalResults":"7","Resources":[{"id":1},{"id":"x","members":["a",{"value":2},{"$ref":"/Users/3"}]}]}`,
		`{"Resources":null,"totalResults":-1}`, `[{"id":{}}]`, `{"resources":[{"ID":"a"}],"nextCursor":5}`, person} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var l list
		if json.Unmarshal(b, &l) != nil {
			return
		}
		if len(l.items) == 0 && !l.bare && (l.total == nil || *l.total != 0) && !json.Valid(b) {
			t.Error("nothing is taken for a list")
		}
		for _, raw := range l.items {
			id, err := identify(raw)
			if (id == "") == (err == nil) {
				t.Errorf("id %q with error %v", id, err)
			}
			var g group
			if decode(raw, &g) == nil {
				for _, m := range g.all() {
					_ = m.kind() + m.id()
				}
			}
			if r, err := object(raw); err == nil {
				_ = mail{choice: Auto}.of(r) + (&source{username: path{name: "userName"}}).display(r)
				shownGroups(r)
			}
		}
	})
}

// FuzzPaths: a path that is accepted leads somewhere or nowhere, and can be named in a filter.
func FuzzPaths(f *testing.F) {
	for _, seed := range []string{"userName", `emails[type eq "work"].value`, "urn:a:b:User:x.y", "a[b eq true]", "urn:[a]", "["} {
		f.Add(seed)
	}
	r, err := object(json.RawMessage(person))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePath(text)
		if err != nil {
			return
		}
		if p.name == "" || p.filter() == "" {
			t.Errorf("%q has no name", text)
		}
		p.values(r)
	})
}
