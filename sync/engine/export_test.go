package engine_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

// exported is a group of an export.
type exported struct {
	ID     string           `json:"id"`
	Name   string           `json:"name"`
	Meta   map[string]any   `json:"meta"`
	Ids    []string         `json:"user_ids"`
	Users  []run.UserRef    `json:"users"`
	Grants []run.SharedWith `json:"access_grants"`
}

func (w *world) export(t *testing.T, groups ...string) []exported {
	t.Helper()
	raw, err := w.engine.Export(t.Context(), run.ExportRequest{Groups: groups})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]exported, len(raw))
	for i := range raw {
		if err := json.Unmarshal(raw[i], &out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestAnExportTellsMembersAndWhatIsShared(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	eng := w.web.Named("eng")[0]
	w.web.SetMeta(eng, "somebody", json.RawMessage(`{"kept":true}`))
	group := func(id, permission string) plan.Grant {
		return plan.Grant{Kind: plan.KindGroup, ID: id, Permission: permission}
	}
	w.web.Share(plan.Resource{ResourceKey: plan.ResourceKey{Type: plan.Models, ID: "gpt"}, Name: "GPT", Grants: []plan.Grant{
		group(eng, plan.Write), group(eng, plan.Read), group("another", plan.Read), {Kind: plan.KindUser, ID: plan.Everybody, Permission: plan.Read}}})
	w.web.Share(plan.Resource{ResourceKey: plan.ResourceKey{Type: plan.Knowledge, ID: "k"}, Name: "K", Grants: []plan.Grant{group(eng, plan.Read)}})
	effects, kept := len(w.web.Effects), w.store.Unsaved(target)
	got := w.export(t)
	if len(got) != 2 || got[0].Name != "eng" || got[1].Name != "ops" {
		t.Fatalf("%+v", got)
	}
	want := exported{ID: eng, Name: "eng", Meta: map[string]any{"kept": true}, Ids: []string{w.account["h0"], w.account["h1"]},
		Users: []run.UserRef{{ID: w.account["h0"], Email: w.mailOf("h0")}, {ID: w.account["h1"], Email: w.mailOf("h1")}},
		Grants: []run.SharedWith{{Type: plan.Knowledge, ID: "k", Name: "K", Permission: plan.Read},
			{Type: plan.Models, ID: "gpt", Name: "GPT", Permission: plan.Read}, {Type: plan.Models, ID: "gpt", Name: "GPT", Permission: plan.Write}}}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got[1].Grants == nil || len(got[1].Grants) != 0 {
		t.Errorf("nothing is shared with ops: %+v", got[1])
	}
	if len(w.web.Effects) != effects || w.store.Unsaved(target) != kept {
		t.Error("an export changes something")
	}
}

func TestAnExportOfNamedGroups(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	eng := w.web.Named("eng")[0]
	again := w.web.Make("eng")
	ids := func(groups []exported) []string {
		var out []string
		for _, g := range groups {
			out = append(out, g.ID)
		}
		slices.Sort(out)
		return out
	}
	if diff := cmp.Diff([]string{eng, again}, ids(w.export(t, "eng", "eng"))); diff != "" {
		t.Errorf("by name:\n%s", diff)
	}
	if diff := cmp.Diff([]string{eng}, ids(w.export(t, eng))); diff != "" {
		t.Errorf("by id:\n%s", diff)
	}
	_, err := w.engine.Export(t.Context(), run.ExportRequest{Groups: []string{"eng", "nobody", "nothing"}})
	if fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), `"nobody", "nothing"`) {
		t.Errorf("%v", err)
	}
	if _, err = w.engine.Export(t.Context(), run.ExportRequest{Target: "elsewhere"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
	w.web.Down = fault.Errorf(fault.Unavailable, "read", "open webui", "down")
	if _, err = w.engine.Export(t.Context(), run.ExportRequest{}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
}

func TestAnExportKnowsWhoCameMeanwhile(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	eng := w.web.Named("eng")[0]
	w.web.SignUp("late", "late@example.org", nil)
	w.web.Put(eng, "late")
	w.web.SetEmail(w.account["h0"], "new@example.org")
	got := w.export(t, "eng")
	if !slices.Contains(got[0].Users, run.UserRef{ID: "late", Email: "late@example.org"}) {
		t.Errorf("%+v", got[0].Users)
	}
}
