package keycloak

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// LookUp reads one person and every group and role that they count as a member of. Each is
// shown with the person as a direct member: what lies between is not read.
func (s *source) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	asOf := s.now()
	session := s.client.Session()
	snapshot, err := s.lookUp(ctx, session, who, asOf)
	if err != nil {
		snapshot = nothing(asOf, err)
	}
	snapshot.Requests, _ = session.Spent()
	return snapshot, err
}

func (s *source) lookUp(ctx context.Context, session *httpx.Session, who directory.Person, asOf time.Time) (*directory.Snapshot, error) {
	if err := s.begin(ctx, "look up"); err != nil {
		return nil, err
	}
	found, err := s.find(ctx, session, who)
	if err == nil {
		err = s.mayRead(ctx)
	}
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return &directory.Snapshot{AsOf: asOf, Reason: fmt.Sprintf("%d users match the look-up", len(found))}, nil
	}
	direct, err := s.groupsOf(ctx, session, found[0].ID)
	if err != nil {
		return nil, err
	}
	var groups []directory.Group
	if s.config.includes(Groups) {
		if groups, err = s.counting(ctx, session, direct); err != nil {
			return nil, err
		}
	}
	roles, err := s.effective(ctx, session, found[0].ID)
	if err != nil {
		return nil, err
	}
	a := &directory.Assembly{Snapshot: directory.Snapshot{AsOf: asOf, Reason: "one person was looked up"}}
	u := s.config.user(found[0])
	u.GroupsKnown = true
	a.User(u)
	for _, g := range slices.Concat(groups, roles) {
		a.Group(g)
		a.Member(g.ID, directory.Ref{ID: u.ID, Kind: directory.UserMember})
	}
	s.note(u.ID, direct)
	return a.Close(true), nil
}

// find gives the users whom the person may be. The server may compare more loosely than we
// do, so what it says is checked.
func (s *source) find(ctx context.Context, session *httpx.Session, who directory.Person) ([]userRow, error) {
	const op = "look up user"
	query := url.Values{"first": {"0"}, "max": {"10"}, "exact": {"true"}, "briefRepresentation": {"false"}}
	var fits func(u userRow) bool
	switch {
	case who.ID != "":
		var u userRow
		err := s.get(ctx, session, op, "/users/"+url.PathEscape(who.ID), url.Values{"userProfileMetadata": {"false"}}, &u)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			return nil, nil
		case err != nil:
			return nil, err
		case u.ID != who.ID:
			return nil, s.fail(fault.Incomplete, op, "", "%w", errOther)
		case u.serviceAccount():
			return nil, nil
		}
		return []userRow{u}, nil
	case who.Email != "":
		query.Set("email", who.Email)
		fits = func(u userRow) bool {
			return (u.EmailVerified || s.config.UnverifiedEmail) && directory.FoldEmail(u.Email) == directory.FoldEmail(who.Email)
		}
	case who.Username != "":
		query.Set("username", who.Username)
		fits = func(u userRow) bool { return strings.EqualFold(u.Username, who.Username) }
	default:
		return nil, nil
	}
	var list []userRow
	if err := s.get(ctx, session, op, "/users", query, &list); err != nil {
		return nil, err
	}
	if list == nil {
		return nil, s.fail(fault.Incomplete, op, "", "%w", errNull)
	}
	return slices.DeleteFunc(list, func(u userRow) bool { return u.ID == "" || u.serviceAccount() || !fits(u) }), nil
}

// counting gives the groups that somebody counts as a member of who is directly in some:
// those above them too, with inherit, and only those below the configured one.
func (s *source) counting(ctx context.Context, session *httpx.Session, direct []groupRow) ([]directory.Group, error) {
	var root string
	if s.config.Group != "" {
		g, err := s.root(ctx, session)
		if err != nil {
			return nil, err
		}
		root = g.ID
	}
	seen := map[string]groupRow{}
	var out []directory.Group
	shown := map[string]bool{}
	for _, g := range direct {
		chain, err := s.chain(ctx, session, g, root, seen)
		if err != nil {
			return nil, err
		}
		if !s.config.Inherit {
			chain = chain[:min(1, len(chain))]
		}
		for _, g := range chain {
			if !shown[g.ID] {
				shown[g.ID] = true
				out = append(out, g.group())
			}
		}
	}
	return out, nil
}

// chain gives a group and those above it, up to the root, where there is one: nothing for a
// group that is not below it.
func (s *source) chain(ctx context.Context, session *httpx.Session, g groupRow, root string, seen map[string]groupRow) ([]groupRow, error) {
	if root == "" && !s.config.Inherit {
		return []groupRow{g}, nil
	}
	var chain []groupRow
	for {
		chain = append(chain, g)
		switch {
		case g.ID == root:
			return chain, nil
		case slices.ContainsFunc(chain[:len(chain)-1], func(below groupRow) bool { return below.ID == g.ID }):
			return nil, s.fail(fault.Incomplete, "read the groups above", "", "groups were moved while they were read")
		case g.ParentID == "" && root != "":
			return nil, nil // It is not below the root.
		case g.ParentID == "":
			return chain, nil
		}
		above, known := seen[g.ParentID]
		if !known {
			if err := s.get(ctx, session, "read the groups above", "/groups/"+url.PathEscape(g.ParentID), nil, &above); err != nil {
				return nil, err
			}
			if above.ID != g.ParentID {
				return nil, s.fail(fault.Incomplete, "read the groups above", "", "%w", errOther)
			}
			seen[above.ID] = above
		}
		g = above
	}
}

// root gives the configured group.
func (s *source) root(ctx context.Context, session *httpx.Session) (groupRow, error) {
	var g groupRow
	err := s.get(ctx, session, "find the group", "/group-by-path"+s.config.Group, nil, &g)
	if err == nil && g.ID == "" {
		err = s.fail(fault.Incomplete, "find the group", "", "%w", errNull)
	}
	if fault.KindOf(err) == fault.NotFound {
		err = s.fail(fault.NotFound, "find the group", "check group: it is the path from the top, such as /apps/chat", "there is no group %q", s.config.Group)
	}
	return g, err
}

// effective gives the roles that somebody has, as Keycloak itself works them out.
func (s *source) effective(ctx context.Context, session *httpx.Session, user string) ([]directory.Group, error) {
	var out []directory.Group
	add := func(path, client string) error {
		var list []roleRow
		if err := s.get(ctx, session, "read roles of a user", "/users/"+url.PathEscape(user)+"/role-mappings/"+path+"/composite", url.Values{"briefRepresentation": {"true"}}, &list); err != nil {
			return err
		}
		if list == nil {
			return s.fail(fault.Incomplete, "read roles of a user", "", "%w", errNull)
		}
		for _, role := range list {
			role.client, role.shown = client, true
			out = append(out, role.group())
		}
		return nil
	}
	if s.config.includes(RealmRoles) {
		if err := add("realm", ""); err != nil {
			return nil, err
		}
	}
	for _, name := range s.config.ClientRoles {
		var clients []clientRow
		if err := s.get(ctx, session, "find client", "/clients", url.Values{"clientId": {name}, "first": {"0"}, "max": {"2"}}, &clients); err != nil {
			return nil, err
		}
		clients = slices.DeleteFunc(clients, func(c clientRow) bool { return c.ClientID != name })
		if len(clients) != 1 {
			return nil, s.fail(fault.NotFound, "find client", "check client_roles", "the realm has no client %q", name)
		}
		if err := add("clients/"+clients[0].ID, name); err != nil {
			return nil, err
		}
	}
	return out, nil
}
