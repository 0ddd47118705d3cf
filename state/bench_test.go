package state

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
)

// The sizes for which the budget is stated.
const (
	bigUsers   = 100_000
	bigGroups  = 5_000
	bigMembers = 200
)

func uuid(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
}

// some draws n different numbers below limit, sorted.
func some(r *rand.Rand, n, limit int) []uint32 {
	list := make([]uint32, 0, n)
	for i := range limit {
		if r.IntN(limit-i) < n-len(list) {
			list = append(list, uint32(i))
		}
	}
	return list
}

// bigReplica is a directory as a complete read at that time leaves it.
func bigReplica(users, groups, members int, asOf time.Time) *replica.Replica {
	r := rand.New(rand.NewPCG(1, 2))
	us, seen := make([]replica.User, users), &replica.Evidence{SeenAt: asOf, StatusAt: asOf}
	for i := range us {
		name := fmt.Sprintf("user%06d", i)
		us[i] = replica.User{User: directory.User{ID: uuid(r), Email: name + "@example.org", Username: name, Name: "Given Family " + name,
			DN: "uid=" + name + ",ou=people,dc=example,dc=org"}, Evidence: seen}
	}
	gs := make([]replica.Group, groups)
	for i := range gs {
		name := fmt.Sprintf("group%05d", i)
		gs[i] = replica.Group{ID: uuid(r), Name: name, DN: "cn=" + name + ",ou=groups,dc=example,dc=org", Listed: true,
			SeenAt: asOf, MembersAt: asOf, Members: some(r, members, users)}
	}
	return replica.Restore(replica.Head{Source: "01KAG0000000000000000000AA", UsersAt: asOf, GroupsAt: asOf, CompleteAt: asOf}, us, gs)
}

// later is the same directory after a further complete read that changed nothing.
func later(r *replica.Replica, asOf time.Time) *replica.Replica {
	us, gs := append([]replica.User(nil), r.Users()...), append([]replica.Group(nil), r.Groups()...)
	seen := &replica.Evidence{SeenAt: asOf, StatusAt: asOf}
	for i := range us {
		us[i].Evidence = seen
	}
	for i := range gs {
		gs[i].SeenAt, gs[i].MembersAt = asOf, asOf
	}
	return replica.Restore(replica.Head{Source: r.Source, UsersAt: asOf, GroupsAt: asOf, CompleteAt: asOf}, us, gs)
}

// bigMemory is a target in which all of that is applied.
func bigMemory(users, groups, members int) (*plan.Memory, plan.Dirty) {
	r := rand.New(rand.NewPCG(3, 4))
	now := time.Date(2026, 3, 1, 8, 0, 0, 123456789, time.UTC)
	m := plan.NewMemory("chat", "01KAG0000000000000000000BB", now)
	d := plan.Dirty{Head: true}
	accounts := make([]plan.Account, users)
	for i := range accounts {
		name := fmt.Sprintf("user%06d", i)
		accounts[i] = plan.Account{ID: uuid(r), Email: name + "@example.org", Name: "Given Family " + name, Role: "user",
			Subjects: map[string]string{"oidc": uuid(r)}, CreatedAt: 1_770_000_000 + int64(i)}
		d.Accounts = append(d.Accounts, uint32(i))
		key := directory.UserKey{Source: "01KAG0000000000000000000AA", ID: uuid(r)}
		m.People.Set(key, plan.PersonLink{Account: accounts[i].ID, By: "email", Email: accounts[i].Email, Since: now})
		d.People = append(d.People, key)
	}
	mirror := make([]*plan.MirrorGroup, groups)
	for i := range mirror {
		id, name, list := uuid(r), fmt.Sprintf("group%05d", i), some(r, members, users)
		link := plan.LinkKey{Rule: "all", Group: directory.GroupKey{Source: "01KAG0000000000000000000AA", ID: uuid(r)}}
		mirror[i] = &plan.MirrorGroup{Group: plan.Group{ID: id, Name: name, Permissions: []byte(`{"chat": {"file_upload": true}}`),
			Mark:        &plan.Mark{Instance: m.Instance, Rule: link.Rule, Source: link.Group.Source, Group: link.Group.ID, Serial: 1},
			MemberCount: len(list), UpdatedAt: 1_770_000_000, MembersRead: true, ReadAt: now}, Numbers: list}
		m.Links[link] = plan.GroupLink{GroupID: id, Since: now, Created: true}
		m.Owned[id] = &plan.OwnedGroup{GroupID: id, Feeds: []plan.OwnedFeed{{Key: plan.FeedKey{Rule: link.Rule, Group: link.Group}, Accounts: list}}}
		d.MirrorGroups = append(d.MirrorGroups, id)
		d.Links = append(d.Links, link)
		d.Owned = append(d.Owned, id)
	}
	m.Mirror = plan.RestoreMirror(plan.Mirror{Version: "0.12.4"}, accounts, mirror)
	return m, d
}

func benchState(b *testing.B, dir string) *DB {
	db, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

func size(b *testing.B, db *DB) float64 {
	s, err := db.Stats()
	if err != nil {
		b.Fatal(err)
	}
	return float64(s.Size) / (1 << 20)
}

// BenchmarkReplica measures one source with 100,000 users, 5,000 groups and 1,000,000
// memberships.
func BenchmarkReplica(b *testing.B) {
	start := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	first := bigReplica(bigUsers, bigGroups, bigMembers, start)
	b.Run("save", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			db := benchState(b, b.TempDir())
			b.StartTimer()
			if err := db.SaveReplica(first); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(size(b, db), "MB-on-disk")
		}
	})
	db := benchState(b, b.TempDir())
	if err := db.SaveReplica(first); err != nil {
		b.Fatal(err)
	}
	b.Run("save-unchanged", func(b *testing.B) {
		b.ReportAllocs()
		at := start
		for b.Loop() {
			b.StopTimer()
			at = at.Add(15 * time.Minute)
			next := later(first, at)
			b.StartTimer()
			if err := db.SaveReplica(next); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(size(b, db), "MB-on-disk")
	})
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := db.Replica(first.Source); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkWhole measures a state with that source and a target in which all of it is
// applied.
func BenchmarkWhole(b *testing.B) {
	dir := b.TempDir()
	db := benchState(b, dir)
	if err := db.SaveReplica(bigReplica(bigUsers, bigGroups, bigMembers, time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))); err != nil {
		b.Fatal(err)
	}
	m, dirty := bigMemory(bigUsers, bigGroups, bigMembers)
	b.Run("save-memory", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			fresh := benchState(b, b.TempDir())
			b.StartTimer()
			if err := fresh.SaveMemory(m, dirty); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := db.SaveMemory(m, dirty); err != nil {
		b.Fatal(err)
	}
	// Only what a load leaves behind counts.
	m, dirty = nil, plan.Dirty{}
	runtime.GC()
	b.Run("load-memory", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := db.Memory("chat"); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(size(b, db), "MB-on-disk")
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if err := db.Check(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			var err error
			if db, err = Open(context.Background(), Options{Dir: dir}); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}
