package engine_test

import (
	"fmt"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/sync/engine/enginetest"
)

func personID(source, human string) string { return source[:1] + "-" + human }

func humanOf(person string) string {
	_, h, _ := strings.Cut(person, "-")
	return h
}

// directoryStep changes a directory; false: the step is about something else.
func (w *world) directoryStep(s step) bool {
	d := w.dirs[s.arg(0)]
	if d == nil {
		return false
	}
	id, g := personID(s.arg(0), s.arg(1)), s.arg(1)
	user, known := d.Now().Users[id]
	group, exists := d.Now().Groups[g]
	switch s.do {
	case "user":
		if !known {
			d.SetUser(directory.User{ID: id, Username: s.arg(1), Email: s.arg(1) + "@x.org", Attributes: map[string][]string{"department": {"A"}}})
		}
	case "deluser":
		d.RemoveUser(id)
		w.rough = true
	case "disable", "enable":
		if known && (s.do == "disable" || s.arg(0) != "hr") {
			user.Disabled = s.do == "disable"
			d.SetUser(user)
		}
	case "dept":
		if known {
			user.Attributes = map[string][]string{"department": {s.arg(2)}}
			d.SetUser(user)
		}
	case "mail":
		if known {
			user.Email = s.arg(1) + ".new@x.org"
			d.SetUser(user)
			w.rough = true
		}
	case "recycle":
		w.recycle(s, d, user, known)
	case "group":
		if !exists {
			d.SetGroup(enginetest.TrueGroup{ID: g, Name: g})
		}
	case "delgroup":
		d.RemoveGroup(g)
	case "rename":
		if exists {
			group.Name = s.arg(2)
			d.SetGroup(group)
		}
	case "wide":
		d.Edit(g, func(t *enginetest.TrueGroup) { t.Wide = true })
	case "place":
		d.Edit(g, func(t *enginetest.TrueGroup) {
			t.Place = map[string]enginetest.Place{"filtered": enginetest.Filtered, "away": enginetest.Away}[s.arg(2)]
		})
	case "nest":
		d.Edit(g, func(t *enginetest.TrueGroup) { t.Children[s.arg(2)] = true })
	case "unnest":
		d.Edit(g, func(t *enginetest.TrueGroup) { delete(t.Children, s.arg(2)) })
	case "join":
		d.Edit(s.arg(2), func(t *enginetest.TrueGroup) { t.Members[id] = true })
	case "leave":
		d.Edit(s.arg(2), func(t *enginetest.TrueGroup) { delete(t.Members, id) })
	case "narrow":
		w.configure(func() { w.sources[s.arg(0)].Narrow = s.arg(1) == "on" })
	default:
		return false
	}
	return true
}

// recycle gives the mail address of somebody whom the source has shown to somebody new.
func (w *world) recycle(s step, d *enginetest.Directory, user directory.User, known bool) {
	heir := s.arg(2)
	if !w.oracle.everShown(s.arg(0), personID(s.arg(0), s.arg(1))) || w.recycled[s.arg(1)] || heir == "" {
		return
	}
	for _, name := range sourceNames {
		if _, exists := w.dirs[name].Now().Users[personID(name, heir)]; exists {
			return
		}
	}
	if known {
		user.Email = s.arg(1) + ".new@x.org"
		d.SetUser(user)
	}
	d.SetUser(directory.User{ID: personID(s.arg(0), heir), Username: heir, Email: s.arg(1) + "@x.org", Attributes: map[string][]string{"department": {"A"}}})
	w.recycled[s.arg(1)], w.recycled[heir], w.rough = true, true, true
}

// webStep is the hand of an administrator in Open WebUI, and people who sign up.
func (w *world) webStep(s step) bool {
	a := w.account[s.arg(0)]
	gid := ""
	if ids := w.web.Named(s.arg(1)); len(ids) > 0 {
		gid = ids[0]
	}
	switch s.do {
	case "signup":
		if a == "" && !w.recycled[s.arg(0)] {
			w.signUp(s.arg(0))
		}
	case "delacct", "remake":
		if a != "" {
			w.web.DeleteAccount(a)
			delete(w.account, s.arg(0))
			w.oracle.forgetAccount(a)
			if s.do == "remake" && !w.recycled[s.arg(0)] {
				w.signUp(s.arg(0))
			}
			w.rough = true
		}
	case "acctmail":
		if a != "" {
			w.web.SetEmail(a, s.arg(0)+".other@x.org")
			w.rough = true
		}
	case "put":
		if w.web.Put(gid, a) {
			w.oracle.byHand(gid, a, true)
		}
	case "take":
		if w.web.Take(gid, a) {
			w.oracle.byHand(gid, a, false)
		}
	case "mkgroup":
		if len(w.web.Named(s.arg(0))) == 0 {
			w.web.Make(s.arg(0))
		}
	case "delgrp":
		if ids := w.web.Named(s.arg(0)); len(ids) > 0 {
			w.web.Delete(ids[0])
			w.oracle.forgetGroup(ids[0])
		}
	case "regroup":
		if ids := w.web.Named(s.arg(0)); len(ids) > 0 && len(w.web.Named(s.arg(1))) == 0 {
			w.web.Rename(ids[0], s.arg(1))
		}
	default:
		return false
	}
	return true
}

func (w *world) signUp(human string) {
	w.incarnat[human]++
	id := fmt.Sprintf("a%d.%s", w.incarnat[human], human)
	w.account[human], w.human[id] = id, human
	w.web.SignUp(id, human+"@x.org", map[string]string{}) // As the server tells it of whoever has no sign-in of a provider.
}

var _ providers.LookUp = (*enginetest.Source)(nil)
