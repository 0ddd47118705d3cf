package keycloak

import (
	"context"
	"net/url"
	"slices"

	"groupsyncd/internal/fault"
)

// roleReading is what a read shows of roles.
type roleReading struct {
	roles map[string]roleRow
	// inside are the roles that contain a role directly, by id: whoever has one of them has
	// the role too.
	inside map[string]map[string]bool
	// held are the groups that a role was given to.
	held map[string]map[string]bool
	// wanted are the roles that are shown and those that contain them, through any number.
	wanted []string
	listed bool
}

// readRoles reads the roles of the realm and of all clients, because a role of any client may
// contain one that is shown, and which groups have them. Called again, it adds what it sees: a
// role that is taken from a person and given to their group meanwhile is then seen at one.
func (r *reading) readRoles(ctx context.Context) error {
	first := r.roles == nil
	if first {
		r.roles = &roleReading{roles: map[string]roleRow{}, inside: map[string]map[string]bool{}, held: map[string]map[string]bool{}}
	}
	list, err := r.listRoles(ctx)
	if err != nil {
		return err
	}
	same := true
	known := map[string]bool{}
	for _, role := range list {
		_, there := r.roles.roles[role.ID]
		same = same && there
		known[role.ID] = true
		r.roles.roles[role.ID] = role
	}
	for id := range r.roles.roles {
		same = same && known[id]
	}
	if err := r.readComposites(ctx, list); err != nil {
		return err
	}
	r.roles.wanted = r.roles.want()
	if err := r.readHolders(ctx); err != nil {
		return err
	}
	if !first {
		r.roles.listed = same
		if !same {
			return r.s.fail(fault.Incomplete, "read roles", "", "roles were made or deleted while they were read")
		}
	}
	return nil
}

// listRoles gives all roles of the realm and its clients.
func (r *reading) listRoles(ctx context.Context) ([]roleRow, error) {
	all, _, err := rows[roleRow](ctx, r, "read roles", "roles", "/roles", true)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].shown = r.s.config.includes(RealmRoles)
	}
	clients, _, err := rows[clientRow](ctx, r, "read clients", "", "/clients", true)
	if err != nil {
		return nil, err
	}
	for _, name := range r.s.config.ClientRoles {
		if !slices.ContainsFunc(clients, func(c clientRow) bool { return c.ClientID == name }) {
			return nil, r.s.fail(fault.NotFound, "read clients", "check client_roles: it names the client id, not the name for display", "the realm has no client %q", name)
		}
	}
	var failed error
	parallel(ctx, r.s.config.Parallel, clients, func(ctx context.Context, c clientRow) {
		list, _, err := rows[roleRow](ctx, r, "read roles of a client", "roles", "/clients/"+url.PathEscape(c.ID)+"/roles", true)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil {
			failed = err
		}
		for i := range list {
			list[i].client = c.ClientID
			list[i].shown = slices.Contains(r.s.config.ClientRoles, c.ClientID)
		}
		all = append(all, list...)
	})
	if failed == nil && ctx.Err() != nil {
		failed = r.s.begin(ctx, "read roles")
	}
	return all, failed
}

// readComposites reads which roles contain which.
func (r *reading) readComposites(ctx context.Context, list []roleRow) error {
	list = slices.DeleteFunc(slices.Clone(list), func(role roleRow) bool { return !role.Composite })
	var failed error
	parallel(ctx, r.s.config.Parallel, list, func(ctx context.Context, role roleRow) {
		var parts []roleRow
		err := r.get(ctx, "read composite role", "/roles-by-id/"+url.PathEscape(role.ID)+"/composites", nil, &parts)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil {
			failed = err
		}
		for _, part := range parts {
			link(r.roles.inside, part.ID, role.ID)
		}
	})
	if failed == nil && ctx.Err() != nil {
		failed = r.s.begin(ctx, "read roles")
	}
	return failed
}

func link(edges map[string]map[string]bool, from, to string) {
	if edges[from] == nil {
		edges[from] = map[string]bool{}
	}
	edges[from][to] = true
}

// want gives the roles whose people have to be known, sorted.
func (w *roleReading) want() []string {
	var next, out []string
	for id, role := range w.roles {
		if role.shown {
			next = append(next, id)
		}
	}
	seen := map[string]bool{}
	for ; len(next) > 0; next = next[1:] {
		id := next[0]
		if _, there := w.roles[id]; seen[id] || !there {
			continue
		}
		seen[id] = true
		out = append(out, id)
		for above := range w.inside[id] {
			next = append(next, above)
		}
	}
	slices.Sort(out)
	return out
}

// path leads to a role of the API, by its name.
func (r roleRow) path() string {
	if r.ClientRole {
		return "/clients/" + url.PathEscape(r.Container) + "/roles/" + url.PathEscape(r.Name)
	}
	return "/roles/" + url.PathEscape(r.Name)
}

// readHolders reads the groups that have the wanted roles.
func (r *reading) readHolders(ctx context.Context) error {
	var failed error
	parallel(ctx, r.s.config.Parallel, r.roles.wanted, func(ctx context.Context, id string) {
		role := r.roles.roles[id]
		groups, _, err := rowsAt[groupRow](ctx, r, "read groups of a role", "", func(first, most int, into any) error {
			return r.get(ctx, "read groups of a role", role.path()+"/groups", page(first, most, true), into)
		})
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil && fault.KindOf(err) != fault.NotFound {
			failed = err
		}
		for _, g := range groups {
			link(r.roles.held, id, g.ID)
		}
	})
	if failed == nil && ctx.Err() != nil {
		failed = r.s.begin(ctx, "read roles")
	}
	return failed
}

// readRoleMembers reads who was given the wanted roles themselves. A failure concerns that
// role alone, and those inside of it.
func (r *reading) readRoleMembers(ctx context.Context) {
	parallel(ctx, r.s.config.Parallel, r.roles.wanted, func(ctx context.Context, id string) {
		role := r.roles.roles[id]
		people, pages, err := rowsAt[userRow](ctx, r, "read users of a role", "", func(first, most int, into any) error {
			return r.get(ctx, "read users of a role", role.path()+"/users", page(first, most, true), into)
		})
		r.keep(roleID(id), people, pages, err)
		r.report("member lists", 1)
	})
}
