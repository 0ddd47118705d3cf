package ldap

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/providers"
)

// checkRead reads everything, as a run does, and looks at what came: whatever limit of
// the server, missing right or odd entry stands in the way shows here.
func (s *source) checkRead(ctx context.Context, f *providers.Findings, made *session) {
	reading, cancel := context.WithTimeoutCause(ctx, s.reading, errSlow)
	defer cancel()
	begin := time.Now()
	snapshot, err := s.Pull(reading, nil)
	took := time.Since(begin)
	groups, largest := 0, -1
	for i := range snapshot.Groups {
		if snapshot.Groups[i].Counts() {
			groups++
		}
		if largest < 0 || len(snapshot.Groups[i].Direct) > len(snapshot.Groups[largest].Direct) {
			largest = i
		}
	}
	switch {
	case errors.Is(context.Cause(reading), errSlow) && ctx.Err() == nil && err != nil:
		f.Warn("read", "a large directory may take that long; look at the server's load and indexes, and at the way to it",
			"reading everything was given up after %s, at %d users and %d groups", roughly(s.reading), len(snapshot.Users), groups)
		return
	case err != nil:
		f.Err("read", err)
		if snapshot.Coverage() == directory.None {
			return
		}
	default:
		f.OK("read", "%s and %s with %s, read completely in %s", plural(len(snapshot.Users), "user"), plural(groups, "group"), plural(snapshot.Memberships(), "membership"), roughly(took))
	}
	if largest >= 0 {
		g := &snapshot.Groups[largest]
		if n := len(g.Direct); n > s.config.PageSize && g.MembersKnown {
			f.OK("members", "the largest group, %s, has %d members, and all of them came", g.Name, n)
		}
	}
	if l := made.layout; l.users.Disabled == "" && !l.ad {
		f.OK("users.disabled", "nothing is configured that tells who is disabled")
	} else {
		checkStatus(f, l, snapshot)
	}
	checkPeople(f, snapshot)
	checkGroups(f, snapshot)
}

var errSlow = errors.New("the read takes too long for a check")

// checkPeople counts who cannot be linked with an account.
func checkPeople(f *providers.Findings, snapshot *directory.Snapshot) {
	if len(snapshot.Users) == 0 {
		return
	}
	noMail := 0
	mails := make(map[string]int, len(snapshot.Users))
	for i := range snapshot.Users {
		u := &snapshot.Users[i]
		if u.Email == "" {
			noMail++
		} else {
			mails[directory.FoldEmail(u.Email)]++
		}
	}
	shared := 0
	for _, n := range mails {
		if n > 1 {
			shared++
		}
	}
	all := len(snapshot.Users)
	const linked = "accounts are linked by mail where sign-ins do not name people; see users.email, and what the account of bind.dn may read"
	switch {
	case noMail*2 > all:
		f.Warn("users.email", linked, "%d of %d users have no mail", noMail, all)
	case noMail > 0:
		f.OK("users.email", "%d of %d users have no mail", noMail, all)
	default:
		f.OK("users.email", "every user has a mail address")
	}
	if shared > 0 {
		f.Warn("users.email", "such people are not linked by mail: give each an address of their own, or leave shared accounts out by users.filter",
			"%s belong to more than one user", plural(shared, "mail address", "mail addresses"))
	}
}

// checkStatus counts who is disabled.
func checkStatus(f *providers.Findings, l *layout, snapshot *directory.Snapshot) {
	disabled, unknown := 0, 0
	for i := range snapshot.Users {
		if snapshot.Users[i].Disabled {
			disabled++
		}
		if !snapshot.Users[i].StatusKnown {
			unknown++
		}
	}
	by := l.users.Disabled
	if by == "" {
		by = "userAccountControl and accountExpires"
	}
	switch {
	case len(snapshot.Users) == 0:
	case unknown > 0:
		f.Warn("users.disabled", "let the account of bind.dn read what tells it", "of %d users it is not known whether they are disabled, by %s", unknown, by)
	case disabled > 0:
		f.OK("users.disabled", "%s disabled, by %s", plural(disabled, "user is", "users are"), by)
	default:
		f.OK("users.disabled", "nobody is disabled, by %s; if that is not so, the account of bind.dn may not read that", by)
	}
}

// checkGroups names what is odd about who is in groups.
func checkGroups(f *providers.Findings, snapshot *directory.Snapshot) {
	var cycles []string
	for _, cycle := range snapshot.Cycles {
		if len(cycle) < 2 {
			continue
		}
		var names []string
		for _, g := range cycle {
			names = append(names, snapshot.Groups[g].Name)
		}
		cycles = append(cycles, list(names, shownGroups))
	}
	if len(cycles) > 0 {
		f.Warn("nesting", "they all have the same members; take one out of the other if that is not meant",
			"%s of groups that contain each other: %s", plural(len(cycles), "cycle"), list(cycles, shownCycles))
	}
	foreign, nobody, example := map[string]bool{}, 0, ""
	for i := range snapshot.Groups {
		for _, name := range snapshot.Groups[i].Unresolved {
			switch {
			case !isForeign(name):
				nobody++
			case strings.HasPrefix(name, "cn=s-1-5-21-"):
				foreign[name] = true
				example = name
			default: // Everybody's, such as Authenticated Users; every domain has them.
			}
		}
	}
	if len(foreign) > 0 {
		f.Warn("foreign_members", "people of another forest are known here by their SID only: read that forest with a source of its own",
			"%s of another forest, such as %s, are left out", plural(len(foreign), "member"), example)
	}
	if nobody > 0 {
		f.OK("members", "%s of groups name nobody who is listed", plural(nobody, "reference"))
	}
}

// plural writes a number with its noun; many is for nouns that take more than an s.
func plural(n int, one string, many ...string) string {
	word := one
	if n != 1 {
		if word += "s"; len(many) > 0 {
			word = many[0]
		}
	}
	return strconv.Itoa(n) + " " + word
}
