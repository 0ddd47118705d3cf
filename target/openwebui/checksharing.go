package openwebui

import (
	"context"
	"fmt"

	"groupsyncd/providers"
	"groupsyncd/sync/plan"
)

// checkSharing says whether what the configuration does with accounts and resources is
// possible there.
func (s *Session) checkSharing(ctx context.Context, expect *Expect, found *findings) {
	s.checkDefaultRole(ctx, expect, found)
	if expect.Creates {
		s.checkCreates(ctx, found)
	}
	for _, kind := range expect.Resources {
		list, err := s.gentle().resources(ctx, kind)
		if err != nil {
			found.failed("resources", err)
			continue
		}
		found.add(providers.OK, "resources", fmt.Sprintf("%s can be read: %d", kind, len(list)), "")
	}
}

// checkDefaultRole says what the role of new accounts means for who gets in.
func (s *Session) checkDefaultRole(ctx context.Context, expect *Expect, found *findings) {
	const check = "default_role"
	var a adminWire
	known, err := s.setting(ctx, adminPath, &a)
	switch {
	case err != nil:
		found.failed(check, err)
	case (!known || a.DefaultRole == "") && !expect.LetsIn && !expect.Creates: // nothing here depends on it
	case !known || a.DefaultRole == "":
		found.add(providers.Warning, check, "the role of new accounts could not be read", "to have it checked, let API_KEYS_ALLOWED_ENDPOINTS contain "+adminPath)
	case a.DefaultRole == plan.RoleAdmin:
		found.add(providers.Warning, check, "DEFAULT_USER_ROLE is admin: whoever signs in for the first time is an administrator",
			"set DEFAULT_USER_ROLE=user, or pending")
	case a.DefaultRole == plan.RolePending && !expect.LetsIn:
		found.add(providers.Warning, check, "DEFAULT_USER_ROLE is pending: new people wait until an administrator lets them in, also when they are in a group",
			"name under accounts.role.user who is let in, or set DEFAULT_USER_ROLE=user")
	case a.DefaultRole == plan.RolePending:
		found.add(providers.OK, check, "new people are pending until a run gives them the role that accounts.role names", "")
	default:
		found.add(providers.OK, check, "new people are users at once", "")
	}
}

// checkCreates says whether accounts can be made before a first sign-in, and are found by
// that sign-in.
func (s *Session) checkCreates(ctx context.Context, found *findings) {
	const check = "accounts_create"
	var a adminWire
	known, err := s.setting(ctx, adminPath, &a)
	switch {
	case err != nil:
		found.failed(check, err)
		return
	case !known:
		found.add(providers.Warning, check, "whether the key may make accounts could not be read",
			"where ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS is on, let API_KEYS_ALLOWED_ENDPOINTS contain "+addPath)
	case !a.allows(addPath):
		found.add(providers.Failed, check, "the key may not make accounts, which accounts.create needs",
			"let API_KEYS_ALLOWED_ENDPOINTS contain "+addPath+", or write accounts.create: never")
	}
	var o oauthWire
	known, err = s.setting(ctx, oauthPath, &o)
	switch {
	case err != nil:
		found.failed(check, err)
	case !known || o.Merge == nil:
		found.add(providers.Warning, check, "whether a first sign-in finds the account that was made for it could not be read",
			"make sure that OAUTH_MERGE_ACCOUNTS_BY_EMAIL is true where people sign in through OAuth")
	case !*o.Merge:
		found.add(providers.Warning, check, "who has an account made beforehand cannot sign in through OAuth: their mail address counts as taken",
			"where people sign in through OAuth set OAUTH_MERGE_ACCOUNTS_BY_EMAIL=true, or write accounts.create: never")
	default:
		found.add(providers.OK, check, "a first sign-in takes over the account with the same mail address", "")
	}
}
