//go:build peers

package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// TestAChangeArrivesWithoutWaitingForTheSchedule is a daemon whose schedule is far away:
// the directory tells what happened, and Open WebUI has it a moment later.
// GROUPSYNCD_WATCH=full makes the company as large as the budget of the LDAP reader,
// 100,000 people, 5,000 groups and 1,000,000 memberships; by hand, it takes a while.
func TestAChangeArrivesWithoutWaitingForTheSchedule(t *testing.T) {
	size, bound := ldif.Options{Users: 2000, Groups: 100, Memberships: 10_000, Nested: 0.1, Seed: 9}, 10*time.Second
	if os.Getenv("GROUPSYNCD_WATCH") == "full" {
		size, bound = ldif.Options{Users: 100_000, Groups: 5000, Memberships: 1_000_000, Nested: 0.1, Seed: 9}, time.Second
	}
	company, err := ldif.New(size)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, peer.StartSlapd(t, company, peer.SlapdOptions{SessionLog: 1000}), peer.StartOpenWebUI(t, size.Users))
	w.sync(run.ExitOK)
	w.sync(run.ExitOK)
	_, stop := w.daemon()
	peer.Until(w.t, "the source is watched", func() bool {
		text, err := os.ReadFile(filepath.Join(w.Dir, "daemon.log"))
		return err == nil && strings.Contains(string(text), "source is watched for changes")
	})

	team := smallest(company)
	person := slices.IndexFunc(company.Users, func(u ldif.User) bool { return !slices.Contains(wanted(company)[team.Name], u.Mail) })
	group, account := w.id(team.Name), w.account(company.Users[person].Mail)
	admin := w.slapd.Admin(t)
	var took []time.Duration
	for i := range 10 {
		in := i%2 == 0
		change := ldap.NewModifyRequest(team.DN(), nil)
		if in {
			change.Add("member", []string{company.Users[person].DN()})
		} else {
			change.Delete("member", []string{company.Users[person].DN()})
		}
		began := time.Now()
		if err := admin.Modify(change); err != nil {
			t.Fatal(err)
		}
		for w.member(group, account) != in {
			if time.Since(began) > 30*time.Second {
				t.Fatalf("change %d is not in Open WebUI after 30 s", i)
			}
			// Open WebUI is one process: whoever asks it without a pause slows it down.
			time.Sleep(25 * time.Millisecond)
		}
		took = append(took, time.Since(began))
		// A daemon that has just read waits a moment before it reads again.
		time.Sleep(1500 * time.Millisecond)
	}
	stop()
	slices.Sort(took)
	t.Logf("from the directory to Open WebUI: median %s, longest %s of %d changes", took[len(took)/2], took[len(took)-1], len(took))
	if median := took[len(took)/2]; median > bound {
		t.Errorf("a change took %s, more than %s", median, bound)
	}
	w.onlyChangesWereRead()
	w.equal("after ten changes", wanted(company))
}

// member says whether Open WebUI has an account in a group.
func (w *world) member(group, account string) bool {
	w.t.Helper()
	var export struct {
		UserIDs []string `json:"user_ids"`
	}
	w.call(http.MethodGet, "/api/v1/groups/id/"+group+"/export", "", &export)
	return slices.Contains(export.UserIDs, account)
}

// onlyChangesWereRead makes sure that no run since the daemon began read everything.
func (w *world) onlyChangesWereRead() {
	w.t.Helper()
	var list struct{ Runs []run.Report }
	r := w.must(run.ExitOK, "history", "-o", "json")
	if err := json.Unmarshal([]byte(r.Out), &list); err != nil {
		w.t.Fatalf("%v: %.500s", err, r.Out)
	}
	watched := 0
	for i := range list.Runs {
		if list.Runs[i].Trigger != run.Watch {
			continue
		}
		watched++
		for _, s := range list.Runs[i].Sources {
			if s.Read != run.ReadChanges {
				w.t.Errorf("run %s read the source by %q: %s", list.Runs[i].Run, s.Read, s.Reason)
			}
		}
	}
	if watched == 0 {
		w.t.Error("no run came from a watched change")
	}
}
