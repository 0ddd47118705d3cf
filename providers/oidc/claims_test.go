package oidc

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"groupsyncd/directory"
)

// read reads groups from claims as they stand in a token.
func read(t testing.TB, payload, claim, separator string, absentEmpty bool) reading {
	t.Helper()
	claims, err := decode([]byte(payload))
	if err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	p, err := parsePath(claim)
	if err != nil {
		t.Fatal(err)
	}
	return readGroups([]map[string]any{claims}, []path{p}, separator, absentEmpty)
}

func TestEveryShapeOfAClaimHasAMeaning(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxName+1)
	for _, c := range []struct {
		name, payload, claim, separator string
		state                           state
		ids                             []string
		why                             string // a part of it
	}{
		{"a list of names", `{"groups":["a","b"]}`, "groups", "", explicit, []string{"a", "b"}, ""},
		{"an empty list", `{"groups":[]}`, "groups", "", explicit, nil, ""},
		{"a name twice", `{"groups":["a","a","b"]}`, "groups", "", explicit, []string{"a", "b"}, ""},
		{"case counts", `{"groups":["a","A"]}`, "groups", "", explicit, []string{"a", "A"}, ""},
		{"no claim", `{"sub":"x"}`, "groups", "", absent, nil, "no claim groups"},
		{"null", `{"groups":null}`, "groups", "", absent, nil, "is null"},
		{"a claim of another case", `{"Groups":["a"]}`, "groups", "", absent, nil, "no claim"},
		{"a text", `{"groups":"Sales, EMEA"}`, "groups", "", explicit, []string{"Sales, EMEA"}, ""},
		{"a text with commas", `{"groups":"a, b,,c"}`, "groups", ",", explicit, []string{"a", "b", "c"}, ""},
		{"a text with spaces", `{"groups":"a b  c"}`, "groups", " ", explicit, []string{"a", "b", "c"}, ""},
		{"a list although there is a separator", `{"groups":["a,b"]}`, "groups", ",", explicit, []string{"a,b"}, ""},
		{"an empty text", `{"groups":""}`, "groups", "", malformed, nil, "is empty"},
		{"an empty text with a separator", `{"groups":""}`, "groups", ",", explicit, nil, ""},
		{"a number", `{"groups":7}`, "groups", "", malformed, nil, "is a number"},
		{"a truth", `{"groups":true}`, "groups", "", malformed, nil, "is true or false"},
		{"whole numbers, of any size", `{"groups":[7,90071992547409931]}`, "groups", "", explicit, []string{"7", "90071992547409931"}, ""},
		{"a number with a fraction", `{"groups":["a",7.5]}`, "groups", "", malformed, nil, "no whole number"},
		{"null in a list", `{"groups":["a",null]}`, "groups", "", malformed, nil, "is null"},
		{"a list in a list", `{"groups":[["a"]]}`, "groups", "", malformed, nil, "is a list"},
		{"a truth in a list", `{"groups":[true]}`, "groups", "", malformed, nil, "true or false"},
		{"an empty name in a list", `{"groups":["a",""]}`, "groups", "", malformed, nil, "is empty"},
		{"a blank name in a list", `{"groups":["a","  "]}`, "groups", "", malformed, nil, "is empty"},
		{"a name that is too long", `{"groups":["` + long + `"]}`, "groups", "", malformed, nil, "longer than"},
		{"a line break in a name", `{"groups":["a\nb"]}`, "groups", "", malformed, nil, "character"},
		{"bytes that are no text", "{\"groups\":[\"a\xff\"]}", "groups", "", malformed, nil, "character"},
		{"objects with id and name", `{"groups":[{"id":"1","name":"A"},{"id":2,"name":"B"}]}`, "groups", "", explicit, []string{"1", "2"}, ""},
		{"objects with a name", `{"groups":[{"name":"A"}]}`, "groups", "", explicit, []string{"A"}, ""},
		{"objects as SCIM has them", `{"groups":[{"value":"1","display":"A"}]}`, "groups", "", explicit, []string{"1"}, ""},
		{"an object with an id that is null", `{"groups":[{"id":null,"name":"A"}]}`, "groups", "", malformed, nil, "is null"},
		{"an object of another kind", `{"groups":[{"x":"y"}]}`, "groups", "", malformed, nil, "unknown form"},
		{"an empty object in a list", `{"groups":[{}]}`, "groups", "", malformed, nil, "empty object"},
		{"roles as Zitadel sends them", `{"urn:zitadel:iam:org:project:roles":{"admin":{"1":"a.example"},"user":{"1":"a.example"}}}`, "urn:zitadel:iam:org:project:roles", "", explicit, []string{"admin", "user"}, ""},
		{"roles as Zitadel describes them", `{"roles":[{"admin":{"1":"a.example"}},{"user":{"1":"a.example"}}]}`, "roles", "", explicit, []string{"admin", "user"}, ""},
		{"an empty object", `{"groups":{}}`, "groups", "", malformed, nil, "empty object"},
		{"an object around the list", `{"realm_access":{"roles":["a"]}}`, "realm_access", "", malformed, nil, "unknown form"},
		{"an object around objects around lists", `{"resource_access":{"account":{"roles":["a"]}}}`, "resource_access", "", malformed, nil, "unknown form"},
		{"nested", `{"realm_access":{"roles":["a"]}}`, "realm_access.roles", "", explicit, []string{"a"}, ""},
		{"a pointer", `{"realm_access":{"roles":["a"]}}`, "/realm_access/roles", "", explicit, []string{"a"}, ""},
		{"a pointer with marks", `{"a/b":{"c~d":["x"]}}`, "/a~1b/c~0d", "", explicit, []string{"x"}, ""},
		{"a quoted name", `{"resource_access":{"my.client":{"roles":["a"]}}}`, `resource_access."my.client".roles`, "", explicit, []string{"a"}, ""},
		{"a quoted quote", `{"a":{"b\"c":["x"]}}`, `a."b""c"`, "", explicit, []string{"x"}, ""},
		{"an address as a name", `{"https://ns.example/groups":["a"]}`, "https://ns.example/groups", "", explicit, []string{"a"}, ""},
		{"a name with a colon", `{"cognito:groups":["a"]}`, "cognito:groups", "", explicit, []string{"a"}, ""},
		{"the exact name comes first", `{"a.b":["flat"],"a":{"b":["nested"]}}`, "a.b", "", explicit, []string{"flat"}, ""},
		{"a name with a slash in front", `{"/groups":["flat"],"groups":["nested"]}`, "/groups", "", explicit, []string{"flat"}, ""},
		{"the way ends early", `{"realm_access":{}}`, "realm_access.roles", "", absent, nil, "no claim"},
		{"the way is null", `{"realm_access":null}`, "realm_access.roles", "", absent, nil, "no claim"},
		{"the way leads through a text", `{"realm_access":"x"}`, "realm_access.roles", "", malformed, nil, "not an object"},
		{"the way leads through a list", `{"realm_access":[{"roles":["a"]}]}`, "realm_access.roles", "", malformed, nil, "not an object"},
		{"overage", `{"_claim_names":{"groups":"src1"},"_claim_sources":{"src1":{"endpoint":"https://graph.windows.net/x"}}}`, "groups", "", overage, nil, "entra"},
		{"overage that points nowhere", `{"_claim_names":{"groups":"src1"}}`, "groups", "", overage, nil, "too many groups"},
		{"overage beside a value", `{"groups":["a"],"_claim_names":{"groups":"src1"}}`, "groups", "", overage, nil, "too many groups"},
		{"overage of another claim", `{"groups":["a"],"_claim_names":{"wids":"src1"}}`, "groups", "", explicit, []string{"a"}, ""},
		{"overage of a nested claim", `{"_claim_names":{"realm_access":"src1"}}`, "realm_access.roles", "", overage, nil, "too many groups"},
		{"overage in the implicit flow", `{"hasgroups":true}`, "groups", "", overage, nil, "too many groups"},
		{"the same as a text", `{"hasgroups":"true"}`, "groups", "", overage, nil, "too many groups"},
		{"overage with a source in the name", `{"groups:src1":"https://graph.windows.net/x"}`, "groups", "", overage, nil, "too many groups"},
		{"hasgroups beside the groups", `{"hasgroups":true,"groups":["a"]}`, "groups", "", explicit, []string{"a"}, ""},
		{"hasgroups for another claim", `{"hasgroups":true}`, "roles", "", absent, nil, "no claim"},
		{"a claim twice", `{"groups":["a"],"groups":["b"]}`, "groups", "", explicit, []string{"b"}, ""},
	} {
		for _, absentEmpty := range []bool{false, true} {
			want, ids := c.state, c.ids
			if want == absent && absentEmpty {
				want, ids = explicit, nil
			}
			got := read(t, c.payload, c.claim, c.separator, absentEmpty)
			var gotIDs []string
			for _, g := range got.groups {
				gotIDs = append(gotIDs, g.ID)
			}
			if got.state != want || !slices.Equal(gotIDs, ids) || !strings.Contains(got.why, c.why) && want == c.state {
				t.Errorf("%s (absent_claim: empty %v): state %d, groups %q, why %q; want state %d, groups %q", c.name, absentEmpty, got.state, gotIDs, got.why, want, ids)
			}
			if (got.state == explicit) != (got.why == "") {
				t.Errorf("%s: state %d with the reason %q", c.name, got.state, got.why)
			}
		}
	}
}

func TestGroupsHaveNamesAndPaths(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]directory.Group{
		`"staff"`:                   {ID: "staff", Name: "staff"},
		`"/org/staff"`:              {ID: "/org/staff", Name: "staff", Path: "/org/staff"},
		`"/staff"`:                  {ID: "/staff", Name: "staff", Path: "/staff"},
		`"/org/"`:                   {ID: "/org/", Name: "/org/", Path: "/org/"},
		`"/"`:                       {ID: "/", Name: "/", Path: "/"},
		`"org/staff"`:               {ID: "org/staff", Name: "org/staff"},
		`{"id":"1","name":"Staff"}`: {ID: "1", Name: "Staff"},
		`{"id":"1","name":"Staff","path":"/o/Staff"}`: {ID: "1", Name: "Staff", Path: "/o/Staff"},
		`{"id":"1","name":"/o/Staff"}`:                {ID: "1", Name: "Staff", Path: "/o/Staff"},
		`{"id":"1"}`:                                  {ID: "1", Name: "1"},
		`" padded "`:                                  {ID: " padded ", Name: " padded "},
	} {
		got := read(t, `{"groups":[`+payload+`]}`, "groups", "", false)
		if diff := cmp.Diff([]directory.Group{want}, got.groups); got.state != explicit || diff != "" {
			t.Errorf("%s: state %d (%s), groups differ (-want +got):\n%s", payload, got.state, got.why, diff)
		}
	}
}

func TestSeveralClaimsAreUnitedOnlyIfAllAreThere(t *testing.T) {
	t.Parallel()
	paths := []path{mustPath(t, "groups"), mustPath(t, "realm_access.roles")}
	for _, c := range []struct {
		payload string
		empty   bool
		state   state
		groups  int
	}{
		{`{"groups":["a","b"],"realm_access":{"roles":["b","c"]}}`, false, explicit, 3},
		{`{"groups":["a"],"realm_access":{"roles":[]}}`, false, explicit, 1},
		{`{"groups":["a"]}`, false, absent, 0},
		{`{"groups":["a"]}`, true, explicit, 1},
		{`{"groups":["a"],"realm_access":{"roles":7}}`, true, malformed, 0},
		{`{"realm_access":{"roles":["a"]},"_claim_names":{"groups":"src1"}}`, true, overage, 0},
	} {
		claims, err := decode([]byte(c.payload))
		if err != nil {
			t.Fatal(err)
		}
		if got := readGroups([]map[string]any{claims}, paths, "", c.empty); got.state != c.state || len(got.groups) != c.groups {
			t.Errorf("%s: state %d with %d groups (%s)", c.payload, got.state, len(got.groups), got.why)
		}
	}
}

func mustPath(t testing.TB, text string) path {
	t.Helper()
	p, err := parsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMoreGroupsThanAnybodyHasCoverNothing(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("g%d", i)
		}
		b, err := json.Marshal(map[string]any{"groups": list, "text": strings.Join(list, ","), "more": []string{"one more"}})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := read(t, many(maxGroups), "groups", "", false); got.state != explicit || len(got.groups) != maxGroups {
		t.Errorf("as many as there may be: state %d, %d groups", got.state, len(got.groups))
	}
	for _, claim := range []string{"groups", "text"} {
		if got := read(t, many(maxGroups+1), claim, ",", false); got.state != malformed || len(got.groups) != 0 {
			t.Errorf("%s: state %d, %d groups", claim, got.state, len(got.groups))
		}
	}
	claims, err := decode([]byte(many(maxGroups)))
	if err != nil {
		t.Fatal(err)
	}
	if got := readGroups([]map[string]any{claims}, []path{mustPath(t, "groups"), mustPath(t, "more")}, "", false); got.state != malformed || len(got.groups) != 0 {
		t.Errorf("two claims together: state %d, %d groups", got.state, len(got.groups))
	}
}

func TestPathsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", `"a`, `"a"b`, `a."b`, strings.Repeat("a.", maxParts+1), strings.Repeat("a", maxPath+1)} {
		if _, err := parsePath(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestClaimsThatAreNoObject(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "null", "[]", `"x"`, "7", "{", `{"a":1}{"b":2}`, `{"a":1} x`} {
		if claims, err := decode([]byte(text)); err == nil {
			t.Errorf("%q gives %v", text, claims)
		}
	}
}

// TestAListOfNamesIsShownAsItIs draws lists of names, in the shapes that say the same.
func TestAListOfNamesIsShownAsItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching(`[a-zA-Z0-9 /._:,-]{0,8}[a-z0-9]`), 0, 20).Draw(t, "names")
		var objects []map[string]string
		for _, n := range names {
			objects = append(objects, map[string]string{"id": n})
		}
		if objects == nil {
			objects = []map[string]string{}
		}
		want := map[string]bool{}
		for _, n := range names {
			want[n] = true
		}
		for _, shape := range []any{names, objects} {
			b, err := json.Marshal(map[string]any{"groups": shape})
			if err != nil {
				t.Fatal(err)
			}
			claims, err := decode(b)
			if err != nil {
				t.Fatal(err)
			}
			got := readGroups([]map[string]any{claims}, []path{{text: "groups", parts: []string{"groups"}}}, "", false)
			if got.state != explicit || len(got.groups) != len(want) {
				t.Fatalf("%s: state %d (%s), %d groups, want %d", b, got.state, got.why, len(got.groups), len(want))
			}
			for _, g := range got.groups {
				if !want[g.ID] {
					t.Fatalf("%s shows %q", b, g.ID)
				}
			}
		}
	})
}

// FuzzClaims reads groups from any claims: nothing else than an explicit value shows a
// group, and every group has a proper id and name.
func FuzzClaims(f *testing.F) {
	for _, payload := range []string{
		`{"groups":["a","/b/c"]}`, `{"groups":[]}`, `{"groups":null}`, `{}`, `{"groups":"a,b"}`, `{"groups":{"admin":{"1":"x"}}}`, `{"groups":[{"id":1,"name":"a"}]}`,
		`{"_claim_names":{"groups":"src1"}}`, `{"hasgroups":true}`, `{"a":{"b.c":[1,2.5]}}`, "{\"groups\":[\"\xff\\u0000\"]}", `{"groups":[[[[[[]]]]]]}`, `{"groups":{"":{"":""}}}`,
	} {
		for _, claim := range []string{"groups", "a.b", "/groups", `a."b.c"`, "https://ns/groups"} {
			f.Add([]byte(payload), claim, ",", true)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte, claim, separator string, absentEmpty bool) {
		claims, err := decode(payload)
		if err != nil {
			return
		}
		p, err := parsePath(claim)
		if err != nil {
			return
		}
		got := readGroups([]map[string]any{claims}, []path{p}, separator, absentEmpty)
		if (got.state == explicit) != (got.why == "") || got.state != explicit && len(got.groups) > 0 || len(got.groups) > maxGroups {
			t.Fatalf("state %d, why %q, %d groups", got.state, got.why, len(got.groups))
		}
		seen := map[string]bool{}
		for _, g := range got.groups {
			if g.ID == "" || g.Name == "" || seen[g.ID] || !utf8.ValidString(g.ID+g.Name+g.Path) || len(g.ID) > maxName {
				t.Fatalf("group %+v", g)
			}
			seen[g.ID] = true
		}
		if _, _, err := p.find(claims); err != nil && got.state == explicit {
			t.Fatalf("explicit, although the way does not lead there: %v", err)
		}
		again := readGroups([]map[string]any{claims}, []path{p}, separator, absentEmpty)
		if diff := cmp.Diff(got.groups, again.groups); diff != "" {
			t.Fatalf("read twice, it differs: %s", diff)
		}
	})
}
