//go:build peers

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// write is one call to Open WebUI that changes something, and that it carried out.
type write struct {
	path  string
	group string
	users []string
}

// register stands before Open WebUI and keeps every write that got through.
type register struct {
	mu     sync.Mutex
	writes []write
}

// stand puts the register before the server of a world.
func (w *world) stand() *register {
	w.t.Helper()
	to, err := url.Parse(w.chat.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	k := &register{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = k.note
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		req.Header.Set("Accept-Encoding", "identity")
		if req.Method != http.MethodGet {
			body, err := io.ReadAll(req.Body)
			if err != nil {
				http.Error(rw, err.Error(), http.StatusBadGateway)
				return
			}
			req.Body = io.NopCloser(bytes.NewReader(body))
			req = req.WithContext(context.WithValue(req.Context(), bodyKey{}, body))
		}
		proxy.ServeHTTP(rw, req)
	}))
	w.t.Cleanup(front.Close)
	w.chatURL = front.URL
	w.configure()
	return k
}

// note keeps a write once its answer says that it was carried out.
func (k *register) note(resp *http.Response) error {
	req := resp.Request
	if req.Method == http.MethodGet || resp.StatusCode >= 300 {
		return nil
	}
	n := write{path: req.URL.Path}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	var group struct{ ID string }
	if err := json.Unmarshal(answer, &group); err != nil {
		return err
	}
	n.group = group.ID
	if rest, found := strings.CutPrefix(n.path, "/api/v1/groups/id/"); found {
		n.group, _, _ = strings.Cut(rest, "/")
	}
	if body := req.Context().Value(bodyKey{}); body != nil {
		var ids struct {
			UserIDs []string `json:"user_ids"`
		}
		if err := json.Unmarshal(body.([]byte), &ids); err != nil {
			return err
		}
		n.users = ids.UserIDs
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writes = append(k.writes, n)
	return nil
}

// bodyKey is where the body of a request is kept until its answer is there.
type bodyKey struct{}

// taken gives what was written since the last time.
func (k *register) taken() []write {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := k.writes
	k.writes = nil
	return out
}

// audited shows that the audit is whole, and that it and those of other states together
// have exactly one record for everything that Open WebUI was told since the last time.
// known are the records before that.
func (w *world) audited(k *register, known *int, others ...*world) {
	w.t.Helper()
	lines := w.exported()
	have := map[string]int{}
	w.count(have, lines[min(*known, len(lines)):])
	*known = len(lines)
	for _, o := range others {
		w.count(have, o.exported())
	}
	want := map[string]int{}
	writes := k.taken()
	for _, n := range writes {
		switch {
		case strings.HasSuffix(n.path, "/users/add"):
			for _, u := range n.users {
				want[string(run.AddMember)+" "+n.group+" "+u]++
			}
		case strings.HasSuffix(n.path, "/users/remove"):
			for _, u := range n.users {
				want[string(run.RemoveMember)+" "+n.group+" "+u]++
			}
		case strings.HasSuffix(n.path, "/create"):
			want[string(run.CreateGroup)+" "+n.group+" "]++
		case strings.HasSuffix(n.path, "/update"):
			want[string(run.UpdateGroup)+" "+n.group+" "]++
		default:
			w.t.Errorf("Open WebUI was told %s, and nobody knows what that is", n.path)
		}
	}
	for key, n := range want {
		if have[key] != n {
			w.t.Errorf("audit: %q was written %d times and is recorded %d times", key, n, have[key])
		}
	}
	for key, n := range have {
		if want[key] != n {
			w.t.Errorf("audit: %q is recorded %d times and was written %d times", key, n, want[key])
		}
	}
	w.t.Logf("audit: %d records, %d writes, each with its record", len(lines), len(writes))
}

// exported checks the audit and gives its lines.
func (w *world) exported() []string {
	w.t.Helper()
	w.must(run.ExitOK, "audit", "verify")
	return strings.Split(strings.TrimSpace(w.must(run.ExitOK, "audit", "export").Out), "\n")
}

// count counts the records of what was told to Open WebUI.
func (w *world) count(have map[string]int, lines []string) {
	w.t.Helper()
	for _, line := range lines {
		var r run.AuditRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			w.t.Fatalf("%v: %s", err, line)
		}
		if e := &r.Event; e.Kind == run.EventChange && e.Outcome == run.Applied {
			switch e.Op {
			case run.AddMember, run.RemoveMember, run.CreateGroup, run.UpdateGroup:
				have[string(e.Op)+" "+e.Group+" "+e.User]++
			}
		}
	}
}

// team adds a group to the directory, with the numbers of its people.
func (w *world) team(name string, people ...int) {
	w.t.Helper()
	add := ldap.NewAddRequest(teamDN(name), nil)
	add.Attribute("objectClass", []string{"groupOfNames"})
	add.Attribute("cn", []string{name})
	add.Attribute("member", dns(people))
	if err := w.slapd.Admin(w.t).Add(add); err != nil {
		w.t.Fatal(err)
	}
}

// staff makes exactly those the people of a group of the directory.
func (w *world) staff(name string, people ...int) {
	w.t.Helper()
	change := ldap.NewModifyRequest(teamDN(name), nil)
	change.Replace("member", dns(people))
	if err := w.slapd.Admin(w.t).Modify(change); err != nil {
		w.t.Fatal(err)
	}
}

func teamDN(name string) string { return "cn=" + name + "," + ldif.Groups }

func dns(people []int) []string {
	out := make([]string, len(people))
	for i, n := range people {
		out[i] = "uid=" + ldif.UID(n) + "," + ldif.People
	}
	return out
}

// has demands exactly those people in a group of Open WebUI.
func (w *world) has(when, name string, people ...int) {
	w.t.Helper()
	var want []string
	for _, n := range people {
		want = append(want, ldif.Mail(n))
	}
	slices.Sort(want)
	if got := w.groups()[name].members; !slices.Equal(got, want) {
		w.t.Errorf("%s: %s has %v, not %v", when, name, got, want)
	}
}

// put puts somebody into a group of Open WebUI by hand.
func (w *world) put(name string, person int) {
	w.t.Helper()
	w.call(http.MethodPost, "/api/v1/groups/id/"+w.id(name)+"/users/add", `{"user_ids":["`+w.account(ldif.Mail(person))+`"]}`, nil)
}

// daemon starts the daemon of a world with an admin listener, and gives its address and
// how to stop it.
func (w *world) daemon() (base string, stop func()) {
	w.t.Helper()
	addr := peer.FreeAddr(w.t)
	w.Write(w.t, "alice", aliceToken)
	w.admin = `{listen: "` + addr + `", approvers: {alice: "file:alice"}}`
	w.configure()
	return "http://" + addr, w.Serve(w.t, addr)
}

const aliceToken = "alice-token-for-a-server-on-loopback"

// ask asks the admin listener and demands a status.
func (w *world) ask(status int, method, address, token, body string) string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode != status {
		w.t.Errorf("%s %s: %s\n%s", method, address, resp.Status, text)
	}
	return string(text)
}
