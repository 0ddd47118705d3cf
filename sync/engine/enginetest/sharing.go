package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// share adds to an observation what a look asks for beside groups and accounts.
func (s *session) share(o *plan.Observation, look plan.Look) error {
	if look.Defaults {
		o.Defaults = encode(s.defaults)
		if o.Defaults == nil {
			o.Defaults = plan.Defaults("{}")
		}
	}
	for _, kind := range look.Types() {
		switch refused := slices.Contains(s.Refused, kind); {
		case refused && slices.Contains(look.Resources, kind):
			return fault.Errorf(fault.Incomplete, "read "+kind, "open webui", "only what is shared with us is shown")
		case !refused:
			o.ResourceTypes = append(o.ResourceTypes, kind)
		}
	}
	for _, r := range s.sorted() {
		if slices.Contains(o.ResourceTypes, r.Type) {
			o.Resources = append(o.Resources, r)
		}
	}
	return nil
}

// sorted gives copies of all that is shared, ordered by type and id.
func (o *OpenWebUI) sorted() []plan.Resource {
	var out []plan.Resource
	for _, r := range o.resources {
		c := *r
		c.Grants = slices.Clone(r.Grants)
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b plan.Resource) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID)) })
	return out
}

func (s *session) SetRole(ctx context.Context, a plan.Account, role string) (plan.Account, error) {
	err := s.write(ctx, run.SetRole, "", []string{a.ID}, func() error {
		have := s.accounts[a.ID]
		if have == nil {
			return fault.Errorf(fault.NotFound, "set role", "open webui", "account %s does not exist", a.ID)
		}
		if a.ID == s.order[0] {
			return fault.Errorf(fault.Invalid, "set role", "open webui", "the primary administrator cannot be changed")
		}
		have.Role = role
		s.Effects = append(s.Effects, Effect{At: s.clock.Now(), Op: run.SetRole, Account: a.ID, Name: role})
		return nil
	})
	if err != nil || s.accounts[a.ID] == nil {
		return plan.Account{}, err
	}
	return copyAccount(*s.accounts[a.ID]), nil
}

func (s *session) CreateAccount(ctx context.Context, spec plan.AccountSpec) (plan.Account, error) {
	var made string
	err := s.write(ctx, run.CreateAccount, "", nil, func() error {
		for _, id := range s.order {
			if directory.FoldEmail(s.accounts[id].Email) == directory.FoldEmail(spec.Email) {
				return fault.Errorf(fault.Conflict, "create account", "open webui", "the mail address %s is taken", spec.Email)
			}
		}
		made = fmt.Sprintf("made-%s", spec.Email)
		s.accounts[made] = &plan.Account{ID: made, Email: spec.Email, Name: spec.Name, Role: spec.Role, CreatedAt: s.clock.Now().Unix()}
		s.order = append(s.order, made)
		s.Effects = append(s.Effects, Effect{At: s.clock.Now(), Op: run.CreateAccount, Account: made, Name: spec.Role})
		return nil
	})
	if err != nil || made == "" {
		return plan.Account{}, err
	}
	return copyAccount(*s.accounts[made]), nil
}

func (s *session) RevokeSessions(_ context.Context, account string) (bool, error) {
	if err := s.alive(true); err != nil {
		return false, err
	}
	s.Revoked = append(s.Revoked, account)
	return true, s.Down
}

func (s *session) Resource(_ context.Context, key plan.ResourceKey) (plan.Resource, error) {
	if err := s.read(); err != nil {
		return plan.Resource{}, err
	}
	if slices.Contains(s.Broken, key) {
		return plan.Resource{}, fault.Errorf(fault.Unavailable, "read resource", "open webui", "the server failed")
	}
	r := s.resources[key]
	if r == nil {
		return plan.Resource{}, fault.Errorf(fault.NotFound, "read resource", "open webui", "%s %s does not exist", key.Type, key.ID)
	}
	c := *r
	c.Grants = slices.Clone(r.Grants)
	return c, nil
}

func (s *session) SetGrants(ctx context.Context, r plan.Resource, grants []plan.Grant) (plan.Resource, error) {
	err := s.write(ctx, run.SetGrants, "", nil, func() error {
		have := s.resources[r.ResourceKey]
		if have == nil {
			return fault.Errorf(fault.NotFound, "set grants", "open webui", "%s %s does not exist", r.Type, r.ID)
		}
		have.Grants = slices.Clone(grants)
		s.Effects = append(s.Effects, Effect{At: s.clock.Now(), Op: run.SetGrants, Name: r.Type + " " + r.ID})
		return nil
	})
	if err != nil {
		return plan.Resource{}, err
	}
	return s.Resource(ctx, r.ResourceKey)
}

func (s *session) SetDefaults(ctx context.Context, tree plan.Defaults) (plan.Defaults, error) {
	set, _, err := permission.Flatten(tree)
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, run.SetPermissions, "", nil, func() error {
		s.defaults = maps.Clone(s.defaults)
		maps.Copy(s.defaults, set)
		for _, key := range s.Unknown {
			delete(s.defaults, key)
		}
		s.Effects = append(s.Effects, Effect{At: s.clock.Now(), Op: run.SetPermissions})
		return nil
	})
	return encode(s.defaults), err
}

func (s *session) Settings(context.Context) (plan.Settings, error) { return s.Config, s.read() }

// Share puts something there that grants share, with its grants, by hand.
func (o *OpenWebUI) Share(r plan.Resource) {
	r.Grants = slices.Clone(r.Grants)
	o.resources[r.ResourceKey] = &r
}

// Unshare takes something away that grants shared, by hand.
func (o *OpenWebUI) Unshare(key plan.ResourceKey) { delete(o.resources, key) }

// Grants gives the grants of something, sorted.
func (o *OpenWebUI) Grants(key plan.ResourceKey) []plan.Grant {
	r := o.resources[key]
	if r == nil {
		return nil
	}
	return slices.SortedFunc(slices.Values(r.Grants), func(a, b plan.Grant) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Permission, b.Permission))
	})
}

// SetDefaultPermissions sets default permissions by hand.
func (o *OpenWebUI) SetDefaultPermissions(set permission.Set) { o.defaults = maps.Clone(set) }

// DefaultPermissions gives the default permissions.
func (o *OpenWebUI) DefaultPermissions() permission.Set { return maps.Clone(o.defaults) }

// GiveRole sets the role of an account by hand.
func (o *OpenWebUI) GiveRole(account, role string) {
	if a := o.accounts[account]; a != nil {
		a.Role = role
	}
}

// Role gives the role of an account; empty: there is none.
func (o *OpenWebUI) Role(account string) string {
	if a := o.accounts[account]; a != nil {
		return a.Role
	}
	return ""
}
