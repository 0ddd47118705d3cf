package state

import (
	"slices"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
)

// TestOwnershipAndMirrorShareOneListUntilOneOfThemChanges: what is kept once for both must
// not change on one side because the other does.
func TestOwnershipAndMirrorShareOneListUntilOneOfThemChanges(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	m := plan.NewMemory("chat", "instance", noon())
	accounts := []plan.Account{{ID: "a0"}, {ID: "a1"}, {ID: "a2"}, {ID: "a3"}}
	m.Mirror = plan.RestoreMirror(plan.Mirror{}, accounts, []*plan.MirrorGroup{{Group: plan.Group{ID: "g", MembersRead: true}, Numbers: []uint32{0, 1, 3}}})
	key := plan.FeedKey{Rule: "r", Group: directory.GroupKey{Source: "corp", ID: "1"}}
	m.Owned["g"] = &plan.OwnedGroup{GroupID: "g", Feeds: []plan.OwnedFeed{{Key: key, Accounts: []uint32{0, 1, 3}}}}
	ok(t, db.SaveMemory(m, plan.Dirty{Head: true, Accounts: []uint32{0, 1, 2, 3}, MirrorGroups: []string{"g"}, Owned: []string{"g"}}))
	for _, change := range []func(*plan.OwnedGroup){
		func(o *plan.OwnedGroup) { o.Set(1, nil) },
		func(o *plan.OwnedGroup) { o.Set(2, []plan.FeedKey{key}) },
		func(o *plan.OwnedGroup) { o.Set(2, []plan.FeedKey{key}); o.Set(0, nil) },
	} {
		loaded, err := db.Memory("chat")
		ok(t, err)
		o, mirrored := loaded.Owned["g"], loaded.Mirror.Group("g")
		if &o.Feeds[0].Accounts[0] != &mirrored.Numbers[0] {
			t.Fatal("two lists are kept")
		}
		change(o)
		if !slices.Equal(mirrored.Numbers, []uint32{0, 1, 3}) {
			t.Errorf("the mirror shows %v", mirrored.Numbers)
		}
	}
}
