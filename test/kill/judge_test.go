package kill

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"groupsyncd/app"
	"groupsyncd/sync/run"
	"groupsyncd/test/hand"
)

// calm lets runs finish and judges them: the first brings everything that the directory
// grants and takes away everything that needs no further proof; once what is held is
// approved, Open WebUI is what the directory says and what was done by hand; one more
// writes nothing.
func (w *world) calm() {
	w.Helper()
	w.program(func(a *app.App) {
		w.run(a)
		w.compare("after the next run", w.excused(a))
		for range w.story.reads + 1 {
			holds, err := a.Holds(w.Context())
			if err != nil {
				w.Fatal(err)
			}
			for i := range holds {
				if _, err := a.Approve(w.Context(), holds[i].Hash, "the test says so", "test"); err != nil {
					w.Fatal(err)
				}
			}
			w.run(a)
		}
		w.compare("in the end", nil)
		wrote := len(w.srv.front.written())
		if r := w.run(a); r.Exit != run.ExitOK || r.Targets[0].Writes != 0 || len(w.srv.front.written()) != wrote {
			w.Errorf("a run with nothing to do ended with %d after %d writes", r.Exit, r.Targets[0].Writes)
		}
	})
}

// excused says whose removal may still be waiting after one run: it is held, or somebody
// or some group must be missing from more than one read.
func (w *world) excused(a *app.App) func(group string, place, person int) bool {
	w.Helper()
	holds, err := a.Holds(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	c := &w.story.chapters[w.chapter]
	return func(group string, place, person int) bool {
		held := slices.ContainsFunc(holds, func(h run.Hold) bool {
			return slices.ContainsFunc(h.Changes, func(x run.Change) bool {
				return x.Group != nil && x.Group.ID == group && x.User != nil && x.User.ID == w.account(w.story.mails[person])
			})
		})
		return held || w.story.reads > 1 && (c.people[person] == gone || place == c.except)
	}
}

// compare holds the members of every group of ours against the directory and what was
// done by hand. Whoever is excused may be there still.
func (w *world) compare(when string, excused func(group string, place, person int) bool) {
	w.Helper()
	c := &w.story.chapters[w.chapter]
	found := map[int]bool{}
	for _, g := range w.srv.hand.Groups() {
		n := w.place(&g)
		if n < 0 {
			continue
		}
		if found[n] {
			w.Errorf("%s: two groups are %s", when, c.name(n))
		}
		found[n] = true
		if n != c.except && n < len(c.groups) && g.Name != c.name(n) {
			w.Errorf("%s: %s is called %s", when, c.name(n), g.Name)
		}
		want := w.wanted(c, g.ID, n)
		for _, id := range want {
			if !slices.Contains(g.Members, id) {
				w.Errorf("%s: %s is not in %s", when, id, g.Name)
			}
		}
		for _, id := range g.Members {
			p := slices.IndexFunc(w.story.mails, func(mail string) bool { return w.account(mail) == id })
			if !slices.Contains(want, id) && (excused == nil || p < 0 || !excused(g.ID, n, p)) {
				w.Errorf("%s: %s is still in %s", when, id, g.Name)
			}
		}
	}
	for n := range c.groups {
		if n != c.except && !found[n] {
			w.Errorf("%s: there is no %s", when, c.name(n))
		}
	}
}

// wanted gives the accounts that a group must have.
func (w *world) wanted(c *chapter, id string, n int) []string {
	var want []string
	for p, mail := range w.story.mails {
		if account := w.account(mail); account != "" && (c.wants(n, p) || w.byHand[byHand{id, account}]) {
			want = append(want, account)
		}
	}
	for _, mail := range w.srv.outsiders {
		if w.byHand[byHand{id, w.account(mail)}] {
			want = append(want, w.account(mail))
		}
	}
	return want
}

// judge looks at everything that was written, and at what must not have changed.
func (w *world) judge() {
	w.Helper()
	if !reflect.DeepEqual(w.srv.hand.Accounts(), w.accounts) {
		w.Error("accounts have changed")
	}
	groups := w.srv.hand.Groups()
	places, names, marks := map[string]int{}, map[string]bool{}, map[string]bool{}
	for i := range groups {
		g := &groups[i]
		places[g.ID] = w.place(g)
		mark := fmt.Sprint(g.Mark())
		if g.Mark().Rule == "" {
			mark = g.ID
		}
		if names[g.Name] || marks[mark] {
			w.Errorf("%s was made twice", g.Name)
		}
		names[g.Name], marks[mark] = true, true
	}
	for i := range w.foreign {
		if !slices.ContainsFunc(groups, func(g hand.Group) bool { return reflect.DeepEqual(g, w.foreign[i]) }) {
			w.Errorf("%s has changed", w.foreign[i].Name)
		}
	}
	if w.story.adopts {
		w.judgeAdopted(groups)
	}
	for _, x := range w.srv.front.written() {
		w.judgeWrite(x, places)
	}
}

// judgeAdopted shows that of a group that was taken over only our values have changed.
func (w *world) judgeAdopted(groups []hand.Group) {
	w.Helper()
	i := slices.IndexFunc(groups, func(g hand.Group) bool { return g.ID == w.adopted.ID })
	if i < 0 {
		w.Fatal("the group that was taken over is gone")
	}
	last := w.story.chapters[len(w.story.chapters)-1]
	g := &groups[i]
	if !bytes.Equal(g.Permissions, w.adopted.Permissions) || last.about == "" && g.Description != w.adopted.Description {
		w.Errorf("values of %s have changed: %s %s", g.Name, g.Permissions, g.Description)
	}
	var was, is map[string]any
	if json.Unmarshal(w.adopted.Data, &was) != nil || json.Unmarshal(g.Data, &is) != nil {
		w.Fatalf("the data of %s is %s", g.Name, g.Data)
	}
	delete(is, "groupsyncd")
	if !reflect.DeepEqual(was, is) {
		w.Errorf("the data of %s was %s and is %s", g.Name, w.adopted.Data, g.Data)
	}
}

// judgeWrite shows that a request wrote to a group of ours, and took away only who had
// left by then and was not put there by hand.
func (w *world) judgeWrite(x write, places map[string]int) {
	w.Helper()
	if strings.HasPrefix(x.group, "/api/v1/groups/create") {
		return
	}
	place, known := places[x.group]
	if known && place < 0 {
		w.Errorf("%s of a group that is not ours", x.action)
	}
	if x.action != "users/remove" {
		return
	}
	c := &w.story.chapters[x.chapter]
	for _, id := range x.accounts {
		p := slices.IndexFunc(w.story.mails, func(mail string) bool { return w.account(mail) == id })
		if p < 0 || !known || c.wants(place, p) || w.byHand[byHand{x.group, id}] {
			w.Errorf("chapter %d: %s was taken out of %s and had not left", x.chapter, id, x.group)
		}
	}
}
