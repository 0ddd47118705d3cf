//go:build peers

package rights

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// TestAccountsFollowTheDirectory is one company over some time: people become administrators
// and stop being that, leave and come back.
func TestAccountsFollowTheDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30, []string{"base-1"})
	s := &staff{company: w.directory(30, peer.SlapdOptions{PPolicy: true}), keyFile: w.chat.KeyFile}
	s.Write(t, "hook", webhookSecret)
	s.public, s.admin = peer.FreeAddr(t), peer.FreeAddr(t)
	s.group("deputies", []int{3})
	s.group("admins", []int{1, 2}, "deputies")
	s.group("ai-people", span(1, 20))
	s.configure()
	// A model, knowledge and the right to a key of one's own, so that there is something to lose.
	tree := s.defaults()
	tree["features"].(map[string]any)["api_keys"] = true
	s.setDefaults(tree)

	s.step("whoever is in the group itself becomes an administrator within one run", s.promoted)
	s.step("whoever is taken out is what they were before", s.demoted)
	s.step("the last administrator, the primary one and our own account stay", s.lastAdmin)
	s.step("a leaver is pending after one run and is refused at once", s.leaver)
	s.step("a leaver is pending after one webhook", s.webhook)
	s.step("a person whom an administrator suspended stays suspended", s.suspended)
	s.step("the built-in role sync is found", s.roleSync)
}

// staff is a company whose people have accounts.
type staff struct {
	*company
	// public and admin are our listeners, keyFile has the key that we use.
	public, admin, keyFile string
}

func (s *staff) configure() {
	s.t.Helper()
	s.Configure(s.t, fmt.Sprintf(`state: state
server:
  public: {listen: %q}
  admin: {listen: %q}
sources:
  corp: %s
targets:
  chat:
    type: openwebui
    url: %q
    api_key: "file:%s"
    watch: off
    accounts:
      role:
        admin: [{from: corp, match: {dn: %q}}]
        user: [{from: corp, match: "ai-*"}]
rules:
  - {name: ai, from: corp, match: "ai-*", permissions: [curator], models: [base-1]}
permission_sets:
  curator: {workspace: {knowledge: true, prompts: true}}
webhooks:
  changes: {type: standard, secret: "file:hook", source: corp}
`, s.public, s.admin, s.source(`, schedule: "every 24h", changes: off`), s.chat.URL, s.keyFile, groupDN("admins")))
}

// administers says whether Open WebUI lets somebody do what only administrators may.
func (s *staff) administers(n int) bool {
	s.t.Helper()
	return s.as(s.chat.Login(s.t, ldif.Mail(n)), http.MethodGet, "/api/v1/users/all", nil) == http.StatusOK
}

func (s *staff) promoted() {
	t := s.t
	r := s.Sync(t, run.ExitOK)
	if n := r.Target().Summary.RolesChanged; n != 2 {
		t.Errorf("%d roles changed, not 2: %+v", n, r.Target().Changes)
	}
	for n, want := range map[int]bool{1: true, 2: true, 3: false, 4: false} {
		if got := s.administers(n); got != want {
			t.Errorf("person %d is an administrator: %t", n, got)
		}
	}
	again := s.Sync(t, run.ExitOK)
	if n := again.Target().Writes; n != 0 {
		t.Errorf("the next run wrote %d times: %+v", n, again.Target().Changes)
	}
	var who struct{ People []struct{ Email string } }
	s.Must(t, run.ExitOK, "access", "who", "role:admin", "-o", "json").Decode(t, &who)
	admins := []string{}
	for _, p := range who.People {
		admins = append(admins, p.Email)
	}
	if want := []string{s.chat.Admin, ldif.Mail(1), ldif.Mail(2)}; !slices.Equal(sorted(admins), want) {
		t.Errorf("access says that %q are administrators, not %q", admins, want)
	}
}

func (s *staff) demoted() {
	t := s.t
	session := s.chat.Login(t, ldif.Mail(1))
	s.staff("admins", []int{2}, "deputies")
	r := s.Sync(t, run.ExitOK)
	if n := r.Target().Summary.RolesChanged; n != 1 || s.role(1) != "user" || s.role(2) != "admin" {
		t.Errorf("%d roles changed, person 1 is %s, person 2 is %s: %+v", n, s.role(1), s.role(2), r.Target().Changes)
	}
	if status := s.as(session, http.MethodGet, "/api/v1/users/all", nil); status != http.StatusUnauthorized {
		t.Errorf("the session from before may still list all accounts: %d", status)
	}
	if status := s.as(session, http.MethodGet, "/api/v1/users/permissions", nil); status != http.StatusOK {
		t.Errorf("the session from before has ended: %d", status)
	}
}

// lastAdmin works with the key of person 2, whom the directory made an administrator. With
// nobody but them in the group, and then nobody at all, they stay: nothing of ours could
// undo that. The administrator who came first stays too, although the directory disables them.
func (s *staff) lastAdmin() {
	t := s.t
	var key struct {
		APIKey string `json:"api_key"`
	}
	s.chat.Do(t, s.chat.Login(t, ldif.Mail(2)), http.MethodPost, "/api/v1/auths/api_key", nil, &key)
	s.Write(t, "second-key", key.APIKey)
	s.keyFile = "second-key"
	s.configure()
	first := ldap.NewAddRequest("uid=first,"+ldif.People, nil)
	for name, value := range map[string]string{"objectClass": "inetOrgPerson", "cn": "First", "sn": "First", "uid": "first", "mail": s.chat.Admin, "employeeType": "left"} {
		first.Attribute(name, []string{value})
	}
	if err := s.ldap.Add(first); err != nil {
		t.Fatal(err)
	}
	s.staff("admins", nil, "deputies")
	for range 2 {
		r := s.Run(t, "sync", "-o", "json")
		r.Decode(t, &r.Report)
		if s.role(2) != "admin" || s.accounts()[s.chat.Admin].Role != "admin" || r.Target().Summary.RolesChanged != 0 {
			t.Fatalf("our own account is %s, the first administrator %s: %+v", s.role(2), s.accounts()[s.chat.Admin].Role, r.Target().Changes)
		}
		if kept := s.kept(r); !slices.Equal(kept, []string{ldif.Mail(2)}) {
			t.Errorf("the report says that the roles of %q were kept: %+v", kept, r.Target().Changes)
		}
	}
	if err := s.ldap.Del(ldap.NewDelRequest("uid=first,"+ldif.People, nil)); err != nil {
		t.Fatal(err)
	}
	s.staff("admins", []int{2}, "deputies")
	s.keyFile = s.chat.KeyFile
	s.configure()
	s.Sync(t, run.ExitOK)
}

// kept gives the mail addresses of whom a run would have taken a role, but never may.
func (s *staff) kept(r *peer.Result) []string {
	out := []string{}
	for _, c := range r.Target().Changes {
		if c.Op == run.SetRole && c.Hold != nil && (c.Hold.Check == run.Protected || c.Hold.Check == run.LastAdmin) {
			out = append(out, c.User.Email)
		}
	}
	return sorted(out)
}

// rights is everything that somebody may do and see.
type rights struct {
	role        string
	permissions map[string]bool
	things      []string
	groups      []string
}

func (s *staff) rights(n int) rights {
	s.t.Helper()
	token := s.chat.Login(s.t, ldif.Mail(n))
	out := rights{role: s.role(n)}
	out.permissions, _ = s.permissions(token)
	for thing, shown := range s.listed(token) {
		out.things = append(out.things, fmt.Sprint(thing, shown.Write))
	}
	slices.Sort(out.things)
	out.groups = s.groupsOf(token)
	return out
}

// groupsOf gives the names of the groups that somebody sees as theirs.
func (w *world) groupsOf(token string) []string {
	w.t.Helper()
	var list []web
	w.chat.Do(w.t, token, http.MethodGet, "/api/v1/groups/", nil, &list)
	names := []string{}
	for i := range list {
		names = append(names, list[i].Name)
	}
	return sorted(names)
}

func (r rights) equal(o rights) bool {
	return r.role == o.role && maps.Equal(r.permissions, o.permissions) && slices.Equal(r.things, o.things) && slices.Equal(r.groups, o.groups)
}

// outside demands that a session and a key are refused.
func (s *staff) outside(n int, session, key string) {
	s.t.Helper()
	if role := s.role(n); role != "pending" {
		s.t.Errorf("person %d is %s", n, role)
	}
	for what, token := range map[string]string{"session": session, "API key": key} {
		for _, path := range []string{"/api/v1/users/permissions", "/api/models", "/api/v1/groups/", "/api/v1/knowledge/"} {
			if status := s.as(token, http.MethodGet, path, nil); status != http.StatusUnauthorized {
				s.t.Errorf("the %s of person %d gets %d for %s", what, n, status, path)
			}
		}
	}
}

// ownKey makes somebody an API key.
func (s *staff) ownKey(session string) string {
	s.t.Helper()
	var key struct {
		APIKey string `json:"api_key"`
	}
	s.chat.Do(s.t, session, http.MethodPost, "/api/v1/auths/api_key", nil, &key)
	if status := s.as(key.APIKey, http.MethodGet, "/api/models", nil); status != http.StatusOK {
		s.t.Fatalf("a new API key gets %d", status)
	}
	return key.APIKey
}

func (s *staff) leaver() {
	t := s.t
	const who = 5
	session := s.chat.Login(t, ldif.Mail(who))
	key, before := s.ownKey(session), s.rights(who)
	s.lock(who, true)
	r := s.Sync(t, run.ExitOK)
	if r.Target().Summary.RolesChanged != 1 {
		t.Errorf("the sync did %+v", r.Target().Summary)
	}
	s.outside(who, session, key)
	s.Sync(t, run.ExitOK)
	s.outside(who, session, key)

	s.lock(who, false)
	s.Sync(t, run.ExitOK)
	if after := s.rights(who); !after.equal(before) {
		t.Errorf("before:\n%+v\nafter:\n%+v", before, after)
	}
	if status := s.as(key, http.MethodGet, "/api/models", nil); status != http.StatusOK {
		t.Errorf("their API key gets %d", status)
	}
	// The session was ended, and is not alive again.
	if status := s.as(session, http.MethodGet, "/api/models", nil); status != http.StatusUnauthorized {
		t.Errorf("the session from before gets %d", status)
	}
	if again := s.Sync(t, run.ExitOK); again.Target().Writes != 0 {
		t.Errorf("the next run did %+v", again.Target().Changes)
	}
}

// lock has the directory lock an account as it does after too many wrong passwords.
func (c *company) lock(n int, locked bool) {
	c.t.Helper()
	change := ldap.NewModifyRequest(personDN(n), nil)
	if locked {
		change.Replace("pwdAccountLockedTime", []string{"000001010000Z"})
	} else {
		change.Replace("pwdAccountLockedTime", nil)
	}
	if err := c.ldap.Modify(change); err != nil {
		c.t.Fatal(err)
	}
}

// webhookSecret is as the standard wants it.
const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// tell posts a signed webhook about somebody, and gives the report of the run.
func (s *staff) tell(id string, n int) run.Report {
	s.t.Helper()
	t := s.t
	body, err := json.Marshal(map[string]any{"type": "user.changed", "timestamp": time.Now().UTC().Format(time.RFC3339), "data": map[string]string{"user": ldif.Mail(n)}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhookSecret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.public+"/hooks/changes?wait=10s", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", stamp)
	req.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var report run.Report
	if err := json.Unmarshal(text, &report); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the webhook got %s: %v: %.500s", resp.Status, err, text)
	}
	return report
}

// runs gives the runs that are over.
func (s *staff) runs() []run.Report {
	s.t.Helper()
	var list struct{ Runs []run.Report }
	s.Must(s.t, run.ExitOK, "history", "-o", "json").Decode(s.t, &list)
	return list.Runs
}

func (s *staff) webhook() {
	t := s.t
	const who = 6
	session := s.chat.Login(t, ldif.Mail(who))
	key, before := s.ownKey(session), s.rights(who)
	runs := len(s.runs())
	stop := s.Serve(t, s.admin)
	defer stop()
	// The run that the daemon begins with shall not do what the webhook is for.
	peer.Until(t, "the first run of the daemon is over", func() bool { return len(s.runs()) > runs })
	s.disable(who, true)
	began := time.Now()
	report := s.tell("one", who)
	took := time.Since(began)
	s.outside(who, session, key)
	if n := report.Targets[0].Summary.RolesChanged; n != 1 || report.Trigger != run.Webhook {
		t.Errorf("%d roles changed by %s: %+v", n, report.Trigger, report.Targets[0].Changes)
	}
	t.Logf("from the webhook to the answer: %s, %d requests", took.Round(time.Millisecond), report.Targets[0].Requests)

	s.disable(who, false)
	s.tell("two", who)
	if after := s.rights(who); !after.equal(before) {
		t.Errorf("before:\n%+v\nafter:\n%+v", before, after)
	}
	if status := s.as(key, http.MethodGet, "/api/models", nil); status != http.StatusOK {
		t.Errorf("their API key gets %d", status)
	}
}

func (s *staff) suspended() {
	t := s.t
	const who = 7
	s.setRole(s.accounts()[ldif.Mail(who)].ID, "pending")
	for range 2 {
		r := s.Sync(t, run.ExitOK)
		if role := s.role(who); role != "pending" || r.Target().Summary.RolesChanged != 0 {
			t.Errorf("they are %s: %+v", role, r.Target().Changes)
		}
		if !r.Problem(run.KindSuspended) {
			t.Errorf("nobody is told: %+v", r.Target().Problems)
		}
	}
}

// roleSync is the role sync of Open WebUI itself, switched on by an administrator, and then
// by the environment.
func (s *staff) roleSync() {
	t := s.t
	found := func(how string) {
		t.Helper()
		if r := s.Sync(t, run.ExitOK); !r.Problem(run.KindCompeting) {
			t.Errorf("%s: a run reports %+v", how, r.Target().Problems)
		}
		if r := s.Run(t, "doctor"); !strings.Contains(r.Out, "ENABLE_OAUTH_ROLE_MANAGEMENT") {
			t.Errorf("%s: doctor says\n%s", how, r.Out)
		}
	}
	var settings map[string]any
	s.do(http.MethodGet, "/api/v1/auths/admin/config/oauth", nil, &settings)
	if r := s.Sync(t, run.ExitOK); r.Problem(run.KindCompeting) {
		t.Errorf("it is off, and a run reports %+v", r.Target().Problems)
	}
	settings["ENABLE_OAUTH_ROLE_MANAGEMENT"] = true
	s.do(http.MethodPost, "/api/v1/auths/admin/config/oauth", settings, nil)
	found("by an administrator")
	settings["ENABLE_OAUTH_ROLE_MANAGEMENT"] = false
	s.do(http.MethodPost, "/api/v1/auths/admin/config/oauth", settings, nil)
	s.chat.Stop(t)
	s.chat.Restart(t, "ENABLE_OAUTH_ROLE_MANAGEMENT=true", "ENABLE_PERSISTENT_CONFIG=false")
	found("by the environment")
}
