package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
)

// server is an Open WebUI with six groups and six accounts that are linked to people.
func server() (*plan.Memory, *plan.Observation) {
	m := plan.NewMemory("chat", "here", at(-1))
	o := &plan.Observation{At: at(0), AllAccounts: true}
	for i := range 6 {
		account := fmt.Sprintf("a%d", i)
		o.Accounts = append(o.Accounts, plan.Account{ID: account, Email: account + "@example.org"})
		o.Groups = append(o.Groups, plan.Group{ID: fmt.Sprintf("g%d", i), Name: fmt.Sprintf("g%d", i), UpdatedAt: 100})
		m.People.Set(directory.UserKey{Source: "corp", ID: account}, plan.PersonLink{Account: account, Since: time.Time{}})
	}
	m.Observe(o)
	next := *o
	next.Accounts, next.Groups = append([]plan.Account{}, o.Accounts...), append([]plan.Group{}, o.Groups...)
	return m, &next
}

func TestTargetChanged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*plan.Memory, *plan.Observation)
		want   string
	}{
		"nothing":                            {func(*plan.Memory, *plan.Observation) {}, ""},
		"four groups are missing":            {func(_ *plan.Memory, o *plan.Observation) { o.Groups = o.Groups[4:] }, ""},
		"five groups are missing":            {func(_ *plan.Memory, o *plan.Observation) { o.Groups = o.Groups[5:] }, "5 of 6 known groups"},
		"four accounts are missing":          {func(_ *plan.Memory, o *plan.Observation) { o.Accounts = o.Accounts[4:] }, ""},
		"five accounts are missing":          {func(_ *plan.Memory, o *plan.Observation) { o.Accounts = o.Accounts[5:] }, "5 of 6 linked accounts"},
		"accounts that were not all read":    {func(_ *plan.Memory, o *plan.Observation) { o.Accounts, o.AllAccounts = nil, false }, ""},
		"a group was changed later":          {func(_ *plan.Memory, o *plan.Observation) { o.Groups[0].UpdatedAt = 101 }, ""},
		"a group was changed earlier":        {func(_ *plan.Memory, o *plan.Observation) { o.Groups[0].UpdatedAt = 99 }, "earlier"},
		"a deleted account is there again":   {func(m *plan.Memory, o *plan.Observation) { without(m, o) }, "there again"},
		"both of two groups, and no account": {func(m *plan.Memory, o *plan.Observation) { two(m, o) }, "2 of 2 known groups"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, o := server()
			c.change(m, o)
			if got := m.TargetChanged(o); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// without lets an account have been deleted before o, which shows it.
func without(m *plan.Memory, o *plan.Observation) {
	less := *o
	less.Accounts = o.Accounts[1:]
	m.Observe(&less)
}

// two leaves two known groups, and none in o.
func two(m *plan.Memory, o *plan.Observation) {
	less := *o
	less.Groups = o.Groups[:2]
	m.Observe(&less)
	o.Groups = nil
}

func TestADeletedAccountThatNothingNamesKeepsOnlyItsID(t *testing.T) {
	t.Parallel()
	m := plan.NewMemory("chat", "here", at(0))
	account := func(id string) plan.Account {
		return plan.Account{ID: id, Email: id + "@example.org", Name: id, Role: "user", Subjects: map[string]string{"oidc": id}, CreatedAt: 7}
	}
	m.Observe(&plan.Observation{At: at(0), AllAccounts: true, Accounts: []plan.Account{account("stays"), account("goes"), account("linked")}})
	m.People.Set(directory.UserKey{Source: "corp", ID: "u"}, plan.PersonLink{Account: "linked"})
	m.Observe(&plan.Observation{At: at(1), AllAccounts: true, Accounts: []plan.Account{account("stays")}})
	erase := func() []uint32 {
		var dirty plan.Dirty
		m.EraseAccounts(&dirty)
		return dirty.Accounts
	}
	if got := erase(); len(got) > 0 {
		t.Errorf("%v are erased while a tombstone and a link name them", got)
	}
	m.Tombstones = nil
	if got := erase(); !slices.Equal(got, []uint32{1}) {
		t.Errorf("%v are erased, want the one that is deleted and linked to nobody", got)
	}
	if a := m.Mirror.Account(1); a.ID != "goes" || !a.Deleted || a.CreatedAt != 7 || a.Email+a.Name != "" || a.Subjects != nil {
		t.Errorf("what is left: %+v", a)
	}
	if got := erase(); len(got) > 0 {
		t.Errorf("%v are erased twice", got)
	}
}
