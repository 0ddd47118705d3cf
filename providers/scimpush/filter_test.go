package scimpush

import (
	"encoding/json"
	"strings"
	"testing"
)

// doc reads a document as a request brings it.
func doc(t testing.TB, text string) document {
	t.Helper()
	var d document
	if err := decode([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

const someone = `{"id":"2819c223","externalId":"Ext-1","userName":"bjensen@example.com","active":true,"title":"Guide","loginCount":7,
	"name":{"familyName":"Jensen","givenName":"Barbara"},"meta":{"lastModified":"2026-03-04T05:06:07Z"},
	"emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],"phoneNumbers":[],
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours","manager":{"value":"26118915"}},
	"urn:example:1.0:Badge":{"color":"Red"}}`

func TestFilters(t *testing.T) {
	t.Parallel()
	yes := []string{
		`userName eq "BJENSEN@example.com"`, `externalId eq "Ext-1"`, `name.familyName co "ense"`, `userName sw "bj"`, `userName ew ".COM"`,
		`title pr`, `not (nickName pr)`, `meta.lastModified gt "2026-03-04T06:00:00+02:00"`, `meta.lastModified le "2026-03-04T05:06:07.000Z"`,
		`title pr and userType ne "Employee"`, `title eq "x" or title eq "guide"`, `emails[type eq "work" and value co "@example.com"]`,
		`emails.type eq "home"`, `emails co "jensen.org"`, `emails[type eq "home"].value eq "babs@jensen.org"`, `emails[primary eq true].type eq "work"`,
		`active eq true`, `active eq "True"`, `active ne false`, `loginCount gt 6`, `loginCount eq 7.0`, `loginCount lt 10`, `nickName eq null`, `title ne null`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "tours"`,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "bjensen@example.com"`, `urn:example:1.0:Badge:color eq "red"`,
		`URN:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "26118915"`,
		`(title eq "Guide" or title eq "x") and not (active eq false)`, `title eq "x" or title eq "guide" and active eq true`, `USERNAME EQ "bjensen@example.com"`,
		`title eq "G\u0075ide"`, `nickName ne "x"`,
	}
	no := []string{
		`externalId eq "ext-1"`, `id eq "2819C223"`, `title eq "x"`, `phoneNumbers pr`, `nickName pr`, `not (title pr)`, `emails[type eq "work" and value co "jensen.org"]`,
		`active eq "false"`, `loginCount gt 10`, `title eq null`, `(title eq "x" or title eq "guide") and active eq false`, `title gt "zz"`, `userName.value eq "x"`, `title lt null`,
	}
	d := doc(t, someone)
	for i, list := range [][]string{yes, no} {
		for _, text := range list {
			e, err := parseFilter(text)
			if err != nil {
				t.Errorf("%s: %v", text, err)
			} else if got := e.is(&view{kind: users(), doc: d}); got != (i == 0) {
				t.Errorf("%s is %v", text, got)
			}
		}
	}
}

func TestWhatIsNoFilter(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "userName", "userName eq", "userName eq x", `userName is "x"`, `userName eq "x`, `(userName eq "x"`, `userName eq "x")`,
		`not userName eq "x"`, `emails[type eq "x"`, `emails[]`, `emails[type eq "x"]]`, `userName eq "x" and`, `and userName eq "x"`, `userName eq "x" title pr`, `1x eq 1`, `a.b.c eq 1`,
		`emails[type eq "x"].a.b eq 1`, `name.x[type eq "x"]`, `userName eq "\x"`, strings.Repeat("(", 100) + "a pr" + strings.Repeat(")", 100), strings.Repeat("a", maxFilter+1), "\xff pr", ":a eq 1", "urn eq", "a: eq 1"} {
		if e, err := parseFilter(text); err == nil {
			t.Errorf("%q is read as %#v", text, e)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]attrPath{
		"userName": {name: "userName"}, "name.givenName": {name: "name", sub: "givenName"}, `members[value eq "2"]`: {name: "members"},
		`emails[type eq "work"].value`: {name: "emails", sub: "value"}, enterpriseSchema: {name: enterpriseSchema},
		enterpriseSchema + ":manager.value": {urn: enterpriseSchema, name: "manager", sub: "value"}, `addresses[type eq "work" and primary eq true].country`: {name: "addresses", sub: "country"},
	} {
		at, err := parsePath(text)
		if err != nil || at.attrPath != want || (at.some != nil) != strings.Contains(text, "[") {
			t.Errorf("%s: %+v, %v", text, at, err)
		}
	}
	for _, text := range []string{"", "a b", "a.b.c", `a[b eq "x"`, `a[b eq "x"]c`, `a[b eq "x"].`, `a.b[c eq 1].d`, "a..b", ".a", "a."} {
		if at, err := parsePath(text); err == nil {
			t.Errorf("%q is read as %+v", text, at)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, text := range []string{`userName eq "x"`, `a[b eq 1 and not (c pr)].d co "e" or f.g le null`, enterpriseSchema + `:department eq "x"`, `((a pr))`, `a eq -1.5e3`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d document
		if decode([]byte(someone), &d) != nil {
			t.Fatal("no document")
		}
		if e, err := parseFilter(text); err == nil {
			v := &view{kind: users(), doc: d}
			if (negated{e}).is(v) == e.is(v) {
				t.Error("it holds, and does not")
			}
		}
		if at, err := parsePath(text); err == nil && at.name == "" {
			t.Error("a path without a name")
		}
	})
}

// FuzzPatch lets anything be done to a resource: it ends, and what it leaves is stable.
func FuzzPatch(f *testing.F) {
	for _, text := range []string{`[{"op":"Add","path":"emails[type eq \"work\"].value","value":"x"}]`, `[{"op":"replace","value":{"name.givenName":"x","active":"False"}}]`,
		`[{"op":"Remove","path":"emails","value":[{"value":"babs@jensen.org"}]}]`, `[{"op":"add","path":"urn:example:1.0:Badge:color","value":{"a":[1,null]}}]`,
		`[{"op":"add","value":{"emails":{"value":1},"x":[[]]}}]`, `[{"op":"remove","path":"name"}]`, `[{"op":"add","path":"emails","value":[[1],{"primary":"true"},null]}]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var ops []operation
		if decode([]byte(text), &ops) != nil || len(ops) > 100 {
			return
		}
		p := &patcher{kind: users(), doc: document{}}
		if decode([]byte(someone), &p.doc) != nil {
			t.Fatal("no document")
		}
		for i := range ops {
			if p.apply(&ops[i]) != nil {
				return
			}
		}
		once, err := normal(p.kind, p.doc)
		if err != nil {
			return
		}
		a, err := json.Marshal(once)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := normal(p.kind, once)
		if err != nil {
			t.Fatalf("what is kept cannot be read again: %v", err)
		}
		if b, err := json.Marshal(twice); err != nil || string(a) != string(b) {
			t.Errorf("%s\nbecomes\n%s", a, b)
		}
	})
}
