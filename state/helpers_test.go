package state

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// The ports of package engine that the state meets, whose package is above this one.
type (
	ledger interface {
		Replica(source string) (*replica.Replica, error)
		SaveReplica(*replica.Replica) error
		Memory(target string) (*plan.Memory, error)
		SaveMemory(*plan.Memory, plan.Dirty) error
	}
	journal interface {
		Begin(m *plan.Memory, run, planHash string, intents []plan.Intent, dirty plan.Dirty) error
		Done(m *plan.Memory, run string, seqs []int, dirty plan.Dirty) error
		Open(target string) ([]plan.Intent, error)
	}
	history interface {
		SaveRun(*run.Report, ...run.Event) error
		Run(id string) (*run.Report, error)
		Runs(limit int) ([]run.Report, error)
	}
)

var (
	_ ledger  = (*DB)(nil)
	_ journal = (*DB)(nil)
	_ history = (*DB)(nil)
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// testOptions leave out the waits for the disk.
func testOptions(dir string) Options {
	return Options{Dir: dir, NoSync: true, Timeout: -1, Now: noon}
}

func mustOpen(t *testing.T, opts Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func newDB(t *testing.T) *DB {
	t.Helper()
	return mustOpen(t, testOptions(t.TempDir()))
}

// again closes a state and opens it anew.
func again(t *testing.T, db *DB) *DB {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	return mustOpen(t, db.opts)
}

// tester is a *testing.T, or a *rapid.T inside a property.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func ok(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t tester, err error, kind fault.Kind) {
	t.Helper()
	if fault.KindOf(err) != kind {
		t.Fatalf("error %v has the kind %s, want %s", err, fault.KindOf(err), kind)
	}
}

func same(t tester, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(plan.Group{}, "Members"),
		cmpopts.IgnoreUnexported(plan.Mirror{})); d != "" {
		t.Fatalf("%s differs (-want +got):\n%s", what, d)
	}
}

// evidence gives a user evidence that nobody shares, to be changed.
func evidence(u *replica.User) *replica.Evidence {
	next := *u.Evidence
	u.Evidence = &next
	return &next
}

func sameReplica(t tester, got, want *replica.Replica) {
	t.Helper()
	same(t, "head", got.Head, want.Head)
	same(t, "users", got.Users(), want.Users())
	same(t, "groups", got.Groups(), want.Groups())
	for i, g := range want.Groups() {
		if (got.Groups()[i].Direct == nil) != (g.Direct == nil) {
			t.Fatalf("group %d: no direct members and none known are mixed up", i)
		}
	}
}

func sameMemory(t tester, got, want *plan.Memory) {
	t.Helper()
	same(t, "memory", got, want)
	same(t, "accounts", got.Mirror.Accounts(), want.Mirror.Accounts())
	same(t, "mirror", got.Mirror.Groups(), want.Mirror.Groups())
	same(t, "resources", got.Mirror.Resources(), want.Mirror.Resources())
}

// The generators below draw small worlds with everything in them that a record can
// hold, at times that are often those of the head.

func anyText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.Just(""), rapid.StringN(0, 12, 40), rapid.Just("a<b>&\u2028"), anyID())
}

func anyID() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
		rapid.StringMatching(`[0-9A-Fa-f]{8}-[0-9A-F]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
		rapid.StringMatching(`[a-z0-9=,\x00]{1,50}`))
}

func anyTime(usual ...time.Time) *rapid.Generator[time.Time] {
	random := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(-1<<33, 1<<33).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "nsec")).UTC()
	})
	return rapid.OneOf(rapid.SampledFrom(append(usual, time.Time{})), random)
}

func anyRows(limit int) *rapid.Generator[[]uint32] {
	if limit == 0 {
		return rapid.Just([]uint32(nil))
	}
	return rapid.Custom(func(t *rapid.T) []uint32 {
		list := rapid.SliceOfNDistinct(rapid.Uint32Range(0, uint32(limit-1)), 0, min(limit, 20), rapid.ID[uint32]).Draw(t, "rows")
		slices.Sort(list)
		return list
	})
}

func anyMissing(usual ...time.Time) *rapid.Generator[replica.Missing] {
	return rapid.Custom(func(t *rapid.T) replica.Missing {
		if rapid.Bool().Draw(t, "there") {
			return replica.Missing{}
		}
		return replica.Missing{First: anyTime(usual...).Draw(t, "first"), Last: anyTime(usual...).Draw(t, "last"), Reads: rapid.IntRange(0, 1000).Draw(t, "reads")}
	})
}

func anyReplica(source string) *rapid.Generator[*replica.Replica] {
	return rapid.Custom(func(t *rapid.T) *replica.Replica {
		head := replica.Head{Source: source, UsersAt: anyTime(noon()).Draw(t, "usersAt"), GroupsAt: anyTime(noon()).Draw(t, "groupsAt"), CompleteAt: anyTime(noon()).Draw(t, "completeAt"),
			FullAt: anyTime(noon()).Draw(t, "fullAt"), Cursor: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "cursor"), Scope: anyText().Draw(t, "scope")}
		at := anyTime(head.UsersAt, head.GroupsAt)
		missing := anyMissing(head.UsersAt, head.GroupsAt)
		users := make([]replica.User, rapid.SampledFrom([]int{0, 1, 2, 3, 5, 7, 8, chunkRows, chunkRows + 1}).Draw(t, "users"))
		for i := range users {
			users[i].ID = fmt.Sprintf("plain-%d", i)
			if i < 8 || i >= chunkRows {
				users[i] = replica.User{User: directory.User{ID: anyID().Draw(t, "id"), Email: anyText().Draw(t, "email"), Username: anyText().Draw(t, "username"),
					Name: anyText().Draw(t, "name"), DN: anyText().Draw(t, "dn"), Disabled: rapid.Bool().Draw(t, "disabled")},
					Evidence: &replica.Evidence{SeenAt: at.Draw(t, "seen"), StatusAt: at.Draw(t, "status"), GroupsAt: at.Draw(t, "lookedUp"), Missing: missing.Draw(t, "missing"), DeletedAt: at.Draw(t, "deleted")}}
				if rapid.Bool().Draw(t, "attributes") {
					users[i].Attributes = rapid.MapOfN(anyText(), rapid.SliceOfN(anyText(), 0, 3), 0, 3).Draw(t, "values")
				}
			}
		}
		groups := make([]replica.Group, rapid.IntRange(0, 6).Draw(t, "groups"))
		for i := range groups {
			g := &groups[i]
			*g = replica.Group{ID: anyID().Draw(t, "id"), Name: anyText().Draw(t, "name"), DN: anyText().Draw(t, "dn"), Path: anyText().Draw(t, "path"),
				Description: anyText().Draw(t, "description"), SeenAt: at.Draw(t, "seen"), MembersAt: at.Draw(t, "read"), Listed: rapid.Bool().Draw(t, "listed"),
				Missing: missing.Draw(t, "missing"), DeletedAt: at.Draw(t, "deleted"), Members: anyRows(len(users)).Draw(t, "members"), Kept: anyRows(len(users)).Draw(t, "kept"), OwnersOf: rapid.SampledFrom([]string{"", "", "g1", "0a000000-0000-4000-8000-000000000001"}).Draw(t, "owners of"), Children: anyRows(len(groups)).Draw(t, "children"),
				Unresolved: rapid.SliceOfN(anyText(), 0, 3).Draw(t, "unresolved")}
			if rapid.Bool().Draw(t, "nested") {
				g.Direct = append([]uint32{}, anyRows(len(users)).Draw(t, "direct")...)
			}
			for _, u := range anyRows(len(users)).Draw(t, "recent") {
				g.Recent = append(g.Recent, replica.Recent{User: u, First: at.Draw(t, "first")})
			}
			for _, c := range anyRows(len(groups)).Draw(t, "blocked") {
				g.Blocked = append(g.Blocked, replica.Block{Child: c, Refs: rapid.SliceOfN(anyText(), 0, 3).Draw(t, "refs")})
			}
		}
		return replica.Restore(head, users, groups)
	})
}

// copyFile puts a copy of the state file into a folder of its own.
func copyFile(t *testing.T, path string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	data, err := os.ReadFile(path)
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(dir, FileName), data, 0o600))
	return dir
}
