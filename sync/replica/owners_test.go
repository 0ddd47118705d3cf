package replica_test

import (
	"testing"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
)

// owned is a read of one group with a member and the owners of that group.
func owned(minute int, owners ...uint32) *directory.Snapshot {
	s := &directory.Snapshot{AsOf: at(minute), UsersListed: true, GroupsListed: true,
		Users:  []directory.User{{ID: "ann", StatusKnown: true}, {ID: "bob", StatusKnown: true}},
		Groups: []directory.Group{{ID: "g", Name: "g", Direct: []uint32{0}, MembersKnown: true}}}
	o := s.Groups[0].Owners()
	o.Direct, o.MembersKnown = owners, true
	s.Groups = append(s.Groups, o)
	s.Close(true)
	return s
}

// TestALookUpSaysNothingAboutOwners: it shows what somebody is a member of, so it is no proof
// that they own nothing.
func TestALookUpSaysNothingAboutOwners(t *testing.T) {
	t.Parallel()
	grace := replica.Grace{Reads: 2}
	standing := func(r *replica.Replica, user string) replica.Verdict {
		n, _ := r.User(user)
		g, _ := r.Group("g:owners")
		return r.Membership(n, g, grace)
	}
	r, _ := replica.New("s").Merge(owned(0, 0), 0)
	if v := standing(r, "ann"); v.Standing != replica.Shown {
		t.Fatalf("the owner: %+v", v)
	}
	lookUp := &directory.Snapshot{AsOf: at(5), Users: []directory.User{{ID: "ann", StatusKnown: true, GroupsKnown: true}, {ID: "bob", StatusKnown: true, GroupsKnown: true}}}
	looked, _ := r.Merge(lookUp, 0)
	if v := standing(looked, "ann"); v.Standing != replica.Shown {
		t.Errorf("the owner, looked up: %+v", v)
	}
	if v := standing(looked, "bob"); v.Standing != replica.Absent || !v.Absence.Since().Equal(at(0)) {
		t.Errorf("somebody else, looked up: %+v since %v, want what the list showed", v, v.Absence.Since())
	}
	// The list that began before the look-up still counts for owners.
	late, _ := looked.Merge(owned(3, 1), 0)
	if v := standing(late, "ann"); v.Standing != replica.Absent || v.Absence.Kind() != replica.Left {
		t.Errorf("an owner no longer: %+v", v)
	}
	if v := standing(late, "bob"); v.Standing != replica.Shown {
		t.Errorf("the new owner: %+v", v)
	}
}

func TestOwnersCountInNoSize(t *testing.T) {
	t.Parallel()
	s := owned(0, 0, 1)
	r, _ := replica.New("s").Merge(s, 0)
	if users, groups := r.Size(); users != 2 || groups != 1 {
		t.Errorf("%d users, %d groups", users, groups)
	}
	if got := s.Memberships(); got != 1 {
		t.Errorf("%d memberships", got)
	}
	if s.Coverage() != directory.Full {
		t.Errorf("coverage %s", s.Coverage())
	}
}

func TestOwnersAreInThePicture(t *testing.T) {
	t.Parallel()
	r, _ := replica.New("s").Merge(owned(0, 1), 0)
	p := r.Picture()
	if len(p.Groups) != 2 || p.Groups[1].OwnersOf != "g" || len(p.Groups[1].Members) != 1 {
		t.Errorf("%+v", p.Groups)
	}
}
