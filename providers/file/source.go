package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// source reads one file anew at each call and keeps nothing.
type source struct {
	path, format string
	nested       bool
	now          func() time.Time
	closed       atomic.Bool
}

var (
	_ providers.Source  = (*source)(nil)
	_ providers.LookUp  = (*source)(nil)
	_ providers.Checker = (*source)(nil)
)

var errClosed = errors.New("the source is closed")

// Close lets calls under way end at their next step.
func (s *source) Close() error {
	s.closed.Store(true)
	return nil
}

// live gives a function that says whether a call should go on. Long loops ask it
// from time to time.
func (s *source) live(ctx context.Context) func() error {
	return func() error {
		err := ctx.Err()
		if s.closed.Load() {
			err = errClosed
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, context.DeadlineExceeded):
			return fault.New(fault.Unavailable, "read file", s.path, err, "")
		}
		return fault.New(fault.Canceled, "read file", s.path, err, "")
	}
}

// Pull reads the whole file. The coverage is full or nothing.
func (s *source) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	asOf := s.now()
	snapshot, err := s.read(s.live(ctx), progress)
	if err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n")
		return &directory.Snapshot{AsOf: asOf, Reason: reason}, err
	}
	snapshot.AsOf = asOf
	return snapshot, nil
}

func (s *source) read(live func() error, progress providers.Progress) (*directory.Snapshot, error) {
	data, err := load(s.path, live)
	if err != nil {
		return nil, err
	}
	list, err := parse(s.format, s.path, data, live)
	if err != nil {
		return nil, err
	}
	progress.Report("users", len(list.users))
	progress.Report("groups", len(list.groups))
	snapshot := list.snapshot(s.nested)
	// Whoever ended the call does not expect a proof from it.
	if err := live(); err != nil {
		return nil, err
	}
	return snapshot, nil
}

// LookUp reads the file and finds one person in it. Ids and usernames are compared
// exactly, mail addresses as everywhere.
func (s *source) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	all, err := s.Pull(ctx, nil)
	if err != nil {
		return all, err
	}
	var found []uint32
	for i := range all.Users {
		if matches(&all.Users[i], who) {
			found = append(found, uint32(i))
		}
	}
	one := &directory.Snapshot{AsOf: all.AsOf}
	if len(found) != 1 {
		one.Reason = fmt.Sprintf("%d people in %s match, not one", len(found), s.path)
		return one, nil
	}
	one.Reason = "one person was looked up"
	user := all.Users[found[0]]
	user.GroupsKnown = true
	one.Users = []directory.User{user}
	for i := range all.Groups {
		g := &all.Groups[i]
		if g.OwnersOf != "" {
			continue
		}
		if _, in := slices.BinarySearch(g.Members, found[0]); in {
			one.Groups = append(one.Groups, directory.Group{ID: g.ID, Name: g.Name, DN: g.DN, Description: g.Description, Direct: []uint32{0}})
		}
	}
	one.Close(s.nested)
	return one, nil
}

func matches(u *directory.User, who directory.Person) bool {
	switch {
	case who.ID != "":
		return u.ID == who.ID
	case who.Email != "":
		return directory.FoldEmail(u.Email) == directory.FoldEmail(who.Email)
	}
	return who.Username != "" && u.Username == who.Username
}

// Check reads the file and says what is in it.
func (s *source) Check(ctx context.Context) []providers.Finding {
	snapshot, err := s.Pull(ctx, nil)
	if err != nil {
		return []providers.Finding{{Level: providers.Failed, Check: "file", Message: err.Error(), Remedy: fault.HintOf(err)}}
	}
	findings := []providers.Finding{{Level: providers.OK, Check: "file", Message: fmt.Sprintf("%s (%s) has %d users, %d groups and %d memberships",
		s.path, s.format, len(snapshot.Users), len(snapshot.Groups), snapshot.Memberships())}}
	warn := func(check, remedy, format string, args ...any) {
		findings = append(findings, providers.Finding{Level: providers.Warning, Check: check, Message: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	if info, err := os.Stat(s.path); err == nil && info.Mode().Perm()&0o002 != 0 {
		warn("permissions", "chmod o-w the file: whoever writes it decides who has access", "%s can be written by everybody (mode %04o)", s.path, info.Mode().Perm())
	}
	mails := 0
	for i := range snapshot.Users {
		if snapshot.Users[i].Email == "" {
			mails++
		}
	}
	if mails > 0 {
		warn("users", "give them a mail address, or configure sign_in", "%d users have no mail address", mails)
	}
	for i := range snapshot.Groups {
		if g := &snapshot.Groups[i]; len(g.Unresolved) > 0 {
			warn("members", "correct the references, or add what they name", "group %s names %d members that the file does not have, the first is %s", g.Name, len(g.Unresolved), g.Unresolved[0])
		}
	}
	return findings
}
