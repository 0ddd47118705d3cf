package plan_test

import (
	"bytes"
	"encoding/json"
	failure "errors"
	"strings"
	"testing"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAFileOfGroupsIsRead(t *testing.T) {
	t.Parallel()
	got, err := plan.ReadImport([]byte(`[
 {"id": "g1", "user_id": "root", "name": "Sales", "description": null, "data": {"config": {"share": "members"}, "groupsyncd": {"instance": "i"}}, "meta": {"a": 1},
  "permissions": {"chat": {"call": true, "limit": 3}}, "created_at": 17950000001, "updated_at": 1, "member_count": 2, "parent_group_id": null,
  "user_ids": ["a", "b", "a"], "users": [{"id": "a", "email": "a@x.org"}], "access_grants": [{"type": "models", "id": "m", "permission": "write"}], "zoo": 1, "abc": []},
 {"name": "Bare"}
]`))
	if err != nil {
		t.Fatal(err)
	}
	top := ""
	want := []plan.ImportGroup{{ID: "g1", Name: "Sales", Owner: "root", Meta: json.RawMessage(`{"a": 1}`), CreatedAt: "17950000001", Parent: &top, Marked: true,
		Data: json.RawMessage(`{"config":{"share":"members"}}`), Permissions: json.RawMessage(`{"chat": {"call": true, "limit": 3}}`),
		Set: permission.Set{"chat.call": true}, Odd: []string{"chat.limit"}, Members: []string{"a", "b"}, Mails: map[string]string{"a": "a@x.org"},
		Shared: []run.SharedWith{{Type: "models", ID: "m", Permission: "write"}}, Unknown: []string{"abc", "zoo"}}, {Name: "Bare"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err = plan.ReadImport([]byte("[]")); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
}

func TestWhatIsWrongInAFileIsSaidWithItsPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, file, want string }{
		{"nothing", " \n", "2:1: the file is empty"},
		{"no JSON", "[\n  {\"name\": x}\n]", "2:12: this is no JSON: invalid character 'x' looking for beginning of value"},
		{"YAML", "- name: x\n", "1:3: this is no JSON: invalid character ' ' in numeric literal"},
		{"cut", `[{"name": "x"`, "1:14: this is no JSON: it ends in the middle"},
		{"no UTF-8", "[{\"name\": \"\xff\"}]", "1:12: this is no UTF-8"},
		{"something more", "[]\n[]", "2:1: something follows the list"},
		{"one group", `{"name": "x"}`, "1:1: this must be a list of groups, not an object; put one group alone into [ ]"},
		{"a number", `7`, "1:1: this must be a list of groups, not a number"},
		{"a list of texts", "[\n \"x\"\n]", "2:2: a group must be an object, not a text"},
		{"no name", "[\n{},\n {\"name\": \"\"}]", "2:1: the group has no name\n3:2: the group has no name"},
		{"types", `[{"name": 1, "id": [], "permissions": [], "data": 3, "meta": "x", "user_ids": {}, "created_at": 1.5}]`,
			"1:11: name must be a text, not a number\n1:20: id must be a text, not a list\n1:39: permissions must be an object, not a list\n" +
				"1:51: data must be an object, not a number\n1:62: meta must be an object, not a text\n1:79: this must be a list of texts, not an object\n1:97: created_at must be a whole number, not a number"},
		{"members", `[{"name": "x", "user_ids": ["a", 2, ""], "users": [{"id": "a"}, 3]}]`,
			"1:34: each of user_ids must be a text, not a number\n1:37: each of user_ids must be a text that is not empty\n1:52: each of users must have an id and an email\n1:65: each of users must be an object, not a number"},
		{"null is no list of members", `[{"name": "x", "user_ids": null}]`, "1:28: this must be a list of texts, not null"},
		{"grants", "[{\"name\": \"x\", \"access_grants\": [\n{\"type\": \"model\", \"id\": \"m\", \"permission\": \"own\"},\n{\"type\": \"models\"}]}]",
			"2:10: type must be one of models, knowledge, prompts, tools, skills, not \"model\"\n2:44: permission must be read or write, not \"own\"\n" +
				"3:1: each of access_grants must have a id\n3:1: each of access_grants must have a permission"},
		{"models", `[{"name": "x", "data": {"config": {"default_models": [1]}}}]`, "1:55: each of data.config.default_models must be a text, not a number"},
		{"twice", `[{"name": "x", "name": "y"}]`, "1:21: a group has the key \"name\" twice"},
		{"an id twice", "[{\"id\": \"a\", \"name\": \"x\"},\n {\"id\": \"a\", \"name\": \"y\"}]", "2:2: another group has the id \"a\" too"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := plan.ReadImport([]byte(c.file))
			if _, ok := failure.AsType[plan.Mistakes](err); !ok || err.Error() != c.want {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
	_, err := plan.ReadImport(bytes.Repeat([]byte(" "), plan.MaxImport+1))
	if err == nil || !strings.Contains(err.Error(), "more than 64 MiB") {
		t.Error(err)
	}
	_, err = plan.ReadImport([]byte("[" + strings.Repeat("1,", 100) + "1]"))
	if mistakes, _ := failure.AsType[plan.Mistakes](err); len(mistakes) != 20 {
		t.Errorf("%d mistakes are named", len(mistakes))
	}
}

// TestNoFileIsTooOddToBeRead: whatever is read, there are groups or mistakes, the same each
// time.
func TestNoFileIsTooOddToBeRead(t *testing.T) {
	t.Parallel()
	keys := rapid.SampledFrom([]string{"id", "name", "data", "meta", "permissions", "user_ids", "users", "access_grants", "parent_group_id", "created_at", "config", "email", "type", "new"})
	leaf := rapid.SampledFrom([]string{"null", "true", "1", "1.5", `"a"`, `""`, "[]", "{}", "", "x", "\xff", "\n"})
	rapid.Check(t, func(t *rapid.T) {
		var value func(depth int) string
		value = func(depth int) string {
			n := 0
			if depth > 0 {
				n = rapid.IntRange(0, 3).Draw(t, "length")
			}
			switch kind := rapid.IntRange(0, 2).Draw(t, "kind"); {
			case n == 0 || kind == 0:
				return leaf.Draw(t, "leaf")
			case kind == 1:
				parts := make([]string, n)
				for i := range parts {
					parts[i] = value(depth - 1)
				}
				return "[" + strings.Join(parts, ",") + "]"
			default:
				parts := make([]string, n)
				for i := range parts {
					parts[i] = `"` + keys.Draw(t, "key") + `": ` + value(depth-1)
				}
				return "{" + strings.Join(parts, ",") + "}"
			}
		}
		file := []byte("[" + value(4) + "]")
		groups, err := plan.ReadImport(file)
		again, errAgain := plan.ReadImport(file)
		if diff := cmp.Diff(groups, again); diff != "" || (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
			t.Fatalf("%s is read in two ways: %s, %v, %v", file, diff, err, errAgain)
		}
		mistakes, wrong := failure.AsType[plan.Mistakes](err)
		for _, m := range mistakes {
			if m.Line < 1 || m.Column < 1 || m.Message == "" {
				t.Fatalf("%+v", m)
			}
		}
		if err != nil && !wrong || err == nil && !json.Valid(file) {
			t.Fatalf("%s: %v", file, err)
		}
	})
}
