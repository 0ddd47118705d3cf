package openwebui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// The pages of the server's settings that tell whether its own group sync is on. They
// hold secrets; only the fields named here are decoded.
const (
	oauthPath  = "/api/v1/auths/admin/config/oauth"
	ldapPath   = "/api/v1/auths/admin/config/ldap"
	serverPath = "/api/v1/auths/admin/config/ldap/server"
)

// adminPath is the page of the general settings.
const adminPath = "/api/v1/auths/admin/config"

type adminWire struct {
	DefaultRole string `json:"DEFAULT_USER_ROLE"`
	// Restricted says that keys may use the Allowed paths only.
	Restricted bool   `json:"ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS"`
	Allowed    string `json:"API_KEYS_ALLOWED_ENDPOINTS"`
}

type oauthWire struct {
	Roles   *bool  `json:"ENABLE_OAUTH_ROLE_MANAGEMENT"`
	Merge   *bool  `json:"OAUTH_MERGE_ACCOUNTS_BY_EMAIL"`
	Groups  *bool  `json:"ENABLE_OAUTH_GROUP_MANAGEMENT"`
	Create  bool   `json:"ENABLE_OAUTH_GROUP_CREATION"`
	Blocked string `json:"OAUTH_BLOCKED_GROUPS"`
}

type ldapWire struct {
	Enabled *bool `json:"ENABLE_LDAP"`
}

type ldapServerWire struct {
	Groups *bool `json:"enable_group_management"`
}

// BuiltInSync reports what in the server's own settings would fight us: at each
// sign-in its own group sync takes people out of every group that the sign-in does
// not name. Settings that cannot be read are reported too. The trusted groups header
// is set in the environment only and cannot be seen.
func (s *Session) BuiltInSync(ctx context.Context) ([]run.Problem, error) {
	problems := []run.Problem{}
	add := func(message, hint string) {
		problems = append(problems, run.Problem{Kind: run.KindCompeting, Message: message, Hint: hint})
	}
	version, err := s.running(ctx)
	if err != nil {
		return nil, err
	}
	var o oauthWire
	known, err := s.setting(ctx, oauthPath, &o)
	switch {
	case err != nil:
		return nil, err
	case !known || o.Groups == nil:
		add("whether Open WebUI's own OAuth group sync is on could not be read", unreadHint(version, oauthSettings, oauthPath, "ENABLE_OAUTH_GROUP_MANAGEMENT"))
	case *o.Groups:
		message := "Open WebUI's own OAuth group sync is on: at each sign-in it takes people out of every group that their claim does not name"
		if o.Create {
			message += ", and makes groups of its own"
		}
		add(message, "set ENABLE_OAUTH_GROUP_MANAGEMENT=false, or name the groups of groupsyncd in OAUTH_BLOCKED_GROUPS")
	}
	if p, on := roleSync(&o); on {
		problems = append(problems, p)
	}
	ldap, known, err := s.ldapGroups(ctx)
	switch {
	case err != nil:
		return nil, err
	case !known:
		add("whether Open WebUI's own LDAP group sync is on could not be read", unreadHint(version, ldapSettings, ldapPath, "ENABLE_LDAP_GROUP_MANAGEMENT"))
	case ldap:
		add("Open WebUI's own LDAP group sync is on: at each LDAP sign-in it takes people out of every group that memberOf does not name",
			"set ENABLE_LDAP_GROUP_MANAGEMENT=false; LDAP has no list of groups to leave alone")
	}
	return problems, nil
}

// Settings reads the settings that change what groups, roles and grants do. What this
// version does not show, or not to our key, stays unknown: so does always, where nothing is
// shared that could show it, whether administrators see everything, which stands in the
// server's environment only.
func (s *Session) Settings(ctx context.Context) (plan.Settings, error) {
	var out plan.Settings
	var a adminWire
	if _, err := s.setting(ctx, adminPath, &a); err != nil {
		return out, err
	}
	out.DefaultRole = a.DefaultRole
	var o oauthWire
	if _, err := s.setting(ctx, oauthPath, &o); err != nil {
		return out, err
	}
	out.RoleSync, out.MergeByEmail = o.Roles, o.Merge
	var err error
	out.AdminBypass, err = s.bypass(ctx)
	return out, err
}

// allows reports whether a key may use a path.
func (a *adminWire) allows(path string) bool {
	return !a.Restricted || slices.ContainsFunc(strings.Split(a.Allowed, ","), func(entry string) bool {
		entry = strings.TrimSpace(entry)
		return path == entry || strings.HasPrefix(path, entry+"/")
	})
}

// roleSync reports that the server sets roles itself, which fights us where we set them.
func roleSync(o *oauthWire) (run.Problem, bool) {
	if o.Roles == nil || !*o.Roles {
		return run.Problem{}, false
	}
	return run.Problem{
		Kind: run.KindCompeting,
		Message: "Open WebUI's own role sync is on: at each OAuth sign-in it sets the role by the claim, and to DEFAULT_USER_ROLE without one; " +
			"that matters where accounts.role, disabled or gone is configured here, and takes the role away from administrators whom the claim does not name",
		Hint: "set ENABLE_OAUTH_ROLE_MANAGEMENT=false where groupsyncd manages roles",
	}, true
}

// ldapGroups reports whether sign-in by LDAP is on and manages groups.
func (s *Session) ldapGroups(ctx context.Context) (on, known bool, err error) {
	var l ldapWire
	if known, err = s.setting(ctx, ldapPath, &l); err != nil || !known || l.Enabled == nil {
		return false, false, err
	}
	if !*l.Enabled {
		return false, true, nil
	}
	var w ldapServerWire
	if known, err = s.setting(ctx, serverPath, &w); err != nil || !known || w.Groups == nil {
		return false, false, err
	}
	return *w.Groups, true, nil
}

// setting reads a page of settings. It is unknown, without an error, when this
// version does not have it or the key may not read it.
func (s *Session) setting(ctx context.Context, path string, v any) (known bool, err error) {
	_, err = s.get(ctx, "read settings", path, v)
	if err == nil {
		return true, nil
	}
	if unreadable(err) {
		return false, nil
	}
	return false, err
}

// unreadable reports whether an error says that this version does not have something, or
// that our key may not read it.
func unreadable(err error) bool {
	if _, page := errors.AsType[*httpx.NotJSONError](err); page {
		return true
	}
	status, ok := statusOf(err)
	return ok && (status == http.StatusForbidden || status == http.StatusUnauthorized || status == http.StatusNotFound || status == http.StatusMethodNotAllowed)
}

// unreadHint says what to do where a setting cannot be read: in this version nobody can, or
// our key may not.
func unreadHint(version, feature, path, variable string) string {
	if !has(version, feature) {
		return fmt.Sprintf("make sure that %s is false: Open WebUI %s does not show it, versions from %s on do", variable, version, since(feature))
	}
	return fmt.Sprintf("make sure that %s is false; to have it checked, let API_KEYS_ALLOWED_ENDPOINTS contain /api/v1/auths/admin/config (asked: %s)", variable, path)
}

// statusOf gives the status behind an error of a request.
func statusOf(err error) (int, bool) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return 0, false
	}
	e, ok := errors.AsType[*httpx.StatusError](f.Err)
	if !ok {
		return 0, false
	}
	return e.Status, true
}
