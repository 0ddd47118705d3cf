package engine_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

// carry imports a file beside the oracle.
func (w *world) carry(t *testing.T, file string, change ...func(*run.ImportRequest)) *run.TargetReport {
	t.Helper()
	w.tryCarry(t, file, change...)
	return w.report(t)
}

func (w *world) tryCarry(t *testing.T, file string, change ...func(*run.ImportRequest)) {
	t.Helper()
	req := &run.ImportRequest{File: []byte(file), Name: "groups.json", Mode: run.Apply, Reason: "because", By: "tester"}
	for _, c := range change {
		c(req)
	}
	w.last, w.err = w.engine.Import(t.Context(), req)
}

func exact(r *run.ImportRequest) { r.Exact = true }

func dry(r *run.ImportRequest) { r.Mode = run.Plan }

// other is a server with two people that the world's other one has too, under other ids.
func other(t *testing.T) *world {
	t.Helper()
	w := begin(t, two)
	for range 5 { // Ids are other ones, too.
		w.web.Delete(w.web.Make("gone"))
	}
	for _, h := range []string{"h0", "h1"} {
		w.web.DeleteAccount(w.account[h])
		w.web.SignUp("new-"+h, w.mailOf(h), nil)
		w.account[h], w.human["new-"+h] = "new-"+h, h
	}
	return w
}

// wholeExport writes down all groups of a world.
func (w *world) wholeExport(t *testing.T) string {
	t.Helper()
	raw, err := w.engine.Export(t.Context(), run.ExportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// gpt is a model that a group shares.
func gpt(grants ...plan.Grant) plan.Resource {
	return plan.Resource{ResourceKey: plan.ResourceKey{Type: plan.Models, ID: "gpt"}, Name: "GPT", Grants: grants}
}

func TestGroupsAreCarriedIntoAnotherServer(t *testing.T) {
	t.Parallel()
	from := begin(t, two+"run")
	eng, ops := from.web.Named("eng")[0], from.web.Named("ops")[0]
	from.web.Describe(eng, "Engineers")
	from.web.SetMeta(eng, "root", json.RawMessage(`{"a":1}`))
	from.web.Place(ops, eng)
	from.web.Share(gpt(plan.Grant{Kind: plan.KindGroup, ID: eng, Permission: plan.Read}))
	file := from.wholeExport(t)

	w := other(t)
	w.web.Share(gpt())
	before := w.store.Kept(target)
	tr := w.carry(t, file)
	w.wants(t, "eng", "h0", "h1")
	w.wants(t, "ops", "h0")
	newEng, newOps := w.web.Named("eng")[0], w.web.Named("ops")[0]
	if w.web.Description(newEng) != "Engineers" || w.web.Parent(newOps) != newEng || w.web.Mark(newEng) != nil {
		t.Errorf("description %q, parent %q, mark %v", w.web.Description(newEng), w.web.Parent(newOps), w.web.Mark(newEng))
	}
	if diff := cmp.Diff([]plan.Grant{{Kind: plan.KindGroup, ID: newEng, Permission: plan.Read}}, w.web.Grants(plan.ResourceKey{Type: plan.Models, ID: "gpt"})); diff != "" {
		t.Error(diff)
	}
	if w.last.Exit != run.ExitOK || w.last.By != "tester" || !strings.HasPrefix(w.last.Imports, "groups.json (") || outcomes(tr)[run.Applied] != 6 {
		t.Errorf("%+v", w.last)
	}
	made := tr.Imported[0].CreatedAt
	if n, err := made.Int64(); err != nil || n < start.Unix() {
		t.Errorf("made %v, %v", made, err)
	}
	want := []run.ImportedGroup{
		{ID: eng, NewID: newEng, Name: "eng", By: run.ByMaking, Owner: "root", Meta: json.RawMessage(`{"a":1}`), CreatedAt: made, LeftOut: []string{"data.groupsyncd", "data.config.share"}},
		{ID: ops, NewID: newOps, Name: "ops", By: run.ByMaking, CreatedAt: made, LeftOut: []string{"data.groupsyncd", "data.config.share"}}}
	if diff := cmp.Diff(want, tr.Imported); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// It is as if made by hand: nothing is ours, and history and audit have it.
	kept := w.store.Kept(target)
	if len(kept.Owned)+len(kept.Links)+len(kept.Grants) != len(before.Owned)+len(before.Links)+len(before.Grants) || w.store.Unsaved(target) != "" {
		t.Errorf("owned %d, links %d, grants %d, not saved %q", len(kept.Owned), len(kept.Links), len(kept.Grants), w.store.Unsaved(target))
	}
	stored, err := w.engine.Report(w.last.Run)
	if err != nil || stored.Imports != w.last.Imports || len(stored.Targets[0].Imported) != 2 {
		t.Errorf("%+v, %v", stored, err)
	}
	if !slices.ContainsFunc(w.store.Events(), func(e run.Event) bool {
		return e.Run == w.last.Run && e.Kind == run.EventCalls && strings.Contains(e.Detail, "imports groups.json") && e.Reason == "because"
	}) {
		t.Error("the audit has no word of it")
	}
	// Again it finds nothing to do.
	effects := len(w.web.Effects)
	if tr = w.carry(t, file); len(tr.Changes) != 0 || len(w.web.Effects) != effects || tr.Imported[0].By != run.ByName || tr.Imported[0].NewID != newEng {
		t.Errorf("%+v", tr)
	}
	// And the directory takes them over as groups that somebody made.
	w.full(t)
	w.wants(t, "eng", "h0", "h1")
	if !w.ours("eng", "h0") || len(w.web.Named("eng")) != 1 {
		t.Error("the groups are not adopted")
	}
}

func TestADryImportWritesNothing(t *testing.T) {
	t.Parallel()
	file := begin(t, two+"run").wholeExport(t)
	w := other(t)
	tr := w.carry(t, file, dry)
	if outcomes(tr)[run.Planned] != 5 || len(w.web.Effects) != 0 || w.last.Mode != run.Plan || tr.Imported[0].NewID != "" {
		t.Errorf("%+v", tr)
	}
}

func TestAnImportIntoTheSameServerSetsOnlyWhatTheFileNames(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	id := w.web.Make("Guild")
	w.web.Allow(id, permission.Set{"chat.call": true, "chat.tts": false, "own.key": true})
	file := fmt.Sprintf(`[{"id": %q, "name": "The Guild", "description": "new", "permissions": {"chat": {"call": false, "tts": true, "limit": 3}},
		"data": {"config": {"share": false, "default_models": ["m"], "other": [1.50]}, "x": {"y": null}}, "future": 1}]`, id)
	tr := w.carry(t, file)
	if w.last.Exit != 0 || w.web.Name(id) != "The Guild" || w.web.Description(id) != "new" {
		t.Errorf("%+v", tr)
	}
	if diff := cmp.Diff(permission.Set{"chat.call": false, "chat.tts": true, "own.key": true}, w.web.Permissions(id)); diff != "" {
		t.Error(diff)
	}
	raw, err := w.engine.Export(t.Context(), run.ExportRequest{Groups: []string{id}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`"share":false`, `"default_models":["m"]`, `"other":[1.50]`, `"x":{"y":null}`} {
		if !strings.Contains(string(raw[0]), text) {
			t.Errorf("%s is not in %s", text, raw[0])
		}
	}
	if diff := cmp.Diff([]string{"future", "permissions.chat.limit"}, tr.Imported[0].LeftOut); diff != "" || tr.Imported[0].By != run.ByID {
		t.Errorf("%+v", tr.Imported)
	}
	if tr = w.carry(t, file); len(tr.Changes) != 0 {
		t.Errorf("again: %+v", tr.Changes)
	}
}

func TestWhoIsNotHereIsListed(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	w.web.SignUp("twin1", "twin@x.org", nil)
	w.web.SignUp("twin2", "TWIN@x.org", nil)
	file := fmt.Sprintf(`[{"name": "Guild", "user_ids": ["a", "b", "c", "d", %q], "users": [{"id": "a", "email": %q}, {"id": "b", "email": "nobody@x.org"}, {"id": "c", "email": "twin@x.org"}],
		"access_grants": [{"type": "models", "id": "none", "name": "None", "permission": "read"}], "parent_group_id": "elsewhere"}]`, w.account["h1"], strings.ToUpper(w.mailOf("h0")))
	tr := w.carry(t, file)
	w.wants(t, "Guild", "h0", "h1")
	want := []run.UserRef{{ID: "b", Email: "nobody@x.org"}, {ID: "c", Email: "twin@x.org"}, {ID: "d"}}
	if diff := cmp.Diff(want, tr.Imported[0].Missing); diff != "" || len(tr.Imported[0].Unshared) != 1 || len(tr.Problems) != 3 || !slices.Contains(tr.Imported[0].LeftOut, "parent_group_id") {
		t.Errorf("%s, %+v, %+v", diff, tr.Imported[0], tr.Problems)
	}
	// While that is so, nobody is taken out.
	guild := w.web.Named("Guild")[0]
	w.web.Put(guild, "twin1")
	w.web.Put(guild, "twin2")
	if tr = w.carry(t, file, exact); len(tr.Changes) != 0 {
		t.Errorf("%+v", tr.Changes)
	}
}

func TestSeveralGroupsOfANameAreRefused(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	w.web.Make("Guild")
	w.web.Make("Guild")
	one := w.web.Make("One")
	tr := w.carry(t, fmt.Sprintf(`[{"name": "Guild", "user_ids": [%q]}, {"id": "x", "name": "One"}, {"id": "y", "name": "One"}, {"name": "New", "user_ids": [%q]}]`, w.account["h0"], w.account["h0"]))
	if w.last.Exit != run.ExitPartly || outcomes(tr)[run.Failed] != 3 || tr.Imported[0].By != run.ByNothing || tr.Imported[1].By != run.ByNothing {
		t.Errorf("%+v", tr)
	}
	w.wants(t, "New", "h0")
	w.wants(t, "Guild")
	// Two of one name are made where there is none, and by id they are told apart.
	tr = w.carry(t, `[{"id": "x", "name": "Two"}, {"id": "y", "name": "Two"}]`)
	if len(w.web.Named("Two")) != 2 || w.last.Exit != 0 {
		t.Errorf("%+v", tr)
	}
	tr = w.carry(t, fmt.Sprintf(`[{"id": %q, "name": "One"}, {"id": "y", "name": "One"}]`, one))
	if len(w.web.Named("One")) != 2 || tr.Imported[0].By != run.ByID || tr.Imported[1].By != run.ByMaking {
		t.Errorf("%+v", tr)
	}
}

func TestWhatAnImportTakesAwayIsHeld(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"user corp h2\nsignup h2\nuser corp h3\nsignup h3\nrun")
	eng := w.web.Named("eng")[0]
	w.web.Put(eng, w.account["h2"])
	w.web.Put(eng, w.account["h3"])
	w.full(t)
	file := fmt.Sprintf(`[{"id": %q, "name": "eng", "user_ids": [%q]}]`, eng, w.account["h3"])
	if tr := w.carry(t, file); len(tr.Changes) != 0 {
		t.Errorf("%+v", tr.Changes)
	}
	tr := w.carry(t, file, exact)
	w.wants(t, "eng", "h0", "h1", "h2", "h3")
	if outcomes(tr)[run.Held] != 1 || outcomes(tr)[run.Skipped] != 2 || w.last.Exit != run.ExitHeld || len(tr.Holds) != 1 || tr.Holds[0].Check != run.Exact {
		t.Fatalf("%+v, %+v", tr.Changes, tr.Holds)
	}
	// No other run forgets that, and none does it.
	for range 2 {
		w.full(t)
		if holds := w.engine.Holds(); len(holds) != 1 || holds[0].Hash != tr.Holds[0].Hash {
			t.Fatalf("%+v", holds)
		}
	}
	approval, err := w.engine.Approve(t.Context(), tr.Holds[0].Hash, "yes", "tester")
	if err != nil || len(approval.Imports) != 1 {
		t.Fatalf("%+v, %v", approval, err)
	}
	w.full(t)
	w.wants(t, "eng", "h0", "h1", "h2", "h3")
	tr = w.carry(t, file, exact)
	w.wants(t, "eng", "h0", "h1", "h3")
	if w.last.Exit != run.ExitOK || !w.ours("eng", "h0") || len(w.store.Kept(target).Losses) != 1 {
		t.Errorf("%+v", tr.Changes)
	}
	id := w.last.Run
	w.full(t)
	if holds := w.engine.Holds(); len(holds) != 0 {
		t.Errorf("%+v", holds)
	}
	// Undone, they are back as somebody whom a hand had put there.
	if tr = w.revert(t, id); outcomes(tr)[run.Applied] != 1 {
		t.Fatalf("%+v", tr.Changes)
	}
	w.wants(t, "eng", "h0", "h1", "h2", "h3")
	if w.ours("eng", "h2") {
		t.Error("they became ours")
	}
}

func TestPermissionsThatAnImportTakesCount(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	w.set.limits.MaxCuts = plan.Limit{ByCount: true}
	w.boot()
	guild := w.web.Make("Guild")
	w.web.Allow(guild, permission.Set{"chat.call": true, "chat.tts": true})
	w.web.Put(guild, w.account["h0"])
	file := fmt.Sprintf(`[{"id": %q, "name": "Guild", "description": "d", "permissions": {"chat": {"call": false, "stt": true}}}]`, guild)
	tr := w.carry(t, file)
	if outcomes(tr)[run.Held] != 1 || outcomes(tr)[run.Applied] != 2 || len(tr.Holds) != 1 || tr.Holds[0].Check != run.MaxCuts {
		t.Fatalf("%+v, %+v", tr.Changes, tr.Holds)
	}
	w.full(t)
	if _, err := w.engine.Approve(t.Context(), tr.Holds[0].Hash, "yes", "tester"); err != nil {
		t.Fatal(err)
	}
	w.carry(t, file)
	if diff := cmp.Diff(permission.Set{"chat.call": false, "chat.tts": true, "chat.stt": true}, w.web.Permissions(guild)); diff != "" || w.last.Exit != 0 {
		t.Error(diff, w.last.Exit)
	}
	w.full(t)
	if holds := w.engine.Holds(); len(holds) != 0 {
		t.Errorf("%+v", holds)
	}
}

func TestManyNewGroupsOfAFileAreHeld(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	w.set.limits.MaxNewGroups = plan.Limit{ByCount: true}
	w.boot()
	w.web.Share(gpt())
	file := fmt.Sprintf(`[{"name": "A", "user_ids": [%q], "access_grants": [{"type": "models", "id": "gpt", "permission": "read"}]}]`, w.account["h0"])
	tr := w.carry(t, file)
	if outcomes(tr)[run.Held] != 3 || len(w.web.Effects) != 0 || len(tr.Holds) != 1 || tr.Holds[0].Check != run.MaxNewGroups {
		t.Fatalf("%+v, %+v", tr.Changes, tr.Holds)
	}
	if _, err := w.engine.Approve(t.Context(), tr.Holds[0].Hash, "yes", "tester"); err != nil {
		t.Fatal(err)
	}
	w.carry(t, file)
	w.wants(t, "A", "h0")
	w.clock.Add(48 * time.Hour)
	w.full(t)
	if holds := w.engine.Holds(); slices.ContainsFunc(holds, func(h run.Hold) bool {
		return slices.ContainsFunc(h.Changes, func(c run.Change) bool { return c.Imports != "" })
	}) {
		t.Errorf("%+v", holds)
	}
}

func TestAnImportIsUndone(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	w.set.limits.MaxCuts = plan.LimitOff()
	w.boot()
	ops := w.web.Named("ops")[0]
	top := w.web.Make("Top")
	w.web.Share(gpt())
	w.web.Allow(top, permission.Set{"chat.call": false})
	file := fmt.Sprintf(`[{"id": %q, "name": "Upper", "description": "new", "permissions": {"chat": {"call": true}}, "data": {"x": 1}, "user_ids": [%q],
		"access_grants": [{"type": "models", "id": "gpt", "permission": "read"}]},
		{"id": %q, "name": "ops", "parent_group_id": %q, "user_ids": [%q]}]`, top, w.account["h0"], ops, top, w.account["h1"])
	w.carry(t, file)
	id := w.last.Run
	w.wants(t, "Upper", "h0")
	w.wants(t, "ops", "h0", "h1")
	if w.web.Parent(ops) != top || w.ours("ops", "h1") {
		t.Error("not carried in as it should be")
	}
	tr := w.revert(t, id)
	w.wants(t, "Top")
	w.wants(t, "ops", "h0")
	if w.web.Parent(ops) != "" || w.web.Permissions(top)["chat.call"] || len(w.web.Grants(plan.ResourceKey{Type: plan.Models, ID: "gpt"})) != 0 || w.last.Exit != run.ExitPartly {
		for _, c := range tr.Changes {
			t.Logf("%s %v %v %s %s %+v", c.Op, c.Group, c.Fields, c.Outcome, c.Error, c.Hold)
		}
		t.Errorf("parent %q, %v, exit %d, %+v", w.web.Parent(ops), w.web.Permissions(top), w.last.Exit, tr.Changes)
	}
	kept := w.store.Kept(target)
	for _, l := range kept.Links {
		if l.GroupID == top || len(l.Applied) > 0 && l.Applied["parent"] != nil {
			t.Errorf("something became ours: %+v", l)
		}
	}
	if len(kept.Grants) != 0 || w.store.Unsaved(target) != "" {
		t.Errorf("%+v, not saved %q", kept.Grants, w.store.Unsaved(target))
	}
}

func TestWhatOtherRunsHoldStaysHeld(t *testing.T) {
	t.Parallel()
	w := begin(t, moved)
	w.revert(t, w.last.Run)
	before := w.engine.Holds()
	scopes := w.store.Kept(target).Scopes
	if w.carry(t, `[{"name": "Guild"}]`); len(before) != 1 || len(w.web.Named("Guild")) != 1 {
		t.Fatalf("%+v", before)
	}
	if diff := cmp.Diff(before, w.engine.Holds()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(scopes, w.store.Kept(target).Scopes); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsOursStaysOurs(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	eng := w.web.Named("eng")[0]
	w.web.Take(eng, w.account["h1"]) // by hand; the directory names them still
	w.carry(t, fmt.Sprintf(`[{"id": %q, "name": "eng", "user_ids": [%q, %q]}]`, eng, w.account["h0"], w.account["h1"]))
	w.wants(t, "eng", "h0", "h1")
	if !w.ours("eng", "h1") || !w.ours("eng", "h0") {
		t.Error("it is no longer ours")
	}
	w.play(t, "leave corp h1 eng\nrun")
	w.wants(t, "eng", "h0")
}

func TestACrashInTheMiddleOfAnImportIsSettled(t *testing.T) {
	t.Parallel()
	from := begin(t, two+"run")
	eng, ops := from.web.Named("eng")[0], from.web.Named("ops")[0]
	from.web.Place(ops, eng)
	from.web.Share(gpt(plan.Grant{Kind: plan.KindGroup, ID: eng, Permission: plan.Read}, plan.Grant{Kind: plan.KindGroup, ID: ops, Permission: plan.Read}))
	file := from.wholeExport(t)
	done := false
	for cut := 0; !done; cut++ {
		w := other(t)
		w.web.Share(gpt())
		w.store.Power.CutAfter(cut)
		w.tryCarry(t, file)
		done = w.err == nil
		w.store.Power.On()
		w.boot()
		// Nothing of it became ours, whatever was done; once more, and all is there once.
		w.carry(t, file)
		if w.last.Exit != run.ExitOK {
			t.Fatalf("dead after %d steps: %+v", cut, w.last)
		}
		w.wants(t, "eng", "h0", "h1")
		w.wants(t, "ops", "h0")
		kept := w.store.Kept(target)
		if len(w.web.Groups()) != 2 || w.web.Parent(w.web.Named("ops")[0]) != w.web.Named("eng")[0] || len(w.web.Grants(plan.ResourceKey{Type: plan.Models, ID: "gpt"})) != 2 {
			t.Errorf("dead after %d steps: groups %v", cut, w.web.Groups())
		}
		if len(kept.Owned)+len(kept.Links)+len(kept.Grants) != 0 {
			t.Errorf("dead after %d steps: owned %v, links %v, grants %v", cut, kept.Owned, kept.Links, kept.Grants)
		}
		if open, err := w.store.Open(target); err != nil || len(open) != 0 || w.store.Unsaved(target) != "" {
			t.Errorf("dead after %d steps: open intents %v, %v, not saved %q", cut, open, err, w.store.Unsaved(target))
		}
		if cut > 60 {
			t.Fatal("the import takes more steps than are tried")
		}
	}
}

func TestCallsOfAnImportThatFailAreSaid(t *testing.T) {
	t.Parallel()
	file := begin(t, two+"run").wholeExport(t)
	for name, fail := range map[string]func(op run.Op, accounts []string) enginetest.Fault{
		"no group is made": func(op run.Op, _ []string) enginetest.Fault {
			return map[run.Op]enginetest.Fault{run.CreateGroup: enginetest.FailsBefore}[op]
		},
		"nobody comes in": func(op run.Op, _ []string) enginetest.Fault {
			return map[run.Op]enginetest.Fault{run.AddMember: enginetest.Ignored}[op]
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := other(t)
			w.web.Fault = func(op run.Op, _ string, accounts []string) enginetest.Fault { return fail(op, accounts) }
			tr := w.carry(t, file)
			if w.last.Exit != run.ExitPartly && w.last.Exit != run.ExitTarget || outcomes(tr)[run.Failed] < 3 {
				t.Errorf("exit %d, %+v", w.last.Exit, tr.Changes)
			}
			w.web.Fault = nil
			w.carry(t, file)
			w.wants(t, "eng", "h0", "h1")
			w.wants(t, "ops", "h0")
		})
	}
}

func TestWhatAServerDoesNotKeepOfAFileIsAFailure(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	guild := w.web.Make("Guild")
	w.web.Fault = func(op run.Op, _ string, _ []string) enginetest.Fault {
		return map[run.Op]enginetest.Fault{run.UpdateGroup: enginetest.Ignored}[op]
	}
	tr := w.carry(t, fmt.Sprintf(`[{"id": %q, "name": "Guild", "description": "new"}]`, guild))
	if outcomes(tr)[run.Failed] != 1 || w.last.Exit != run.ExitPartly || !strings.Contains(tr.Changes[0].Error, "accepted the call, and description is ") {
		t.Errorf("%+v", tr.Changes)
	}
}

func TestAnImportRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	w.tryCarry(t, `{"name": "x"}`)
	if fault.KindOf(w.err) != fault.Invalid || !strings.Contains(w.err.Error(), "put one group alone into [ ]") {
		t.Error(w.err)
	}
	w.tryCarry(t, `[]`, func(r *run.ImportRequest) { r.Target = "elsewhere" })
	if fault.KindOf(w.err) != fault.Invalid {
		t.Error(w.err)
	}
	w.web.Down = fault.Errorf(fault.Unavailable, "read", "open webui", "down")
	w.tryCarry(t, `[{"name": "x"}]`)
	if w.err != nil || w.last.Exit != run.ExitTarget {
		t.Error(w.last, w.err)
	}
}
