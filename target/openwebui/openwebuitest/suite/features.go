package suite

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"groupsyncd/sync/plan"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

// Version asks the server which one it is.
func (w *World) Version(t *testing.T) string {
	t.Helper()
	var v struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(w.must(t, http.MethodGet, "/api/version", ""), &v); err != nil || v.Version == "" {
		t.Fatalf("the server does not tell its version: %v", err)
	}
	return v.Version
}

// has reports whether the table of features says that the server has one.
func (w *World) has(t *testing.T, name string) bool {
	t.Helper()
	for _, f := range openwebui.Features() {
		if f.Name == name {
			return openwebuitest.AtLeast(w.Version(t), f.Since)
		}
	}
	t.Fatalf("no feature is called %q", name)
	return false
}

// The features that decide what other checks expect.
const (
	oauthSettings = "its OAuth settings can be read"
	parents       = "a group has a parent"
)

// probes has for each feature the way to see whether a server has it.
func (w *World) probes() map[string]func(*testing.T) bool {
	return map[string]func(*testing.T) bool{
		"the first grant makes the row of a provider's model": w.firstGrant,
		"a role changed without the other fields of the account": func(t *testing.T) bool {
			return w.status(t, http.MethodPost, "/api/v1/users/"+w.account(t, "alone")+"/update", `{"role":"pending"}`) == http.StatusOK
		},
		"what an account may use is counted": func(t *testing.T) bool {
			return w.isJSON(t, "/api/v1/users/"+w.account(t, "counted")+"/preview")
		},
		"event webhooks": func(t *testing.T) bool { return w.isJSON(t, "/api/events/webhooks") },
		oauthSettings:    func(t *testing.T) bool { return w.isJSON(t, "/api/v1/auths/admin/config/oauth") },
		"its LDAP group settings can be read": func(t *testing.T) bool {
			return strings.Contains(string(w.must(t, http.MethodGet, "/api/v1/auths/admin/config/ldap/server", "")), `"enable_group_management"`)
		},
		parents: func(t *testing.T) bool {
			g := w.group(t, w.Client(t, nil).Session(), plan.GroupSpec{Name: "no parent"})
			return strings.Contains(string(w.must(t, http.MethodGet, "/api/v1/groups/id/"+g.ID, "")), `"parent_group_id"`)
		},
		"a group has default models": func(t *testing.T) bool {
			return w.updated(t, `"data":{"config":{"default_models":"no list"}}`) == http.StatusUnprocessableEntity
		},
		"sign-in sessions can be ended": func(t *testing.T) bool {
			return w.status(t, http.MethodPost, "/api/v1/users/"+w.account(t, "ended")+"/sessions/revoke", "") == http.StatusOK
		},
		"an update keeps the keys of data that it does not name": w.mergesData,
		"a group that is gone is answered 404": func(t *testing.T) bool {
			return w.status(t, http.MethodGet, "/api/v1/groups/id/no-such-group", "") == http.StatusNotFound
		},
		"a deleted group leaves no grants behind": w.takesGrantsAlong,
	}
}

// features compares the table of what versions can do with the server.
func (w *World) features(t *testing.T) {
	probes := w.probes()
	for _, f := range openwebui.Features() {
		probe := probes[f.Name]
		if probe == nil {
			t.Errorf("nothing tries whether %q", f.Name)
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			if is, should := probe(t), w.has(t, f.Name); is != should {
				t.Errorf("Open WebUI %s: the server has it: %t, the table says %t, since %s", w.Version(t), is, should, f.Since)
			}
		})
	}
	if len(probes) != len(openwebui.Features()) {
		t.Errorf("%d things are tried, the table has %d", len(probes), len(openwebui.Features()))
	}
}

func (w *World) status(t *testing.T, method, path, body string) int {
	t.Helper()
	status, _, _ := w.Raw(t, method, path, body)
	return status
}

// isJSON tells a call that there is from the page that answers for what is not.
func (w *World) isJSON(t *testing.T, path string) bool {
	t.Helper()
	status, header, _ := w.Raw(t, http.MethodGet, path, "")
	return status == http.StatusOK && strings.HasPrefix(header.Get("Content-Type"), "application/json")
}

// updated changes a group and gives the status of the answer.
func (w *World) updated(t *testing.T, field string) int {
	t.Helper()
	g := w.group(t, w.Client(t, nil).Session(), plan.GroupSpec{Name: "probe"})
	return w.status(t, http.MethodPost, "/api/v1/groups/id/"+g.ID+"/update", `{"name":"probe","description":"",`+field+`}`)
}

func (w *World) firstGrant(t *testing.T) bool {
	id := w.Prefix + "rowless"
	t.Cleanup(func() { w.post("/api/v1/models/model/delete", `{"id":"`+id+`"}`) })
	return w.status(t, http.MethodPost, "/api/v1/models/model/access/update", `{"id":"`+id+`","access_grants":[]}`) == http.StatusOK
}

func (w *World) mergesData(t *testing.T) bool {
	g := w.group(t, w.Client(t, nil).Session(), plan.GroupSpec{Name: "merge", Mark: &plan.Mark{Instance: "suite", Rule: "r", To: "t", Serial: 1}})
	path := "/api/v1/groups/id/" + g.ID
	w.must(t, http.MethodPost, path+"/update", `{"name":"`+g.Name+`","description":"","data":{"config":{"share":true}}}`)
	return strings.Contains(string(w.must(t, http.MethodGet, path, "")), `"groupsyncd"`)
}

// takesGrantsAlong deletes a group that may read a model.
func (w *World) takesGrantsAlong(t *testing.T) bool {
	g := w.group(t, w.Client(t, nil).Session(), plan.GroupSpec{Name: "granted"})
	id := w.Prefix + "granted"
	w.must(t, http.MethodPost, "/api/v1/models/create", `{"id":"`+id+`","name":"m","base_model_id":null,"meta":{},"params":{},`+
		`"access_grants":[{"principal_type":"group","principal_id":"`+g.ID+`","permission":"read"}]}`)
	t.Cleanup(func() { w.post("/api/v1/models/model/delete", `{"id":"`+id+`"}`) })
	read := func() bool {
		return strings.Contains(string(w.must(t, http.MethodGet, "/api/v1/models/model?id="+id, "")), g.ID)
	}
	if !read() {
		t.Fatal("the model was made without its grant")
	}
	w.must(t, http.MethodDelete, "/api/v1/groups/id/"+g.ID+"/delete", "")
	return !read()
}
