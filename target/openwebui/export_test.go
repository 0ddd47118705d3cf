package openwebui_test

import (
	"encoding/json"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/target/openwebui/openwebuitest"

	"github.com/google/go-cmp/cmp"
)

func TestExportGivesGroupsAsTheServerWritesThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ana := w.AddAccount(openwebuitest.Account{Email: "ana@example.org"})
	sales, empty := w.CreateGroup("Sales <&>"), w.CreateGroup("Empty")
	w.AddMembers(sales, ana)
	w.SetMeta(sales, json.RawMessage(`{"n":12345678901234567890.10}`))
	w.SetPermissions(sales, json.RawMessage(`{"chat":{"call":true,"limit":3},"new":null}`))
	got, err := w.client.Session().Export(t.Context(), []string{sales, empty})
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	for _, text := range []string{`"user_ids":["` + ana + `"]`, `"n":12345678901234567890.10`, `"limit":3`, `"new":null`, `"created_at":`, `"user_id":"` + w.Admin + `"`, `"parent_group_id":null`} {
		if !strings.Contains(string(got[0]), text) {
			t.Errorf("%s is not in %s", text, got[0])
		}
	}
	var none struct {
		Name    string   `json:"name"`
		Members []string `json:"user_ids"`
	}
	if err := json.Unmarshal(got[1], &none); err != nil || none.Members == nil || !cmp.Equal(none.Members, []string{}) || none.Name != "Empty" {
		t.Errorf("%s, %v", got[1], err)
	}
}

func TestAnExportIsWholeOrNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault openwebuitest.Fault
		want  fault.Kind
	}{
		{"refused", openwebuitest.Fault{Status: 403, Detail: "no"}, fault.Auth},
		{"failing", openwebuitest.Fault{Status: 500, Detail: "no"}, fault.Unavailable},
		{"cut", openwebuitest.Fault{Drop: openwebuitest.DropBefore}, fault.Unavailable},
		{"a web page", openwebuitest.Fault{HTML: true}, fault.Invalid},
		{"another group", openwebuitest.Fault{Body: `{"id": "other", "user_ids": []}`}, fault.Incomplete},
		{"null", openwebuitest.Fault{Body: `null`}, fault.Incomplete},
		{"without members", openwebuitest.Fault{Body: `{"id": "TWO", "member_count": 0}`}, fault.Incomplete},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", nil)
			one, two := w.CreateGroup("One"), w.CreateGroup("Two")
			c.fault.Body = strings.ReplaceAll(c.fault.Body, "TWO", two)
			c.fault.Path = "/api/v1/groups/id/" + two + "/export"
			w.Inject(c.fault)
			if got, err := w.client.Session().Export(t.Context(), []string{one, two}); fault.KindOf(err) != c.want || got != nil {
				t.Errorf("%d groups, %v", len(got), err)
			}
		})
	}
	w := newWorld(t, "", nil)
	gone := w.CreateGroup("Gone")
	w.DeleteGroup(gone)
	if got, err := w.client.Session().Export(t.Context(), []string{gone}); fault.KindOf(err) != fault.NotFound || got != nil {
		t.Errorf("%d groups, %v", len(got), err)
	}
}
