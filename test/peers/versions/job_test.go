//go:build peers

package versions

import (
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/target/openwebui/openwebuitest/suite"
	"groupsyncd/test/peers/peer"
)

// TestTheMainJob is one company over some time. The names of the steps are rows of the table
// in docs/open-webui-versions.md.
func TestTheMainJob(t *testing.T) {
	t.Parallel()
	for _, version := range peer.OpenWebUIVersions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, version, 70)
			newest := version == peer.OpenWebUIVersions()[0]
			if !newest { // with the newest, package suite does both itself
				w.step("the simulator answers as it does", w.compared)
				w.step("the suite of the simulator", func() { suite.Run(w.t, w.suite()) })
			}
			w.configure("", "")
			for _, s := range w.job() {
				w.row(s.name)
				w.step(s.name, s.do)
			}
			if newest {
				w.step("it is started again", w.restarted)
			} else {
				w.step("it is upgraded under a state that goes on", w.upgraded)
			}
		})
	}
}

// step is a part of the main job.
type step struct {
	name string
	do   func()
}

// job lists the parts of the main job, each of which every version does.
func (w *world) job() []step {
	return []step{
		{"groups and members are made", w.made},
		{"a group that is there is taken over, and keeps what others keep in it", w.adopted},
		{"members come and go", w.moved},
		{"who is missing goes after the second look", w.missing},
		{"a renamed group keeps its id", w.renamed},
		{"members made by hand stay", w.byHand},
		{"what is too much waits for its approval", w.approval},
		{"a run with nothing to do costs three requests", w.idle},
		{"a run is undone", w.reverted},
		{"a group deleted by hand is noticed", w.deleted},
		{"permissions and share", w.rights},
		{"models are granted, and no more", w.granted},
		{"a leaver is pending and comes back", w.suspended},
		{"parents and default models, or it is said", w.placed},
		{"event webhooks, or it is said", w.webhooks},
		{"doctor finds nothing that fails", w.doctor},
	}
}

// row makes sure that the table of versions says of a part of the job what is tried here.
func (w *world) row(name string) {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(peer.Root(w.t), "docs", "open-webui-versions.md"))
	if err != nil {
		w.t.Fatal(err)
	}
	if row := "| " + name + strings.Repeat(" | yes", len(peer.OpenWebUIVersions())) + " |"; !strings.Contains(string(b), row+"\n") {
		w.t.Errorf("docs/open-webui-versions.md has no row %q", row)
	}
}

func (w *world) suite() *suite.World {
	return &suite.World{URL: w.chat.URL, Key: w.key, Prefix: "suite-", Wait: time.Sleep}
}

func (w *world) compared() {
	sim := openwebuitest.NewTest(w.t, openwebuitest.Options{Version: w.version})
	suite.Compare(w.t, w.suite(), &suite.World{URL: sim.URL, Key: sim.Key, Prefix: "suite-", Wait: func(time.Duration) {}})
}

func (w *world) made() {
	w.staff("alpha", span(1, 12)...)
	w.staff("beta", span(13, 18)...)
	w.write()
	r := w.sync(run.ExitOK)
	if s := r.Target().Summary; s.GroupsCreated != 2 || s.MembersAdded != 18 || r.Target().Version != w.version {
		w.t.Errorf("version %q, the sync did %+v", r.Target().Version, s)
	}
	w.has("made,", "alpha", span(1, 12)...)
	w.has("made,", "beta", span(13, 18)...)
	if text := string(w.group("alpha").Data["groupsyncd"]); !strings.Contains(text, `"instance"`) {
		w.t.Errorf("the mark of alpha is %s", text)
	}
}

func (w *world) adopted() {
	var made struct{ ID string }
	w.do(http.MethodPost, "/api/v1/groups/create", map[string]any{"name": "gamma", "description": "by hand", "data": map[string]any{"own": map[string]int{"n": 1}}}, &made)
	w.put("gamma", 20)
	w.put("gamma", 21)
	w.staff("gamma", 20, 22)
	r := w.sync(run.ExitOK)
	if s := r.Target().Summary; s.GroupsCreated != 0 || s.MembersAdded != 1 || s.MembersAdopted != 1 {
		w.t.Errorf("the sync did %+v", s)
	}
	w.has("taken over,", "gamma", 20, 21, 22)
	if g := w.group("gamma"); g.ID != made.ID || g.Description != "by hand" || string(g.Data["own"]) != `{"n":1}` {
		w.t.Errorf("taken over: %+v", g)
	}
}

func (w *world) moved() {
	w.staff("alpha", append(span(2, 12), 19)...)
	r := w.sync(run.ExitOK)
	if s := r.Target().Summary; s.MembersAdded != 1 || s.MembersRemoved != 1 {
		w.t.Errorf("the sync did %+v", s)
	}
	w.has("after one left and one joined,", "alpha", append(span(2, 12), 19)...)
}

func (w *world) missing() {
	w.people = slices.DeleteFunc(w.people, func(n int) bool { return n == 13 })
	w.write()
	w.sync(run.ExitOK)
	w.has("missed once,", "beta", span(13, 18)...)
	time.Sleep(1100 * time.Millisecond) // absence.over
	w.sync(run.ExitOK)
	w.has("missed twice,", "beta", span(14, 18)...)
}

func (w *world) renamed() {
	before := w.group("beta")
	w.names["beta"] = "ai-beta two"
	w.write()
	w.sync(run.ExitOK)
	if g := w.group("beta two"); g.ID != before.ID || string(g.Data["groupsyncd"]) == "" || string(g.Data["config"]) != string(before.Data["config"]) {
		w.t.Errorf("renamed: %+v, before %+v", g, before)
	}
	w.has("renamed,", "beta two", span(14, 18)...)
}

func (w *world) byHand() {
	w.do(http.MethodPost, "/api/v1/groups/create", map[string]any{"name": "theirs", "description": ""}, nil)
	w.put("theirs", 40)
	w.put("alpha", 41)
	w.staff("alpha", append(span(2, 11), 19)...)
	if s := w.sync(run.ExitOK).Target().Summary; s.MembersRemoved != 1 || s.MembersAdded != 0 {
		w.t.Errorf("the sync did %+v", s)
	}
	w.has("with a member made by hand,", "alpha", append(span(2, 11), 19, 41)...)
	w.has("made by hand,", "theirs", 40)
}

func (w *world) approval() {
	w.staff("alpha", 2, 3)
	if r := w.sync(run.ExitHeld); !r.Held(run.MaxGroupLoss) || r.Target().Summary.MembersRemoved != 0 {
		w.t.Fatalf("held: %+v", r.Target().Holds)
	}
	w.has("while it is held,", "alpha", append(span(2, 11), 19, 41)...)
	w.Must(w.t, run.ExitOK, "approve", w.Hold(w.t, run.MaxGroupLoss).Hash, "--reason", "they moved")
	w.sync(run.ExitOK)
	w.has("approved,", "alpha", 2, 3, 41)
}

func (w *world) idle() {
	w.t.Helper()
	for range 5 {
		time.Sleep(3100 * time.Millisecond) // until a change cannot hide behind an equal time
		tr := w.sync(run.ExitOK).Target()
		if tr.Writes != 0 || len(tr.Changes) != 0 {
			w.t.Errorf("%d writes, %+v", tr.Writes, tr.Changes)
		}
		if tr.Requests == 3 {
			return
		}
	}
	w.t.Error("every run with nothing to do costs more than three requests")
}

func (w *world) reverted() {
	w.staff("gamma", 22, 23)
	r := w.sync(run.ExitOK)
	w.has("before,", "gamma", 21, 22, 23)
	w.Must(w.t, run.ExitOK, "revert", r.Report.Run, "--reason", "it was wrong")
	w.has("undone,", "gamma", 20, 21, 22)
	if r := w.sync(run.ExitHeld); !r.Held(run.Reverted) || r.Target().Writes != 0 {
		w.t.Errorf("held: %+v", r.Target().Holds)
	}
	w.staff("gamma", 20, 22)
	w.sync(run.ExitOK)
}

func (w *world) deleted() {
	before := w.group("gamma").ID
	w.do(http.MethodDelete, "/api/v1/groups/id/"+before+"/delete", nil, nil)
	if s := w.sync(run.ExitOK).Target().Summary; s.GroupsCreated != 1 || s.Failed != 0 {
		w.t.Errorf("the sync did %+v", s)
	}
	w.has("made again,", "gamma", 20, 22)
	if w.group("gamma").ID == before {
		w.t.Error("the group was never deleted")
	}
}

func (w *world) rights() {
	w.do(http.MethodPost, "/api/v1/groups/id/"+w.group("alpha").ID+"/update", map[string]any{"name": "alpha", "description": "",
		"data": map[string]any{"groupsyncd": w.group("alpha").Data["groupsyncd"], "own": 1}}, nil)
	w.configure(`, permissions: [curator], share: nobody, description: "From the directory"`, "")
	w.sync(run.ExitOK)
	g := w.group("alpha")
	set := g.rights(w.t)
	if !set["workspace.models"] || !set["workspace.knowledge"] || set["workspace.tools"] || string(g.Data["own"]) != "1" || g.Description != "From the directory" {
		w.t.Errorf("alpha: %+v, %v", g, set)
	}
	if config := strings.ReplaceAll(string(g.Data["config"]), " ", ""); !strings.Contains(config, `"share":false`) {
		w.t.Errorf("share: %s", config)
	}
	if r := w.sync(run.ExitOK); r.Target().Writes != 0 {
		w.t.Errorf("the next sync wrote: %+v", r.Target().Changes)
	}
}

// readers are the groups that may read the model, sorted.
func (w *world) readers() []string {
	w.t.Helper()
	var m struct {
		Grants []struct {
			Kind string `json:"principal_type"`
			ID   string `json:"principal_id"`
		} `json:"access_grants"`
	}
	if w.chat.Try(w.t, w.key, http.MethodGet, "/api/v1/models/model?id="+model, &m) == http.StatusNotFound {
		return nil // it has no row yet
	}
	var ids []string
	for _, g := range m.Grants {
		if g.Kind == "group" {
			ids = append(ids, g.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func (w *world) granted() {
	if before := w.readers(); len(before) != 0 {
		w.t.Fatalf("the model is shared with %v", before)
	}
	w.configure(`, models: ["base-*"]`, "")
	w.sync(run.ExitOK)
	want := []string{w.group("alpha").ID, w.group("beta two").ID, w.group("gamma").ID}
	slices.Sort(want)
	if have := w.readers(); !slices.Equal(have, want) {
		w.t.Errorf("the model may be read by %v, not %v", have, want)
	}
	if r := w.sync(run.ExitOK); r.Target().Writes != 0 {
		w.t.Errorf("the next sync wrote: %+v", r.Target().Changes)
	}
	w.configure("", "")
	w.sync(run.ExitOK)
	if have := w.readers(); len(have) != 0 {
		w.t.Errorf("after the rule names it no longer it may be read by %v", have)
	}
}

// picture gives somebody a picture at an address, as a sign-in through a provider does.
func (w *world) picture(n int, address string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "python3", "-c",
		`import sqlite3, sys; d = sqlite3.connect(sys.argv[1], timeout=30); d.execute("UPDATE user SET profile_image_url = ? WHERE id = ?", sys.argv[2:]); d.commit()`,
		filepath.Join(w.chat.Dir, "data", "webui.db"), address, w.id(n))
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
}

func (w *world) suspended() {
	w.configure("", ", accounts: {}")
	w.sync(run.ExitOK)
	for _, n := range []int{2, 14} {
		w.picture(n, "https://idp.example.org/face.png")
	}
	session := w.chat.Login(w.t, "u0000002@example.test")
	w.disabled[2], w.disabled[14] = true, true
	w.write()
	if s := w.sync(run.ExitOK).Target().Summary; s.RolesChanged != 2 || s.Failed != 0 {
		w.t.Errorf("the sync did %+v", s)
	}
	if w.role(2) != "pending" || w.role(14) != "pending" || w.role(3) != "user" {
		w.t.Errorf("roles: %s, %s, %s", w.role(2), w.role(14), w.role(3))
	}
	if status := w.chat.Try(w.t, session, http.MethodGet, "/api/v1/groups/", nil); status != http.StatusUnauthorized {
		w.t.Errorf("a living sign-in of somebody pending is answered %d", status)
	}
	w.has("with somebody pending,", "alpha", 3, 41)
	w.disabled = map[int]bool{}
	w.write()
	if s := w.sync(run.ExitOK).Target().Summary; s.RolesChanged != 2 {
		w.t.Errorf("the sync did %+v", s)
	}
	if w.role(2) != "user" {
		w.t.Errorf("back with the role %s", w.role(2))
	}
	w.sync(run.ExitOK)
	w.has("back,", "alpha", 2, 3, 41)
	// The server's own first account stays what it is, also in the versions that fail on it.
	if r := w.sync(run.ExitOK); r.Target().Writes != 0 || r.Target().Summary.Failed != 0 {
		w.t.Errorf("the next sync did %+v", r.Target().Summary)
	}
}

func (w *world) placed() {
	w.configure(`, parent: theirs, default_models: [`+model+`]`, "")
	r := w.sync(run.ExitOK)
	g := w.group("alpha")
	switch able := w.since("0.12.4"); {
	case able && (g.Parent != w.group("theirs").ID || !strings.Contains(string(g.Data["config"]), model) || said(r, "has no effect")):
		w.t.Errorf("placed: %+v, %+v", g, r.Target().Problems)
	case !able && (g.Parent != "" || !said(r, "`parent` has no effect in Open WebUI "+w.version) || !said(r, "`default_models` has no effect")):
		w.t.Errorf("placed: %+v, %+v", g, r.Target().Problems)
	}
	found := w.Run(w.t, "doctor").Out
	if strings.Contains(found, "`parent` has no effect") == w.since("0.12.4") {
		w.t.Errorf("doctor says:\n%s", found)
	}
	w.configure("", "")
	w.sync(run.ExitOK)
}

func (w *world) webhooks() {
	w.Write(w.t, "hook", strings.Repeat("5ecret", 8))
	w.configure("", "")
	text, listen := w.text(), peer.FreeAddr(w.t)
	w.Configure(w.t, strings.Replace(text, "server: {", "webhooks: {chat-events: {type: openwebui, secret: \"file:hook\", target: chat}}\nserver: {public: {listen: \""+listen+"\", url: \"http://"+listen+"\"}, ", 1))
	r := w.Run(w.t, "webhook", "setup", "chat")
	if able := w.since("0.11.4"); able != (r.Code == run.ExitOK) || !able && (!strings.Contains(r.Logs, "0.10.0") || !strings.Contains(r.Logs, "watch")) {
		w.t.Errorf("webhook setup ended with %d:\n%s%s", r.Code, r.Out, r.Logs)
	}
	w.Run(w.t, "webhook", "setup", "chat", "--remove")
	w.Configure(w.t, text)
}

func (w *world) doctor() {
	r := w.Must(w.t, run.ExitOK, "doctor")
	if !strings.Contains(r.Out, "Open WebUI "+w.version) {
		w.t.Errorf("doctor says:\n%s", r.Out)
	}
	if shown := w.since("0.11.4"); shown == strings.Contains(r.Out, "does not show it") {
		w.t.Errorf("doctor says of its own group sync:\n%s", r.Out)
	}
	w.t.Log(r.Out)
}

func (w *world) restarted() {
	w.chat.Stop(w.t)
	w.chat.Start(w.t)
	w.idle()
}

// upgraded starts the newest version on what this one has left. Nothing is lost, the server
// is not taken for another, and the marks are read as before.
func (w *world) upgraded() {
	before := []*group{w.group("alpha"), w.group("beta two"), w.group("gamma"), w.group("theirs")}
	newest := peer.OpenWebUIVersions()[0]
	w.chat.Upgrade(w.t, newest)
	r := w.sync(run.ExitOK)
	if tr := r.Target(); tr.Version != newest || tr.Writes != 0 || len(tr.Changes) != 0 || len(tr.Holds) != 0 || said(r, "") {
		w.t.Errorf("the first sync after the upgrade: %+v", tr)
	}
	w.idle()
	for _, was := range before {
		is := w.group(was.Name)
		slices.Sort(is.UserIDs)
		slices.Sort(was.UserIDs)
		if is.ID != was.ID || !slices.Equal(is.UserIDs, was.UserIDs) || string(is.Data["groupsyncd"]) != string(was.Data["groupsyncd"]) || !maps.Equal(is.rights(w.t), was.rights(w.t)) {
			w.t.Errorf("before the upgrade %+v, after it %+v", was, is)
		}
	}
	w.staff("gamma", 20, 22, 24)
	w.staff("alpha", 3)
	if s := w.sync(run.ExitOK).Target().Summary; s.MembersAdded != 1 || s.MembersRemoved != 1 {
		w.t.Errorf("the sync did %+v", s)
	}
	w.has("after the upgrade,", "gamma", 20, 22, 24)
	w.has("after the upgrade,", "alpha", 3, 41)
	w.configure(`, parent: theirs`, "")
	w.sync(run.ExitOK)
	if w.group("alpha").Parent != w.group("theirs").ID {
		w.t.Error("what the new version can do is not done")
	}
}
