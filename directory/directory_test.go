package directory_test

import (
	"slices"
	"testing"

	"groupsyncd/directory"
)

func TestFoldEmailFoldsASCIIOnly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ann@Example.ORG": "ann@example.org",
		"":                "",
		"ÄNN@example.org": "ÄNN@example.org",
		"\u212aIM@x":      "\u212aIM@x", // the sign for kelvin is no k
		"ADMIN@x":         "admin@x",
		"adm\u0131n@x":    "adm\u0131n@x",
	} {
		if got := directory.FoldEmail(in); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}

func TestValueByConfiguredName(t *testing.T) {
	t.Parallel()
	u := &directory.User{ID: "1", Email: "a@x", Username: "a", Name: "A", DN: "cn=a", Attributes: map[string][]string{"dept": {"x", "y"}}}
	for name, want := range map[string][]string{"id": {"1"}, "email": {"a@x"}, "username": {"a"}, "name": {"A"}, "dn": {"cn=a"}, "dept": {"x", "y"}, "other": nil} {
		if got := u.Value(name); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := (&directory.User{}).Value("email"); got != nil {
		t.Errorf("an empty value is %v", got)
	}
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		s    directory.Snapshot
		want directory.Coverage
	}{
		{"nothing", directory.Snapshot{}, directory.None},
		{"both lists, no groups", directory.Snapshot{UsersListed: true, GroupsListed: true}, directory.Full},
		{"one list", directory.Snapshot{UsersListed: true}, directory.Partial},
		{"a group that was cut", directory.Snapshot{UsersListed: true, GroupsListed: true, Groups: []directory.Group{{}}}, directory.Partial},
		{"every group", directory.Snapshot{UsersListed: true, GroupsListed: true, Groups: []directory.Group{{MembersKnown: true}}}, directory.Full},
		{"a look-up", directory.Snapshot{Users: []directory.User{{GroupsKnown: true}}}, directory.Partial},
		{"a status", directory.Snapshot{Users: []directory.User{{StatusKnown: true}}}, directory.Partial},
		{"somebody seen, nothing proved", directory.Snapshot{Users: []directory.User{{}}}, directory.None},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.s.Coverage(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
