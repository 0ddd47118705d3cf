package scim

import (
	"context"
	"net/http"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// Check asks what the server says of itself, reads everything once, and tries what look-ups
// need. It writes nothing.
func (s *source) Check(ctx context.Context) []providers.Finding {
	f := &providers.Findings{List: providers.InClear(s.config.URL, s.config.TokenURL)}
	r := s.reader()
	d, err := r.describe(ctx)
	if err != nil {
		f.Err("connection", err)
		return f.List
	}
	snapshot, err := s.Pull(ctx, nil)
	switch {
	case len(d.said) > 0:
		f.OK("description", "the server gives %s; users are at %s and groups at %s", strings.Join(d.said, ", "), d.users, d.groups)
	case err == nil || snapshot.UsersListed || snapshot.GroupsListed:
		// Of a server that gave nothing at all the error says enough.
		f.Warn("description", "nothing has to be done: it is read by trying", "the server describes itself by none of ServiceProviderConfig, ResourceTypes and Schemas")
	}
	if err != nil {
		f.Err(partOf(err), err)
	}
	if !snapshot.UsersListed && !snapshot.GroupsListed {
		return f.List
	}
	f.OK("read", "%d users, %d groups and %d memberships in %d requests", len(snapshot.Users), len(snapshot.Groups), snapshot.Memberships(), snapshot.Requests)
	r.checkWay(f)
	checkPeople(f, snapshot)
	if err == nil {
		r.checkLookUps(ctx, f, d)
	}
	return f.List
}

// partOf names the part of a read that failed.
func partOf(err error) string {
	switch {
	case fault.KindOf(err) == fault.Auth || status(err) == http.StatusUnauthorized:
		return "credential"
	case fault.KindOf(err) == fault.Unavailable || fault.KindOf(err) == fault.Throttled:
		return "connection"
	}
	return "read"
}

func (r *reader) checkWay(f *providers.Findings) {
	k := r.knows()
	walked := "startIndex"
	if k.users.cursor || k.groups.cursor {
		walked = "cursors"
	}
	f.OK("paging", "lists are walked with %s", walked)
	switch how := r.way(k.description); {
	case how == unknown:
	case how == ofGroup:
		f.OK("members", "members are asked for by a filter for each group, which shows no groups in groups")
	case how.perUser():
		f.OK("members", "memberships are asked for by a filter for each user (%s), which takes a request for each", how)
	default:
		f.OK("members", "members are read %s", how)
	}
}

func checkPeople(f *providers.Findings, s *directory.Snapshot) {
	mails, status, dangling := 0, 0, 0
	for i := range s.Users {
		if s.Users[i].Email == "" {
			mails++
		}
		if !s.Users[i].StatusKnown {
			status++
		}
	}
	for i := range s.Groups {
		dangling += len(s.Groups[i].Unresolved)
	}
	if mails > 0 {
		f.Warn("users", "choose another address with users.email, or configure sign_in", "%d of %d users have no mail address", mails, len(s.Users))
	}
	if status > 0 {
		f.Warn("users", "let the server show the attribute active, if somebody can be disabled there", "%d of %d users do not say whether they are active", status, len(s.Users))
	}
	if dangling > 0 {
		f.Warn("members", "look at those groups at the provider", "%d members are neither a user nor a group of this server", dangling)
	}
}

// checkLookUps tries how one person is found at a sign-in.
func (r *reader) checkLookUps(ctx context.Context, f *providers.Findings, d description) {
	last := r.remembered()
	if last == nil || last.group == "" {
		return
	}
	for _, how := range []way{ofMember, ofMembers} {
		if works, err := r.trusted(ctx, d, how, last); err == nil && works {
			f.OK("look-ups", "the groups of one person are found by the filter %s", how)
			return
		}
	}
	if r.knows().userGroups {
		f.OK("look-ups", "the groups of one person are taken from the person, where all of them were seen to be right")
		return
	}
	f.Warn("look-ups", "nothing has to be done where there are few groups; else sign-ins wait for the next read", "the server finds groups by no filter, and people do not show all of theirs: a sign-in reads all groups")
}
