package openwebui

import (
	"context"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
)

func (s *Session) missing(op string) error {
	return fault.Errorf(fault.Invalid, op, "target "+s.c.name, "not built yet")
}

func (s *Session) SetRole(context.Context, plan.Account, string) (plan.Account, error) {
	return plan.Account{}, s.missing("set role")
}

func (s *Session) CreateAccount(context.Context, plan.AccountSpec) (plan.Account, error) {
	return plan.Account{}, s.missing("create account")
}

func (s *Session) RevokeSessions(context.Context, string) (bool, error) {
	return false, s.missing("revoke sessions")
}

func (s *Session) Resource(context.Context, plan.ResourceKey) (plan.Resource, error) {
	return plan.Resource{}, s.missing("read resource")
}

func (s *Session) SetGrants(context.Context, plan.Resource, []plan.Grant) (plan.Resource, error) {
	return plan.Resource{}, s.missing("set grants")
}

func (s *Session) SetDefaults(context.Context, plan.Defaults) (plan.Defaults, error) {
	return nil, s.missing("set default permissions")
}

func (s *Session) Settings(context.Context) (plan.Settings, error) {
	return plan.Settings{}, s.missing("read settings")
}
