package permission_test

import (
	"encoding/json"
	"maps"
	"testing"

	"groupsyncd/permission"
)

// FuzzUnion: to unite permissions is commutative, associative and idempotent and never loses
// a yes, for sets as they are and for arbitrary trees that they are read from and laid over.
func FuzzUnion(f *testing.F) {
	for _, seed := range [][3]string{
		{`{"chat":{"edit":true}}`, `{"chat":{"edit":false,"share":true}}`, `{"workspace":{"models":true}}`},
		{`null`, `{}`, ``},
		{`{"chat":true}`, `{"chat":{"edit":true}}`, `{"chat":{"edit":{"deep":true}}}`},
		{`{"a.b":true,"a":{"b":false},"":{"c":true}}`, `{"a":{"b":null,"c":1e400}}`, `{"a":[true],"b":"true"}`},
		{`{"a":{"b":true,"b":false}}`, `{"\u0061":{"b":true}}`, ` {"a" : {"b" : true } } `},
		{`[]`, `"x"`, `{`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]), []byte(seed[2]))
	}
	f.Fuzz(func(t *testing.T, x, y, z []byte) {
		a, okA := flat(t, x)
		b, okB := flat(t, y)
		c, okC := flat(t, z)
		if okA && okB && okC {
			united(t, a, b, c)
			laid(t, x, a, b)
			laid(t, y, b, c)
		}
	})
}

func flat(t *testing.T, tree []byte) (permission.Set, bool) {
	t.Helper()
	set, _, err := permission.Flatten(tree)
	if err != nil {
		if json.Valid(tree) && len(tree) > 0 && tree[0] == '{' {
			t.Fatalf("an object cannot be read: %s", err)
		}
		return nil, false
	}
	return set, true
}

func united(t *testing.T, a, b, c permission.Set) {
	t.Helper()
	ab := permission.Union(a, b)
	switch {
	case !maps.Equal(ab, permission.Union(b, a)):
		t.Fatalf("not commutative: %v and %v", a, b)
	case !maps.Equal(permission.Union(ab, c), permission.Union(a, permission.Union(b, c))) || !maps.Equal(permission.Union(ab, c), permission.Union(a, b, c)):
		t.Fatalf("not associative: %v, %v and %v", a, b, c)
	case !maps.Equal(permission.Union(a, a), a) || !maps.Equal(permission.Union(ab, ab), ab) || !maps.Equal(permission.Union(ab, a), ab):
		t.Fatalf("not idempotent: %v and %v", a, b)
	case !permission.Subset(a, ab) || !permission.Subset(b, ab):
		t.Fatalf("a yes is lost: %v and %v are %v", a, b, ab)
	}
	for key, on := range ab {
		if on && !a[key] && !b[key] {
			t.Fatalf("%s is allowed by nobody", key)
		}
		if _, inA := a[key]; !inA {
			if _, inB := b[key]; !inB {
				t.Fatalf("%s is named by nobody", key)
			}
		}
	}
	rights := permission.Effective(a, permission.Grant{From: "b", Set: b}, permission.Grant{From: "c", Set: c})
	for key, on := range permission.Union(a, b, c) {
		if rights[key].Allowed != on {
			t.Fatalf("%s is %v, and %v for a person", key, on, rights[key].Allowed)
		}
	}
}

// laid: a set that is laid over a tree is in it afterwards, with everything that was there and
// that it does not name; laid again, it changes nothing.
func laid(t *testing.T, tree []byte, have, set permission.Set) {
	t.Helper()
	after, err := permission.Merge(tree, set)
	if err != nil {
		return // a name leads through what is no category
	}
	got, _, err := permission.Flatten(after)
	if err != nil {
		t.Fatalf("%v over %s cannot be read: %s", set, tree, err)
	}
	want := maps.Clone(have)
	maps.Copy(want, set)
	if !maps.Equal(got, want) {
		t.Fatalf("%v over %s is %s", set, tree, after)
	}
	if again, err := permission.Merge(after, set); err != nil || string(again) != string(after) {
		t.Fatalf("%v over %s again is %s (%v)", set, after, again, err)
	}
	// Uniting before and after is the same.
	both, err := permission.Merge(tree, permission.Union(have, set))
	if err != nil {
		t.Fatalf("what a tree has and what can be laid over it cannot be united: %s", err)
	}
	if got, _, err = permission.Flatten(both); err != nil || !maps.Equal(got, permission.Union(have, set)) {
		t.Fatalf("united over %s: %s (%v)", tree, both, err)
	}
}
