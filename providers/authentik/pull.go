package authentik

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// picture is what a pull has read.
type picture struct {
	*reading
	me     me
	users  map[int64]userRow
	order  []int64
	groups map[string]groupRow
	names  []string
	// gone are members of groups that were deleted while we read.
	gone map[int64]bool
	// groupsBy are the parameters with which groups come with the keys of their members.
	groupsBy url.Values
}

// lean are the parameters that leave out what we do not read. Ids of members and of groups
// come nevertheless.
func leanUsers() url.Values {
	return url.Values{"include_groups": {"false"}, "include_roles": {"false"}}
}

func leanGroups() url.Values { return url.Values{"include_users": {"false"}} }

// Pull reads all groups and all users, and joins them.
func (s *source) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	a := directory.Assembly{Snapshot: directory.Snapshot{AsOf: s.now()}}
	p := &picture{reading: s.reading(), users: map[int64]userRow{}, groups: map[string]groupRow{}, gone: map[int64]bool{}, groupsBy: leanGroups()}
	err := s.begin(ctx, "read the directory")
	var users, groups error
	if err == nil {
		err = p.get(ctx, "read our own account", "/core/users/me/", nil, &p.me)
	}
	if err == nil && p.me.User == nil {
		err = s.fail(fault.Invalid, "read our own account", "is url the address of authentik?", "the answer names no user")
	}
	if err == nil {
		groups = p.readGroups(ctx, progress)
		users = p.readUsers(ctx, progress)
		if users == nil && groups == nil {
			users, groups = p.compare(ctx)
		}
	}
	a.Snapshot.UsersListed = err == nil && users == nil
	a.Snapshot.GroupsListed = err == nil && groups == nil
	p.fill(&a)
	err = cmp.Or(err, groups, users)
	if groups != nil && users != nil {
		err = fmt.Errorf("%w; %w", groups, users)
	}
	if err != nil {
		a.Snapshot.Reason = err.Error()
	}
	a.Snapshot.Requests = p.spent()
	return a.Close(s.config.Nested), err
}

// readGroups reads the list of groups with the keys of their members. A version that leaves
// the keys out where the members themselves are not asked for is asked for them.
func (p *picture) readGroups(ctx context.Context, progress providers.Progress) error {
	rows, err := list[groupRow](ctx, p.reading, "groups", "/core/groups/", p.groupsBy, progress)
	if err == nil && slices.ContainsFunc(rows, func(g groupRow) bool { return g.Users == nil }) {
		p.groupsBy = url.Values{}
		rows, err = list[groupRow](ctx, p.reading, "groups", "/core/groups/", p.groupsBy, progress)
	}
	for _, g := range rows {
		p.addGroup(g)
	}
	return err
}

func (p *picture) addGroup(g groupRow) {
	if _, known := p.groups[g.PK]; !known {
		p.names = append(p.names, g.PK)
	}
	p.groups[g.PK] = g
}

func (p *picture) readUsers(ctx context.Context, progress providers.Progress) error {
	rows, err := list[userRow](ctx, p.reading, "users", "/core/users/", leanUsers(), progress)
	for i := range rows {
		if p.config.key(&rows[i]) == "" {
			return p.fail(fault.Invalid, "read users", "write users: {id: pk}, which every version has", "the user %d has no uuid", rows[i].PK)
		}
		p.addUser(rows[i])
	}
	return err
}

func (p *picture) addUser(u userRow) {
	if _, known := p.users[u.PK]; !known {
		p.order = append(p.order, u.PK)
	}
	p.users[u.PK] = u
}

// fill puts what was read into a snapshot. Members are known where the list of groups is
// proved, since a group that was not read may be part of another, and where every member
// is a user that was read.
func (p *picture) fill(a *directory.Assembly) {
	keys := make(map[int64]string, len(p.users))
	for _, pk := range p.order {
		u := p.users[pk]
		keys[pk] = p.config.key(&u)
		if p.config.counts(&u) {
			a.User(p.config.person(&u))
		}
	}
	for _, id := range p.names {
		a.Group(directory.Group{ID: id, Name: p.groups[id].Name})
	}
	for _, id := range p.names {
		g := p.groups[id]
		known := a.Snapshot.GroupsListed && g.Users != nil
		if g.Users != nil {
			for _, pk := range *g.Users {
				key, read := keys[pk]
				switch {
				case p.gone[pk]:
				case !read:
					known = false
					a.Member(id, directory.Ref{ID: "pk " + userRow{PK: pk}.id(), Kind: directory.UserMember})
				case a.HasUser(key):
					a.Member(id, directory.Ref{ID: key, Kind: directory.UserMember})
				}
			}
		}
		if known {
			a.Known(id)
		}
		if p.config.Nested {
			for _, above := range g.above() {
				a.Member(above, directory.Ref{ID: id, Kind: directory.GroupMember})
			}
		}
	}
}

// mostDoubts is how many users or groups that a list does not show are looked at one by one.
const mostDoubts = 20

// mostAgain is how many groups of a member who cannot be found are read again.
const mostAgain = 3

// compare looks for users and groups that others name and that the lists do not show: a token
// without the global permission gets what single permissions show, and no error.
func (p *picture) compare(ctx context.Context) (users, groups error) {
	groups = p.compareGroups(ctx)
	users = p.compareUsers(ctx)
	return users, groups
}

// compareUsers looks for members of groups, and for our own account, in the list of users.
func (p *picture) compareUsers(ctx context.Context) error {
	missing := map[int64][]string{}
	for _, id := range p.names {
		if list := p.groups[id].Users; list != nil {
			for _, pk := range *list {
				if _, read := p.users[pk]; !read {
					missing[pk] = append(missing[pk], id)
				}
			}
		}
	}
	if _, read := p.users[p.me.User.PK]; !read {
		return p.partly("users", "our own account, %s, is not among them", p.me.User.Username)
	}
	if len(missing) > mostDoubts {
		return p.partly("users", "%d members of groups are not among them", len(missing))
	}
	for _, pk := range slices.Sorted(maps.Keys(missing)) {
		if err := p.doubtUser(ctx, pk, missing[pk]); err != nil {
			return err
		}
	}
	return nil
}

// doubtUser finds out whether a member of groups is new, was deleted meanwhile, or is hidden:
// who was deleted is in none of the groups any more.
func (p *picture) doubtUser(ctx context.Context, pk int64, groups []string) error {
	u, seen, err := one[userRow](ctx, p.reading, "a member", "/core/users/"+userRow{PK: pk}.id()+"/", nil)
	if err != nil {
		return err
	}
	if seen {
		p.addUser(u)
		return nil
	}
	for _, group := range groups[:min(len(groups), mostAgain)] {
		g, there, err := one[groupRow](ctx, p.reading, "a group again", "/core/groups/"+url.PathEscape(group)+"/", p.groupsBy)
		if err != nil {
			return err
		}
		if there && (g.Users == nil || slices.Contains(*g.Users, pk)) {
			return p.partly("users", "the member %d of the group %q is not among them", pk, g.Name)
		}
	}
	p.gone[pk] = true
	return nil
}

// compareGroups looks for groups that users, other groups and our own account name.
func (p *picture) compareGroups(ctx context.Context) error {
	missing := map[string]string{}
	doubt := func(id, named string) {
		if _, read := p.groups[id]; !read && id != "" {
			missing[id] = named
		}
	}
	for _, id := range p.names {
		g := p.groups[id]
		for _, other := range slices.Concat(g.above(), g.Children) {
			doubt(other, "the group "+g.Name)
		}
	}
	for _, pk := range p.order {
		if u := p.users[pk]; u.Groups != nil {
			for _, id := range *u.Groups {
				doubt(id, "the user "+u.Username)
			}
		}
	}
	for _, g := range p.me.User.Groups {
		doubt(g.PK, "our own account")
	}
	if len(missing) > mostDoubts {
		return p.partly("groups", "%d groups that others name are not among them", len(missing))
	}
	for _, id := range slices.Sorted(maps.Keys(missing)) {
		// One that we may see is new, and its own members come with it. One that was deleted
		// since looks like one that is hidden from us; the next read will tell.
		g, seen, err := one[groupRow](ctx, p.reading, "a group", "/core/groups/"+url.PathEscape(id)+"/", p.groupsBy)
		if err != nil {
			return err
		}
		if !seen || g.Users == nil {
			return p.partly("groups", "a group that %s names is not among them", missing[id])
		}
		p.addGroup(g)
	}
	return nil
}

// partly is the error of a list that does not show all there is.
func (p *picture) partly(what, format string, args ...any) error {
	args = append([]any{what}, args...)
	return p.fail(fault.Incomplete, "read "+what, hintRights, "the token does not see all %s: "+format, args...)
}

// isUUID reports whether a text can be asked for as one: anything else would be an error of
// authentik's, and not nobody.
func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range []byte(strings.ToLower(text)) {
		switch dash := i == 8 || i == 13 || i == 18 || i == 23; {
		case dash && c != '-', !dash && !strings.ContainsRune("0123456789abcdef", rune(c)):
			return false
		}
	}
	return true
}
