package state

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/sync/replica"
)

// pushedRecords gives what is pushed into a source, as KEY=VALUE.
func pushedRecords(t *testing.T, p *Pushed) []string {
	t.Helper()
	var out []string
	_, err := p.Load(func(key string, value []byte) error { out = append(out, key+"="+string(value)); return nil })
	ok(t, err)
	return out
}

func TestWhatWasPushedIsKeptAndNumbered(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	p := db.Pushed("s")
	first, err := p.Save(p.Revision(), []providers.PushedRecord{{Key: "b", Value: []byte("2")}, {Key: "a", Value: []byte("1")}})
	ok(t, err)
	if _, err := db.Pushed("s").Save(first-1, []providers.PushedRecord{{Key: "c", Value: []byte("3")}}); !errors.Is(err, providers.ErrMoved) {
		t.Errorf("an old revision writes: %v", err)
	}
	if _, err := p.Save(first, []providers.PushedRecord{{Key: "a"}, {Key: "b", Value: []byte("4")}}); err != nil || p.Revision() == first {
		t.Errorf("revision %d, %v", p.Revision(), err)
	}
	if _, err := p.Save(p.Revision(), []providers.PushedRecord{{Value: []byte("x")}}); err == nil {
		t.Error("a record without a key is taken")
	}
	db = again(t, db)
	if got := pushedRecords(t, db.Pushed("s")); !slices.Equal(got, []string{"b=4"}) {
		t.Errorf("%v", got)
	}
	if got, err := db.Pushed("s").Get("b"); err != nil || string(got) != "4" {
		t.Errorf("%s, %v", got, err)
	}
	ok(t, db.Check(t.Context()))
	if list, err := db.PushedSources(); err != nil || !slices.Equal(list, []string{"s"}) {
		t.Errorf("%v, %v", list, err)
	}
	before := db.Pushed("s").Revision()
	ok(t, db.DropReplica("s"))
	if got := pushedRecords(t, db.Pushed("s")); len(got) != 0 || db.Pushed("s").Revision() == before {
		t.Errorf("dropped: %v", got)
	}
}

func TestWhatWasPushedIsInDoubtAfterARestore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	ok(t, os.MkdirAll(dir, 0o700))
	opts := testOptions(dir)
	db := mustOpen(t, opts)
	for _, source := range []string{"pushed", "read"} {
		r, _ := replica.New(source).Merge(&directory.Snapshot{AsOf: noon(), UsersListed: true, GroupsListed: true, Users: []directory.User{{ID: "u", StatusKnown: true, Disabled: true}},
			Groups: []directory.Group{{ID: "g", MembersKnown: true, Members: []uint32{0}}}}, 0)
		ok(t, db.SaveReplica(r))
	}
	p := db.Pushed("pushed")
	_, err := p.Save(p.Revision(), []providers.PushedRecord{{Key: "a", Value: []byte("1")}})
	ok(t, err)
	made, err := db.BackupTo(t.Context(), "", "")
	ok(t, err)
	ok(t, db.Close())
	_, err = Restore(t.Context(), opts, RestoreOptions{From: made.Path, By: "ana"})
	ok(t, err)
	db = mustOpen(t, opts)
	mark, err := db.Pushed("pushed").Get(providers.RestoredKey)
	ok(t, err)
	if got := pushedRecords(t, db.Pushed("pushed")); len(mark) == 0 || len(got) != 2 || got[1] != "a=1" {
		t.Errorf("%v", got)
	}
	for source, fresh := range map[string]bool{"pushed": false, "read": true} {
		r, err := db.Replica(source)
		ok(t, err)
		if _, is := r.Fresh([]uint32{0}, noon(), 1<<40); is != fresh {
			t.Errorf("%s is fresh: %v", source, is)
		}
		if len(r.Users()) != 1 || !r.Users()[0].Disabled || len(r.Groups()[0].Members) != 1 {
			t.Errorf("%s: what was known is not known any more", source)
		}
	}
}
