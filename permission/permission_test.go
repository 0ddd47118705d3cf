package permission_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"groupsyncd/permission"
)

func TestFlattenNamesTheLeavesAndKeepsTheRestApart(t *testing.T) {
	t.Parallel()
	set, others, err := permission.Flatten(json.RawMessage(
		`{"chat":{"call":true,"limit":3,"deep":{"er":false},"a.b":true},"workspace":{},"x":null,"":true,"top":false}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(permission.Set{"chat.call": true, "chat.deep.er": false, "top": false}, set); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"", "chat.a.b", "chat.limit", "x"}, others); diff != "" {
		t.Error(diff)
	}
}

func TestFlattenTakesNothingForAnEmptyTree(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "null", " null ", "{}"} {
		set, others, err := permission.Flatten(json.RawMessage(raw))
		if err != nil || len(set) != 0 || len(others) != 0 {
			t.Errorf("%q: %v %v %v", raw, set, others, err)
		}
	}
	for _, raw := range []string{"[]", "true", `"x"`, "{", `{"a":}`} {
		if _, _, err := permission.Flatten(json.RawMessage(raw)); err == nil {
			t.Errorf("%q: no error", raw)
		}
	}
}

func TestMergeTouchesOnlyWhatTheSetNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, raw string
		set       permission.Set
		want      string
	}{
		{"null becomes a tree", "null", nil, `{}`},
		{"categories are made", "", permission.Set{"chat.call": true}, `{"chat":{"call":true}}`},
		{"a null category is made", `{"chat":null}`, permission.Set{"chat.call": false}, `{"chat":{"call":false}}`},
		{"unknown keys and long numbers stay", `{"new":{"n":12345678901234567890.10},"chat":{"call":false,"<x>":"&"}}`,
			permission.Set{"chat.call": true}, `{"chat":{"<x>":"&","call":true},"new":{"n":12345678901234567890.10}}`},
		{"a named leaf of another kind is set", `{"chat":{"call":"yes"}}`, permission.Set{"chat.call": true}, `{"chat":{"call":true}}`},
		{"a tree that says it already is not rewritten", `{ "z":1, "chat":{"call":true} }`, permission.Set{"chat.call": true},
			`{ "z":1, "chat":{"call":true} }`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := permission.Merge(json.RawMessage(c.raw), c.set)
			if err != nil {
				t.Fatal(err)
			}
			var a, b any
			if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(c.want), &b) != nil || !cmp.Equal(a, b) {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if strings.Contains(c.raw, "890.10") && !strings.Contains(string(got), "12345678901234567890.10") {
				t.Errorf("the number changed: %s", got)
			}
			if strings.HasPrefix(c.raw, "{ ") && string(got) != c.raw {
				t.Errorf("rewritten: %s", got)
			}
		})
	}
}

func TestMergeRefusesToDestroy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw string
		set permission.Set
	}{
		{`[]`, nil},
		{`{"chat":true}`, permission.Set{"chat.call": true}},
		{`{"chat":{"call":true}}`, permission.Set{"chat": true}},
		{`{}`, permission.Set{"": true}},
		{`{}`, permission.Set{"chat..call": true}},
		{`{}`, permission.Set{"chat": true, "chat.call": true}},
	} {
		if got, err := permission.Merge(json.RawMessage(c.raw), c.set); err == nil {
			t.Errorf("%s with %v gave %s", c.raw, c.set, got)
		}
	}
}

func TestDiffIsSortedAndKnowsWhatIsTaken(t *testing.T) {
	t.Parallel()
	got := permission.Diff(
		permission.Set{"b": true, "a": true, "same": false, "d": false},
		permission.Set{"b": false, "c": true, "same": false})
	want := []permission.Change{
		{Key: "a", From: permission.Allowed, To: permission.Unset},
		{Key: "b", From: permission.Allowed, To: permission.Denied},
		{Key: "c", From: permission.Unset, To: permission.Allowed},
		{Key: "d", From: permission.Denied, To: permission.Unset},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var takes []bool
	for _, c := range got {
		takes = append(takes, c.Takes())
	}
	if diff := cmp.Diff([]bool{true, true, false, false}, takes); diff != "" {
		t.Error(diff)
	}
}

func TestEffectiveSaysWhoGivesARight(t *testing.T) {
	t.Parallel()
	got := permission.Effective(permission.Set{"chat.call": true, "chat.tts": false},
		permission.Grant{From: "group:Finance", Set: permission.Set{"workspace.models": true, "chat.call": true}},
		permission.Grant{From: "group:Old", Set: permission.Set{"workspace.models": false}})
	want := map[string]permission.Right{
		"chat.call":        {Allowed: true, From: []string{"default", "group:Finance"}},
		"chat.tts":         {From: []string{}},
		"workspace.models": {Allowed: true, From: []string{"group:Finance"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExplicitNamesEveryKnownKey(t *testing.T) {
	t.Parallel()
	set, others, err := permission.Flatten(permission.Explicit(permission.Set{"chat.call": true, "new.key": true, "chat": true}))
	if err != nil || len(others) != 0 {
		t.Fatal(others, err)
	}
	for _, key := range permission.KnownKeys() {
		if on, named := set[key]; !named || on != (key == "chat.call") {
			t.Errorf("%s is %v, named %v", key, on, named)
		}
	}
	if !set["new.key"] || len(set) != len(permission.KnownKeys())+1 {
		t.Errorf("%d keys, new.key %v", len(set), set["new.key"])
	}
}

func TestKnownKeysAreSortedAndUnique(t *testing.T) {
	t.Parallel()
	keys := permission.KnownKeys()
	if !slices.IsSorted(keys) || len(slices.Compact(slices.Clone(keys))) != len(keys) || len(keys) != 67 {
		t.Errorf("%d keys: %v", len(keys), keys)
	}
}

func TestEnvironmentNamesLeadToKeys(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"USER_PERMISSIONS_CHAT_FILE_UPLOAD":                      "chat.file_upload",
		"USER_PERMISSIONS_WORKSPACE_MODELS_ACCESS":               "workspace.models",
		"USER_PERMISSIONS_WORKSPACE_MODELS_ALLOW_PUBLIC_SHARING": "sharing.public_models",
		"USER_PERMISSIONS_NOTES_ALLOW_SHARING":                   "sharing.notes",
		"USER_PERMISSIONS_ACCESS_GRANTS_ALLOW_USERS":             "access_grants.allow_users",
		"USER_PERMISSIONS_WORKSPACE_TOOLS_IMPORT":                "workspace.tools_import",
		"USER_PERMISSIONS_WORKSPACE_MODELS_HIDDEN":               "workspace.models_hidden",
		"USER_PERMISSIONS_CHAT_ALLOW_PUBLIC_SHARING":             "sharing.public_chats",
		"USER_PERMISSIONS_CHAT_ALLOW_OPEN_SHARING":               "sharing.open_chats",
		"USER_PERMISSIONS_CALENDAR_ALLOW_PUBLIC_SHARING":         "sharing.public_calendars",
		"USER_PERMISSIONS_FEATURES_USER_WEBHOOKS":                "features.webhooks",
		"USER_PERMISSIONS_FEATURES_ENCRYPTED_CHANNELS":           "features.encrypted_channels",
		"USER_PERMISSIONS_NO_SUCH_THING":                         "",
		"OAUTH_BLOCKED_GROUPS":                                   "",
	} {
		if got, ok := permission.FromEnvironment(variable); got != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", variable, got, want)
		}
	}
}

func sets() *rapid.Generator[permission.Set] {
	keys := rapid.SampledFrom([]string{"chat.call", "chat.tts", "workspace.models", "features.deep.er", "top"})
	return rapid.Map(rapid.MapOf(keys, rapid.Bool()), func(m map[string]bool) permission.Set { return m })
}

func TestUnionIsASetUnion(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := sets().Draw(t, "a"), sets().Draw(t, "b"), sets().Draw(t, "c")
		ab := permission.Union(a, b)
		if !cmp.Equal(ab, permission.Union(b, a)) {
			t.Fatal("not commutative")
		}
		if !cmp.Equal(permission.Union(ab, c), permission.Union(a, permission.Union(b, c))) {
			t.Fatal("not associative")
		}
		if !cmp.Equal(permission.Union(ab, ab), ab) || !cmp.Equal(permission.Union(ab), ab) {
			t.Fatal("not idempotent")
		}
		if !permission.Subset(a, ab) || !permission.Subset(b, ab) {
			t.Fatal("something got lost")
		}
		if permission.Subset(a, b) != (len(takes(permission.Diff(a, b))) == 0) {
			t.Fatal("Subset and Diff disagree")
		}
	})
}

func takes(changes []permission.Change) []permission.Change {
	return slices.DeleteFunc(changes, func(c permission.Change) bool { return !c.Takes() })
}

func TestMergeThenFlattenShowsTheSetAndTheRest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, set := sets().Draw(t, "before"), sets().Draw(t, "set")
		raw, err := permission.Merge(json.RawMessage(`{"other":{"list":[1,2.50],"n":null},"chat":{"x":"y"},"a.b":true}`), before)
		if err != nil {
			t.Fatal(err)
		}
		merged, err := permission.Merge(raw, set)
		if err != nil {
			t.Fatal(err)
		}
		want := permission.Set{}
		for _, s := range []permission.Set{before, set} {
			maps.Copy(want, s)
		}
		got, others, err := permission.Flatten(merged)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff([]string{"a.b", "chat.x", "other.list", "other.n"}, others); diff != "" {
			t.Fatal(diff)
		}
		again, err := permission.Merge(merged, set)
		if err != nil || string(again) != string(merged) {
			t.Fatalf("second merge changed %s into %s, %v", merged, again, err)
		}
	})
}
