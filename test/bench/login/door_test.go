package login

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"groupsyncd/app"
	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/test/bench/site"
)

// house is the whole program with its door: a directory that speaks LDAP, an Open WebUI
// that tells of sign-ins, and the daemon between them, all in this process.
type house struct {
	size      site.Size
	directory *ldaptest.Server
	people    []string
	groups    []string
	members   [][]uint32
	web       *openwebuitest.Server
	app       *app.App
	log       *journal
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) empty() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Reset()
}

// find waits for a line of the log, and gives what it says.
func (j *journal) find(t *testing.T, pattern string) string {
	t.Helper()
	looking := regexp.MustCompile(pattern)
	for ends := time.Now().Add(time.Minute); time.Now().Before(ends); time.Sleep(10 * time.Millisecond) {
		j.mu.Lock()
		found := looking.FindStringSubmatch(j.text.String())
		j.mu.Unlock()
		if found != nil {
			return found[1]
		}
	}
	t.Fatalf("the log has no %s", pattern)
	return ""
}

const hookSecret = "bench-door-0123456789"

func newHouse(t *testing.T, size site.Size) *house {
	t.Helper()
	h := &house{size: size, directory: ldaptest.New(ldaptest.Options{}), web: openwebuitest.NewTest(t, openwebuitest.Options{}), log: &journal{}}
	url, err := h.directory.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.directory.Close(); err != nil {
			t.Error(err)
		}
	})
	h.web.MergeByEmail(true)
	h.web.AllowLocalFetch(true)
	h.fill(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"key": h.web.Key, "hook": hookSecret, "groupsyncd.yaml": fmt.Sprintf(`state: state
sources:
  corp: {type: ldap, url: %q, schedule: every 24h, changes: off, layout: rfc2307bis, lag: 0s,
    users: {base: "ou=people,dc=x"}, groups: {base: "ou=groups,dc=x"}}
targets:
  chat: {type: openwebui, url: %q, api_key: file:key, watch: off, match: [email]}
rules: [{name: all, match: "*"}]
server: {public: {listen: "127.0.0.1:0"}, admin: {listen: ""}}
webhooks: {chat: {type: openwebui, secret: file:hook, target: chat}}
`, url, h.web.URL)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "groupsyncd.yaml")
	cfg, err := app.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if h.app, err = app.New(t.Context(), app.Options{File: file, Config: cfg, Logger: slog.New(slog.NewTextHandler(h.log, nil))}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			h.log.mu.Lock()
			defer h.log.mu.Unlock()
			t.Logf("the end of the log:\n%s", h.log.text.String()[max(0, h.log.text.Len()-4000):])
		}
	})
	h.serve(t)
	h.log.find(t, `msg="run ended" run=(\S+)`) // A daemon begins with what its schedule has missed.
	return h
}

// serve runs the daemon until the test ends, and has Open WebUI tell it of sign-ins.
func (h *house) serve(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.app.Serve(ctx, nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := h.app.Close(); err != nil {
			t.Error(err)
		}
	})
	address := h.log.find(t, `msg="public listener open" address=(\S+)`)
	h.web.SetWebhook(openwebuitest.Webhook{Name: "groupsyncd", URL: "http://" + address + "/hooks/chat/" + hookSecret, Enabled: true, Events: []string{"auth.login"}})
}

// sync is one full run.
func (h *house) sync(t *testing.T) {
	t.Helper()
	r, err := h.app.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}, nil)
	if err != nil || r.Exit != run.ExitOK {
		t.Errorf("%v, %.2000v", err, r)
	}
}

// fill puts the company into the directory, and gives everybody an account.
func (h *house) fill(t *testing.T) {
	t.Helper()
	whole := h.size.Read(time.Now())
	entries := []ldaptest.Entry{{DN: "dc=x", Attributes: map[string][]string{"objectClass": {"domain"}}},
		{DN: "ou=people,dc=x", Attributes: map[string][]string{"objectClass": {"organizationalUnit"}}},
		{DN: "ou=groups,dc=x", Attributes: map[string][]string{"objectClass": {"organizationalUnit"}}}}
	for n := range whole.Users {
		u := &whole.Users[n]
		dn := "uid=" + u.Username + ",ou=people,dc=x"
		h.people = append(h.people, dn)
		entries = append(entries, ldaptest.Entry{DN: dn, Attributes: map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {u.Username}, "cn": {u.Name}, "mail": {u.Email}}})
		h.web.AddAccount(openwebuitest.Account{Email: u.Email})
	}
	for n := range whole.Groups {
		h.groups, h.members = append(h.groups, whole.Groups[n].Name), append(h.members, whole.Groups[n].Members)
		entries = append(entries, h.group(whole.Groups[n].Name, whole.Groups[n].Members))
	}
	if err := h.directory.Add(entries...); err != nil {
		t.Fatal(err)
	}
}

func (h *house) group(name string, members []uint32) ldaptest.Entry {
	var dns []string
	for _, n := range members {
		dns = append(dns, h.people[n])
	}
	return ldaptest.Entry{DN: "cn=" + name + ",ou=groups,dc=x", Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "cn": {name}, "member": dns}}
}

// visitor is somebody who will sign in, with the ids in Open WebUI of three groups that they
// are not in yet.
type visitor struct {
	mail   string
	groups []string
}

// invite puts people into three more groups, which nobody reads until they sign in.
func (h *house) invite(t *testing.T, from, count int) []visitor {
	t.Helper()
	ids := map[string]string{}
	for _, g := range h.web.Groups() {
		ids[g.Name] = g.ID
	}
	var all []visitor
	for n := from; n < from+count; n++ {
		v := visitor{mail: mail(n)}
		for given, at := 0, n; given < 3; at += 17 {
			g := at % len(h.groups)
			if _, in := slices.BinarySearch(h.members[g], uint32(n)); in {
				continue
			}
			if err := h.directory.AddValues("cn="+h.groups[g]+",ou=groups,dc=x", "member", h.people[n]); err != nil {
				t.Fatal(err)
			}
			given++
			v.groups = append(v.groups, ids[h.groups[g]])
		}
		all = append(all, v)
	}
	return all
}

// comeIn lets people sign in, that many a second, and measures from the sign-in to the
// last of their memberships.
func (h *house) comeIn(t *testing.T, all []visitor, perSecond int) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for _, v := range all {
		<-tick.C
		wg.Go(func() {
			began := time.Now()
			account, err := h.web.SignIn(openwebuitest.SignIn{Email: v.mail, Provider: "oidc", Subject: v.mail})
			if err != nil {
				t.Error(err)
				return
			}
			for slices.ContainsFunc(v.groups, func(g string) bool { return !h.member(g, account) }) {
				if time.Since(began) > 30*time.Second {
					t.Errorf("%s is not in the new groups after 30 s", v.mail)
					return
				}
				time.Sleep(time.Millisecond)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(began))
		})
	}
	wg.Wait()
	return took
}

func (h *house) member(group, account string) bool {
	g, _ := h.web.Group(group)
	return slices.Contains(g.Members, account)
}

// TestASignInAtTheDoor is the way of a sign-in through the whole program: the event of Open
// WebUI comes in at the door, the person is looked up by LDAP, and three memberships are
// given. Then 50 sign in each second; and some do in the middle of a full run that makes
// groups and gives thousands of memberships. Servers and all run in this process, so what is
// measured is more than our own share. GROUPSYNCD_BENCH=full has the minute of the budget, for
// as many people as a directory that looks at each entry can serve; TestASignInIsCheap has its size.
func TestASignInAtTheDoor(t *testing.T) {
	full := os.Getenv("GROUPSYNCD_BENCH") == "full"
	size, few, many, fresh := site.Size{Users: 600, Groups: 50, PerUser: 5}, 20, 50, 20
	if full {
		size, few, many, fresh = site.Size{Users: 3_200, Groups: 160, PerUser: 5}, 100, 3000, 100
	}
	h := newHouse(t, size)
	alone := h.comeIn(t, h.invite(t, 0, few), 10)
	t.Logf("one by one:%s", (&figures{visible: alone}).text())
	storm := h.comeIn(t, h.invite(t, few, many), 50)
	t.Logf("50 in a second, %d in all:%s", len(storm), (&figures{visible: storm}).text())

	for g := range fresh {
		members := make([]uint32, 100)
		for k := range members {
			members[k] = uint32((g*37 + k*53) % (few + many))
		}
		if err := h.directory.Add(h.group(fmt.Sprintf("new-%03d", g), slices.Compact(slices.Sorted(slices.Values(members))))); err != nil {
			t.Fatal(err)
		}
	}
	h.log.empty()
	var whole sync.WaitGroup
	began := time.Now()
	whole.Go(func() { h.sync(t) })
	h.log.find(t, `msg="source read" source=(\S+)`)
	middle := h.comeIn(t, h.invite(t, few+many, few), 50) // This run has not read of them.
	over := time.Since(began)
	t.Logf("in the middle of a full run:%s", (&figures{visible: middle}).text())
	whole.Wait()
	t.Logf("all of them were in after %s, the full run ended after %s", over.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if len(alone) != few || len(storm) != many || len(middle) != few {
		t.Errorf("%d, %d and %d of %d, %d and %d came in", len(alone), len(storm), len(middle), few, many, few)
	}
	if !full {
		return
	}
	for what, took := range map[string][]time.Duration{"one by one": alone, "50 in a second": storm, "in the middle of a full run": middle} {
		if p50, p99 := share(took, 0.5), share(took, 0.99); p50 > 150*time.Millisecond || p99 > time.Second {
			t.Errorf("%s: %s for the half, %s for one in a hundred", what, p50, p99)
		}
	}
}
