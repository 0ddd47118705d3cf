package state

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"

	"go.etcd.io/bbolt"
)

// share puts something into each part that is not about groups.
func share(m *plan.Memory, dirty *plan.Dirty) {
	small := smallMemory()
	m.Roles["account-of-alice"], m.Grants, m.Defaults = small.Roles["a0"], small.Grants, small.Defaults
	m.Mirror.Defaults = small.Mirror.Defaults
	m.Mirror.ResourcesAt[plan.Models] = noon()
	m.ObserveResource(smallResource(), dirty)
	dirty.Head, dirty.Roles, dirty.Grants = true, []string{"account-of-alice"}, []plan.ResourceKey{smallResource().ResourceKey}
}

// withoutSharing takes those parts out again.
func withoutSharing(m *plan.Memory) {
	clear(m.Roles)
	clear(m.Grants)
	m.Defaults = plan.Values{}
	head := *m.Mirror
	head.Defaults, head.ResourcesAt = nil, nil
	m.Mirror = plan.RestoreMirror(head, m.Mirror.Accounts(), m.Mirror.Groups())
}

func TestAStateFromBeforeRolesAndGrantsGetsThem(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	old := smallMemory()
	withoutSharing(old)
	ok(t, db.SaveMemory(old, everything(old)))
	intent := plan.Intent{Run: "01RUN", At: noon(), Op: "add_members", Accounts: []string{"a0"}}
	ok(t, db.Begin(old, "01RUN", "sha256:x", []plan.Intent{intent}, plan.Dirty{}))
	ok(t, db.Close())
	setVersion(t, db.Path(), 4)

	db = mustOpen(t, testOptions(filepath.Dir(db.Path())))
	if db.Version() != schemaVersion {
		t.Errorf("version %d", db.Version())
	}
	got, err := db.Memory("chat")
	ok(t, err)
	sameMemory(t, got, old)
	open, err := db.Open("chat")
	ok(t, err)
	same(t, "open calls", open, []plan.Intent{intent})
	want := smallMemory()
	ok(t, db.SaveMemory(want, everything(want)))
	got, err = again(t, db).Memory("chat")
	ok(t, err)
	sameMemory(t, got, want)
	copies, err := filepath.Glob(filepath.Join(filepath.Dir(db.Path()), BackupFolder, fmt.Sprintf("before-version-%d-*.db", schemaVersion)))
	ok(t, err)
	if len(copies) != 1 {
		t.Errorf("%d copies of the state before", len(copies))
	}
}

func TestWhatIsNoLongerThereIsForgotten(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	m := smallMemory()
	ok(t, db.SaveMemory(m, everything(m)))
	dirty := everything(m)
	withoutSharing(m)
	ok(t, db.SaveMemory(m, dirty))
	db = again(t, db)
	got, err := db.Memory("chat")
	ok(t, err)
	sameMemory(t, got, m)
	ok(t, db.Check(t.Context()))
}

func TestCallsAboutAccountsAndResourcesComeBack(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	m := smallMemory()
	role := m.Roles["a0"]
	want := []plan.Intent{
		{Run: "01RUN", Seq: 0, At: noon(), Op: "set_role", Accounts: []string{"a0"}, Role: &role},
		{Run: "01RUN", Seq: 1, At: noon(), Op: "create_account", Email: "new@example.org", Role: &role},
		{Run: "01RUN", Seq: 2, At: noon().Add(time.Second), Op: "set_grants", Resource: smallResource().ResourceKey, Add: m.Grants[smallResource().ResourceKey], AddLinks: []plan.LinkKey{{Rule: "all", To: "new"}}},
		{Run: "01RUN", Seq: 3, At: noon(), Op: "set_grants", Resource: smallResource().ResourceKey, Remove: smallResource().Grants},
	}
	ok(t, db.Begin(m, "01RUN", "sha256:x", want, everything(m)))
	got, err := again(t, db).Open("chat")
	ok(t, err)
	same(t, "open calls", got, want)
}

func TestDamagedRolesGrantsAndResourcesAreFound(t *testing.T) {
	t.Parallel()
	for part, spoil := range map[string]func(*box) error{
		"the role is no JSON":      func(x *box) error { return x.put([]byte("a0"), []byte("{")) },
		"the grants are a role":    func(x *box) error { return x.put([]byte("models\x00gpt"), []byte(`{"role": "user"}`)) },
		"the resource has no type": func(x *box) error { return x.put([]byte("gpt"), []byte("{}")) },
	} {
		db := newDB(t)
		m := smallMemory()
		ok(t, db.SaveMemory(m, everything(m)))
		bucket := map[string]string{"the grants are a role": partGrants, "the resource has no type": partResources}[part]
		if bucket == "" {
			bucket = partRoles
		}
		ok(t, db.update("test", func(tx *bbolt.Tx) error { return spoil(find(tx, bucketTarget, "chat", bucket)) }))
		_, err := db.Memory("chat")
		if fault.KindOf(err) != fault.Damaged {
			t.Errorf("%s: %v", part, err)
		}
		wantKind(t, db.Check(t.Context()), fault.Damaged)
	}
}
