package replica_test

import (
	"fmt"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
)

// TestWhoWasShownByTheSameReadsSharesTheEvidence: a large directory keeps its times once,
// and whoever is not shown any more takes their own with them.
func TestWhoWasShownByTheSameReadsSharesTheEvidence(t *testing.T) {
	t.Parallel()
	r := replica.New("corp")
	whole := func(minute int, who ...string) {
		s := &directory.Snapshot{AsOf: at(minute), UsersListed: true, GroupsListed: true}
		for _, id := range who {
			s.Users = append(s.Users, directory.User{ID: id, StatusKnown: true})
		}
		r, _ = r.Merge(s, 0)
	}
	places := func() string {
		text, number := "", map[*replica.Evidence]int{}
		for i := range r.Users() {
			e := r.Users()[i].Evidence
			if number[e] == 0 {
				number[e] = len(number) + 1
			}
			text += fmt.Sprint(number[e])
		}
		return text
	}
	for i, step := range []struct{ who, want string }{{"abcd", "1111"}, {"abcd", "1111"}, {"ac", "1212"}, {"ac", "1212"}, {"abc", "1112"}, {"abcd", "1111"}} {
		whole(i, splitLetters(step.who)...)
		if got := places(); got != step.want {
			t.Errorf("after read %d of %s: %s, want %s", i, step.who, got, step.want)
		}
	}
}

func splitLetters(s string) []string {
	var list []string
	for _, c := range s {
		list = append(list, string(c))
	}
	return list
}

// TestTextsOfUsersAreTheirOwn: what a replica keeps holds up nothing of the read that
// showed it, and says the same.
func TestTextsOfUsersAreTheirOwn(t *testing.T) {
	t.Parallel()
	u := directory.User{ID: "i", Email: "ann@example.org", Name: "Ann Ä", DN: "uid=ann", Attributes: map[string][]string{"dept": {"a", ""}, "none": nil}, StatusKnown: true}
	r, _ := replica.New("corp").Merge(&directory.Snapshot{AsOf: at(0), UsersListed: true, Users: []directory.User{u}}, 0)
	got := r.Users()[0].User
	u.StatusKnown = false
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", u) {
		t.Errorf("%+v, want %+v", got, u)
	}
	u.Attributes["dept"][0] = "b"
	if got.Attributes["dept"][0] != "a" {
		t.Error("the replica changes with the snapshot")
	}
}
