package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

func TestReplicaComesBackAsSaved(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	rapid.Check(t, func(rt *rapid.T) {
		// Each example replaces the one before, which may have had more rows.
		want := anyReplica("corp").Draw(rt, "replica")
		ok(rt, db.SaveReplica(want))
		got, err := db.Replica("corp")
		ok(rt, err)
		sameReplica(rt, got, want)
	})
	ok(t, db.Check(t.Context()))
}

func TestSourceNeverReadIsEmpty(t *testing.T) {
	t.Parallel()
	r, err := newDB(t).Replica("corp")
	ok(t, err)
	if r.Source != "corp" || len(r.Users()) != 0 || !r.UsersAt.IsZero() {
		t.Fatalf("replica of a source that was never read: %+v", r)
	}
}

func TestReadThatChangedNothingWritesTheHeadOnly(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	first := bigReplica(3*chunkRows, 20, 50, noon())
	ok(t, db.SaveReplica(first))
	next := later(first, noon().Add(time.Hour))
	changes, err := db.replicaChanges(next, nil)
	ok(t, err)
	if len(changes) != 1 || string(changes[0].key) != keyHead {
		t.Fatalf("%d records are written again, want the head only", len(changes))
	}
	ok(t, db.SaveReplica(next))
	got, err := db.Replica(first.Source)
	ok(t, err)
	sameReplica(t, got, next)
}

func TestOneChangeWritesItsRecordsOnly(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	first := bigReplica(3*chunkRows, 20, 50, noon())
	ok(t, db.SaveReplica(first))
	next := later(first, noon().Add(time.Hour))
	next.Users()[chunkRows].Name = "New Name"
	evidence(&next.Users()[7]).Missing = replica.Missing{First: noon(), Last: noon(), Reads: 1}
	next.Groups()[5].Members = next.Groups()[5].Members[1:]
	changes, err := db.replicaChanges(next, nil)
	ok(t, err)
	var keys []string
	for _, c := range changes {
		keys = append(keys, keyText(c.key))
	}
	same(t, "written records", keys, []string{"u1", "g5", `"missing"`, `"head"`})
}

func TestMemoryComesBackAsSaved(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		want := anyMemory(fmt.Sprintf("target-%d", n)).Draw(rt, "memory")
		ok(rt, db.SaveMemory(want, everything(want)))
		got, err := db.Memory(want.Target)
		ok(rt, err)
		sameMemory(rt, got, want)
	})
	ok(t, db.Check(t.Context()))
}

func TestSavingNamesWhatChanges(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		target := fmt.Sprintf("target-%d", n)
		first, second := anyMemory(target).Draw(rt, "first"), anyMemory(target).Draw(rt, "second")
		ok(rt, db.SaveMemory(first, everything(first)))
		// What one of both has is named: the rest of the first must go.
		dirty, old := everything(second), everything(first)
		dirty.MirrorGroups = append(dirty.MirrorGroups, old.MirrorGroups...)
		dirty.People = append(dirty.People, old.People...)
		dirty.Links = append(dirty.Links, old.Links...)
		dirty.Owned = append(dirty.Owned, old.Owned...)
		dirty.Lost = append(dirty.Lost, old.Lost...)
		dirty.Roles = append(dirty.Roles, old.Roles...)
		dirty.Grants = append(dirty.Grants, old.Grants...)
		dirty.Resources = append(dirty.Resources, old.Resources...)
		dirty.Accounts = append(dirty.Accounts, old.Accounts...)
		ok(rt, db.SaveMemory(second, dirty))
		got, err := db.Memory(target)
		ok(rt, err)
		sameMemory(rt, got, second)
	})
}

func TestUnnamedPartsStay(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	m := smallMemory()
	ok(t, db.SaveMemory(m, everything(m)))
	changed := smallMemory()
	changed.Losses, changed.Serial = nil, 99
	delete(changed.Owned, "g1")
	changed.People = nil
	ok(t, db.SaveMemory(changed, plan.Dirty{Losses: true}))
	got, err := db.Memory("chat")
	ok(t, err)
	want := smallMemory()
	want.Losses = nil
	sameMemory(t, got, want)
}

func TestNewAccountsAreSavedWithWhatNamesThem(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	m, dirty := bigMemory(chunkRows+5, 3, 10)
	dirty.Accounts = nil
	ok(t, db.SaveMemory(m, dirty))
	got, err := db.Memory("chat")
	ok(t, err)
	sameMemory(t, got, m)
}

func TestMemoryThatCouldNotBeLoadedAgainIsRefused(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	for name, spoil := range map[string]func(*plan.Memory){
		"account does not exist":      func(m *plan.Memory) { m.Owned["g1"].Feeds[0].Accounts = []uint32{0, 77} },
		"members out of order":        func(m *plan.Memory) { m.Mirror.Group("g1").Numbers = []uint32{1, 0} },
		"found member does not exist": func(m *plan.Memory) { m.Lost["g1"] = []uint32{2} },
		"clock of nobody":             func(m *plan.Memory) { m.Owned["g1"].Clocks = []plan.Clock{{Account: 9}} },
		"NUL in a source": func(m *plan.Memory) {
			m.People.Set(directory.UserKey{Source: "a\x00b", ID: "x"}, plan.PersonLink{})
		},
	} {
		m := smallMemory()
		spoil(m)
		err := db.SaveMemory(m, everything(m))
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: error %v has the kind %s, want invalid", name, err, fault.KindOf(err))
		}
	}
	got, err := db.Memory("chat")
	ok(t, err)
	sameMemory(t, got, plan.NewMemory("chat", db.Instance(), noon()))
}

func TestTargetNeverSeenBeganWithTheState(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	id := db.Instance()
	if len(id) != 26 {
		t.Fatalf("instance %q is no ULID", id)
	}
	m, err := again(t, db).Memory("chat")
	ok(t, err)
	sameMemory(t, m, plan.NewMemory("chat", id, noon()))
}

func TestIntentsAreOpenUntilDone(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		target := fmt.Sprintf("target-%d", n)
		intents := anyIntents("01RUN").Draw(rt, "intents")
		ok(rt, db.Begin(plan.NewMemory(target, "", time.Time{}), "01RUN", "sha256:x", intents, plan.Dirty{}))
		got, err := db.Open(target)
		ok(rt, err)
		same(rt, "open intents", got, intents)

		m, err := db.Memory(target)
		ok(rt, err)
		m.Serial = 5
		ok(rt, db.Done(m, "01RUN", []int{intents[0].Seq}, plan.Dirty{Head: true}))
		got, err = db.Open(target)
		ok(rt, err)
		same(rt, "open intents", got, intents[1:])
		stored, err := db.Memory(target)
		ok(rt, err)
		if stored.Serial != 5 {
			rt.Fatal("the memory was not saved with the intent")
		}

		var rest []int
		for _, in := range intents {
			rest = append(rest, in.Seq)
		}
		ok(rt, db.Done(m, "01RUN", rest, plan.Dirty{}))
		ok(rt, db.Begin(plan.NewMemory(target, "", time.Time{}), "02RUN", "sha256:y", nil, plan.Dirty{}))
	})
	ok(t, db.Check(t.Context()))
}

func TestBeginRefusesWhileCallsOfACrashAreOpen(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	one := func(run string) []plan.Intent { return []plan.Intent{{Run: run, Op: "add_members"}} }
	ok(t, db.Begin(plan.NewMemory("chat", "", time.Time{}), "01A", "", one("01A"), plan.Dirty{}))
	wantKind(t, db.Begin(plan.NewMemory("chat", "", time.Time{}), "01A", "", one("01A"), plan.Dirty{}), fault.Conflict)
	wantKind(t, db.Begin(plan.NewMemory("third", "", time.Time{}), "01B", "", one("01A"), plan.Dirty{}), fault.Invalid)

	// A run of one person goes in between, and is over before the full one.
	ok(t, db.Begin(plan.NewMemory("chat", "", time.Time{}), "01B", "", one("01B"), plan.Dirty{}))
	ok(t, db.Done(smallMemory(), "01B", []int{0}, plan.Dirty{}))
	open, err := db.Open("chat")
	ok(t, err)
	same(t, "open intents", open, one("01A"))

	// After a restart nobody will close the calls of the run before.
	db = again(t, db)
	wantKind(t, db.Begin(plan.NewMemory("chat", "", time.Time{}), "01C", "", one("01C"), plan.Dirty{}), fault.Conflict)
	ok(t, db.Begin(plan.NewMemory("other", "", time.Time{}), "01C", "", one("01C"), plan.Dirty{}))
	ok(t, db.Done(smallMemory(), "01A", []int{0}, plan.Dirty{}))
	ok(t, db.Begin(plan.NewMemory("chat", "", time.Time{}), "01C", "", one("01C"), plan.Dirty{}))
}

func TestReportsComeBackByTheBeginningOfTheirID(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	var want []run.Report
	for _, id := range []string{"01AA", "01AB", "01B"} {
		r := run.Report{Schema: run.Schema, Run: id, Started: noon(), Sources: []run.SourceReport{{Name: "corp"}},
			Targets: []run.TargetReport{{Name: "chat", Problems: []run.Problem{{Kind: run.KindDrift}},
				Changes: []run.Change{{Op: run.AddMember, Outcome: run.Applied}}}, {Name: "empty", Changes: []run.Change{}}}}
		if id == "01B" {
			r.Targets[0].Changes = make([]run.Change, 1000)
			for i := range r.Targets[0].Changes {
				r.Targets[0].Changes[i] = run.Change{Op: run.AddMember, Reason: fmt.Sprint(i)}
			}
		}
		ok(t, db.SaveRun(&r))
		want = append(want, r)
	}
	for _, beginning := range []string{"01B", "01AB"} {
		got, err := db.Run(beginning)
		ok(t, err)
		i := map[string]int{"01B": 2, "01AB": 1}[beginning]
		same(t, "report", *got, want[i])
		if got.Targets[1].Changes == nil || len(want[i].Targets[0].Changes) == 0 {
			t.Fatal("an empty list of changes is lost, or saving took the changes from the report")
		}
	}
	_, err := db.Run("01A")
	wantKind(t, err, fault.Invalid)
	for _, none := range []string{"", "02", "01BX"} {
		_, err = db.Run(none)
		wantKind(t, err, fault.NotFound)
	}
	list, err := db.Runs(2)
	ok(t, err)
	if len(list) != 2 || list[0].Run != "01B" || list[1].Run != "01AB" || list[0].Targets[0].Changes != nil || len(list[0].Targets[0].Problems) != 1 {
		t.Fatalf("the newest two reports without changes, got %+v", list)
	}
}

func TestHistoryKeepsTheNewest(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	for i := range maxRuns + 5 {
		ok(t, db.SaveRun(&run.Report{Run: fmt.Sprintf("%05d", i)}))
	}
	list, err := db.Runs(0)
	ok(t, err)
	if len(list) != maxRuns || list[0].Run != "01004" || list[maxRuns-1].Run != "00005" {
		t.Fatalf("%d reports are kept", len(list))
	}
	ok(t, db.update("test", func(tx *bbolt.Tx) error {
		return db.dropOldest(find(tx, bucketRuns), find(tx, bucketChanges), maxRuns, 1)
	}))
	list, err = db.Runs(0)
	ok(t, err)
	if len(list) != 1 || list[0].Run != "01004" {
		t.Fatalf("%d reports are kept, want the newest although it is too large", len(list))
	}
	ok(t, db.Check(t.Context()))
}

// TestRunsOfOnePersonPushNoOtherRunOut: however many there are, and also when the process
// that knew which they are has ended.
func TestRunsOfOnePersonPushNoOtherRunOut(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	n := 0
	save := func(runs int, user string) {
		for range runs {
			n++
			ok(t, db.SaveRun(&run.Report{Run: fmt.Sprintf("%05d", n), User: user}))
		}
	}
	count := func() (people, others int) {
		list, err := db.Runs(0)
		ok(t, err)
		for i := range list {
			if list[i].User != "" {
				people++
			} else {
				others++
			}
		}
		return people, others
	}
	save(10, "")
	save(maxRuns+20, "ann@example.org")
	if people, others := count(); people != maxRuns || others != 10 {
		t.Fatalf("%d runs of a person and %d others are kept", people, others)
	}
	db = again(t, db)
	save(5, "bob@example.org")
	save(maxRuns, "")
	if people, others := count(); people != maxRuns || others != maxRuns {
		t.Fatalf("%d runs of a person and %d others are kept", people, others)
	}
	if _, err := db.Run("00001"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the oldest: %v", err)
	}
	ok(t, db.Check(t.Context()))
}

func TestSourcesAreRememberedByID(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	a := SourceIdentity{ID: "01A", Name: "corp", Place: "ldaps://ldap.example.org", Scope: "x", LastStart: noon(), LastComplete: noon()}
	b := SourceIdentity{ID: "01B", Name: "hr"}
	ok(t, db.SaveSource(b))
	ok(t, db.SaveSource(a))
	a.Name = "headquarters"
	ok(t, db.SaveSource(a))
	list, err := db.Sources()
	ok(t, err)
	same(t, "sources", list, []SourceIdentity{a, b})
	wantKind(t, db.SaveSource(SourceIdentity{}), fault.Invalid)
}

func TestErrorInsideAWriteChangesNothing(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	mine := errors.New("mine")
	err := db.update("test", func(tx *bbolt.Tx) error {
		x, err := makeBox(tx, bucketSources)
		return errors.Join(err, x.putJSON([]byte("01A"), SourceIdentity{ID: "01A"}), mine)
	})
	if !errors.Is(err, mine) {
		t.Fatalf("got %v", err)
	}
	list, err := db.Sources()
	ok(t, err)
	if len(list) != 0 || db.Err() != nil {
		t.Fatalf("sources %v, state %v", list, db.Err())
	}
}

func TestTooLongKeyIsBadInput(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	wantKind(t, db.SaveSource(SourceIdentity{ID: strings.Repeat("x", 40_000)}), fault.Invalid)
	wantKind(t, db.SaveRun(&run.Report{}), fault.Invalid)
	ok(t, db.Err())
}

func smallResource() *plan.Resource {
	return &plan.Resource{ResourceKey: plan.ResourceKey{Type: plan.Models, ID: "gpt"}, Name: "GPT",
		Grants: []plan.Grant{{Kind: plan.KindGroup, ID: "g1", Permission: plan.Read}}}
}

// smallMemory has something in every part.
func smallMemory() *plan.Memory {
	m := plan.NewMemory("chat", "01INSTANCE", noon())
	m.Serial = 3
	accounts := []plan.Account{{ID: "a0", Email: "a0@example.org"}, {ID: "a1", Email: "a1@example.org"}}
	m.Mirror = plan.RestoreMirror(plan.Mirror{Version: "0.12.4", At: noon()}, accounts,
		[]*plan.MirrorGroup{{Group: plan.Group{ID: "g1", Name: "Sales", MembersRead: true}, Numbers: []uint32{0, 1}}}, smallResource())
	m.Roles["a0"] = plan.OwnedRole{Role: plan.RoleAdmin, Before: plan.RoleUser, Since: noon(), Why: "role", Rule: "accounts.role.admin-1"}
	m.Grants[smallResource().ResourceKey] = []plan.OwnedGrant{{Grant: smallResource().Grants[0], Since: noon(), Rule: "all"}}
	m.Defaults = plan.Values{Applied: map[string]json.RawMessage{"permissions.chat.call": json.RawMessage("true")}}
	m.Mirror.Defaults = json.RawMessage(`{"chat":{"call":true}}`)
	feed := plan.FeedKey{Rule: "all", Group: directory.GroupKey{Source: "01S", ID: "sales"}}
	m.People.Set(directory.UserKey{Source: "01S", ID: "p0"}, plan.PersonLink{Account: "a0", By: "email", Email: "a0@example.org", Since: noon()})
	m.Links[plan.LinkKey{Rule: "all", Group: feed.Group}] = plan.GroupLink{GroupID: "g1", Since: noon(), Created: true}
	m.Owned["g1"] = &plan.OwnedGroup{GroupID: "g1", Feeds: []plan.OwnedFeed{{Key: feed, Accounts: []uint32{0}}}}
	m.Lost["g1"] = []uint32{1}
	m.Losses = []plan.Loss{{At: noon(), Group: "g1", Account: "a1"}}
	m.Holds = []run.Hold{{Hash: "h1", Check: run.Emptied, Target: "chat"}}
	m.Approvals = []run.Approval{{Hash: "h1", By: "alice", At: noon()}}
	m.Accepted = []plan.AcceptedRule{{Key: "all", Hash: "x", Spec: []byte(`{"a":"<b>"}`)}}
	m.Scopes["01S"] = run.AcceptedSource{Scope: "s", Users: 2, Groups: 1}
	m.Tombstones = []plan.Tombstone{{At: noon(), Group: "g1", Account: "a1", Feed: feed}}
	return m
}
