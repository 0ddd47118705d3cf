package scimpush

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"groupsyncd/providers/scimpush/scimpushtest"
)

// step is one request of a sequence, and what must come of it.
type step struct {
	About, Do string
	Body      json.RawMessage
	Status    int
	Save      string
	Has       document
	Not       []string
	Members   map[string][]string
}

// TestSequences replays what providers send, in their shapes: a first round, changes,
// disabling, deleting, restoring, renaming. After each step the source is opened anew on
// what was kept, and must show the same.
func TestSequences(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var steps []step
			if err := json.Unmarshal(b, &steps); err != nil {
				t.Fatal(err)
			}
			store, ids := &scimpushtest.Store{}, map[string]string{}
			known := func(text string) string {
				for name, id := range ids {
					text = strings.ReplaceAll(text, "${"+name+"}", id)
				}
				return text
			}
			for i := range steps {
				one, s := &steps[i], open(t, store, nil) // Nothing but the store lives on.
				method, path, _ := strings.Cut(known(one.Do), " ")
				var body any
				if one.Body != nil {
					body = known(string(one.Body))
				}
				p := provider(s)
				a := p.Ask(t, method, path, body)
				where := fmt.Sprintf("step %d (%s %s)", i+1, one.Do, one.About)
				if a.Status != one.Status {
					t.Fatalf("%s: %d %v", where, a.Status, a.Body)
				}
				if one.Save != "" {
					ids[one.Save] = fmt.Sprint(a.Body["id"])
				}
				want := document{}
				if b, err := json.Marshal(one.Has); err != nil || json.Unmarshal([]byte(known(string(b))), &want) != nil {
					t.Fatal(err)
				}
				if !includes(a.Body, want) {
					t.Errorf("%s: %v lacks %v", where, a.Body, want)
				}
				for _, name := range one.Not {
					if _, there := a.Body[name]; there {
						t.Errorf("%s: %s is there", where, name)
					}
				}
				for group, want := range one.Members {
					for i, name := range want {
						if id, ok := ids[name]; ok {
							want[i] = id
						}
					}
					if got := membersOf(t, p, ids[group]); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
						t.Errorf("%s: the members are %v, not %v", where, got, want)
					}
				}
			}
		})
	}
}

func membersOf(t *testing.T, p *scimpushtest.Provider, group string) []string {
	t.Helper()
	var out []string
	list, _ := p.Ask(t, "GET", "/Groups/"+group, nil).Body["members"].([]any)
	for _, m := range list {
		out = append(out, fmt.Sprint(m.(map[string]any)["value"]))
	}
	slices.Sort(out)
	return out
}

// includes reports whether a value has everything that another has.
func includes(have, want any) bool {
	switch w := want.(type) {
	case document:
		h, ok := have.(document)
		for k, v := range w {
			ok = ok && includes(h[k], v)
		}
		return ok || len(w) == 0
	case []any:
		h, ok := have.([]any)
		if !ok || len(h) != len(w) {
			return false
		}
		for i := range w {
			if !includes(h[i], w[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(have, want)
}
