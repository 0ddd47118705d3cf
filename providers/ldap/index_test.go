package ldap

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestTheIndexIsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var names []string
		x := newIndex(func(at uint32, name []byte) bool { return names[at] == string(name) })
		want := map[string]uint32{}
		for range rapid.IntRange(0, 300).Draw(t, "names") {
			name := fmt.Sprint(rapid.IntRange(0, 200).Draw(t, "name"))
			known, taken := x.add([]byte(name), uint32(len(names)))
			at, before := want[name]
			if taken != before || taken && known != at {
				t.Fatalf("adding %q gives %d, %v", name, known, taken)
			}
			if !taken {
				want[name] = known
				names = append(names, name)
			}
		}
		var b batch
		for n := range 250 {
			if b.buf = fmt.Append(b.buf, n); !b.end() && n < 249 {
				continue
			}
			x.findAll(&b, func(at uint32) string { return names[at] })
			for i := range b.n {
				if known, ok := want[string(b.name(i))]; ok != b.found[i] || ok && b.at[i] != known {
					t.Fatalf("%s is %d, %v", b.name(i), b.at[i], b.found[i])
				}
			}
			b.reset()
		}
		for n := range 250 {
			at, found := x.find([]byte(fmt.Sprint(n)))
			if known, ok := want[fmt.Sprint(n)]; ok != found || found && at != known {
				t.Fatalf("%d is %d, %v", n, at, found)
			}
		}
	})
}

func TestFindingANameAllocatesNothing(t *testing.T) {
	names := make([]string, 1000)
	x := newIndex(func(at uint32, name []byte) bool { return names[at] == string(name) })
	for i := range names {
		names[i] = fmt.Sprintf("uid=u%d,ou=people,dc=example,dc=org", i)
		x.add([]byte(names[i]), uint32(i))
	}
	name := []byte(names[500])
	if n := testing.AllocsPerRun(100, func() {
		if at, ok := x.find(name); !ok || at != 500 {
			t.Errorf("found %d, %v", at, ok)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
