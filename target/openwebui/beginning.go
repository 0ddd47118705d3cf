package openwebui

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// SignInSettings are how an Open WebUI lets people sign in, as far as it says so to an
// administrator's key. Secrets that it shows beside them are not read.
type SignInSettings struct {
	Version string
	// Providers are the OAuth providers of the sign-in page, with their names for people.
	Providers map[string]string
	// LDAP is nil when sign-in by LDAP is off or its settings could not be read.
	LDAP *LDAPSettings
	// LDAPOffered says that the sign-in page offers LDAP, which anybody may know.
	LDAPOffered bool
	OAuth       *OAuthSettings
	DefaultRole string
	// Unread are the pages that this version does not have, or not for this key.
	Unread []string
	// Restricted says that the key may use some paths only.
	Restricted bool
}

// LDAPSettings are those of the sign-in by LDAP.
type LDAPSettings struct {
	Label, Host, Port       string
	TLS, Validate           bool
	CAFile                  string
	BindDN, Base, Filters   string
	Mail, Username, Groups  string
	MailDomain              string
	GroupSync, GroupsCreate bool
}

// OAuthSettings are those of the sign-in by OAuth: of the provider called oidc, and what
// holds for all of them.
type OAuthSettings struct {
	// Discovery is where the provider describes itself.
	Discovery, ClientID, Subject  string
	EmailClaim, NameClaim         string
	GroupClaim, RolesClaim        string
	AdminRoles, AllowedRoles      string
	Domains, Blocked              []string
	Merge, GroupSync, GroupCreate bool
	RoleSync                      bool
}

// plain is a setting in whichever form a version has it: a text, a number, a list of
// texts, null.
type plain string

func (p *plain) UnmarshalJSON(b []byte) error {
	var list []string
	var text string
	switch trimmed := bytes.TrimSpace(b); {
	case json.Unmarshal(trimmed, &text) == nil:
		*p = plain(text)
	case json.Unmarshal(trimmed, &list) == nil:
		*p = plain(strings.Join(list, ","))
	default:
		if n, err := strconv.ParseFloat(string(trimmed), 64); err == nil {
			*p = plain(strconv.FormatFloat(n, 'f', -1, 64))
		}
	}
	return nil
}

type ldapPageWire struct {
	Label    plain `json:"label"`
	Host     plain `json:"host"`
	Port     plain `json:"port"`
	TLS      *bool `json:"use_tls"`
	Validate *bool `json:"validate_cert"`
	CA       plain `json:"certificate_path"`
	BindDN   plain `json:"app_dn"`
	Base     plain `json:"search_base"`
	Filters  plain `json:"search_filters"`
	Mail     plain `json:"attribute_for_mail"`
	Username plain `json:"attribute_for_username"`
	Groups   plain `json:"attribute_for_groups"`
	Domain   plain `json:"default_email_domain"`
	Sync     bool  `json:"enable_group_management"`
	Create   bool  `json:"enable_group_creation"`
}

type oauthPageWire struct {
	Discovery plain `json:"OPENID_PROVIDER_URL"`
	ClientID  plain `json:"OAUTH_CLIENT_ID"`
	Subject   plain `json:"OAUTH_SUB_CLAIM"`
	Email     plain `json:"OAUTH_EMAIL_CLAIM"`
	Name      plain `json:"OAUTH_USERNAME_CLAIM"`
	Group     plain `json:"OAUTH_GROUP_CLAIM"`
	Roles     plain `json:"OAUTH_ROLES_CLAIM"`
	Admins    plain `json:"OAUTH_ADMIN_ROLES"`
	Allowed   plain `json:"OAUTH_ALLOWED_ROLES"`
	Domains   plain `json:"OAUTH_ALLOWED_DOMAINS"`
	Blocked   plain `json:"OAUTH_BLOCKED_GROUPS"`
	Merge     bool  `json:"OAUTH_MERGE_ACCOUNTS_BY_EMAIL"`
	Groups    bool  `json:"ENABLE_OAUTH_GROUP_MANAGEMENT"`
	Create    bool  `json:"ENABLE_OAUTH_GROUP_CREATION"`
	RoleSync  bool  `json:"ENABLE_OAUTH_ROLE_MANAGEMENT"`
}

type publicWire struct {
	OAuth struct {
		Providers map[string]plain `json:"providers"`
	} `json:"oauth"`
	Features struct {
		LDAP bool `json:"enable_ldap"`
	} `json:"features"`
}

// SignInSettings reads how people sign in there. It writes nothing. A key that is wrong or
// not an administrator's is an error; pages that this key or this version cannot show are
// listed.
func (c *Client) SignInSettings(ctx context.Context) (*SignInSettings, error) {
	s := c.Session()
	v, err := s.version(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.administers(ctx); err != nil {
		return nil, err
	}
	out := &SignInSettings{Version: v.Version, Providers: map[string]string{}}
	var w publicWire
	if _, err := c.open.Session().Do(ctx, httpx.Request{Method: http.MethodGet, Path: "/api/config", Op: "read sign-in providers", Into: &w, Repeat: true}); err != nil {
		return nil, hinted(err)
	}
	for name, shown := range w.OAuth.Providers {
		out.Providers[name] = string(shown)
	}
	out.LDAPOffered = w.Features.LDAP
	var a adminWire
	if err := s.page(ctx, out, adminPath, &a); err != nil {
		return nil, err
	}
	out.DefaultRole, out.Restricted = a.DefaultRole, a.Restricted
	if err := s.ldapPages(ctx, out); err != nil {
		return nil, err
	}
	return out, s.oauthPage(ctx, out)
}

// administers says whose key that is: nobody's, that of somebody who is no administrator,
// or one that may not be used for this.
func (s *Session) administers(ctx context.Context) error {
	_, err := s.usersPage(ctx, 1, "asc")
	if status, _ := statusOf(err); status != http.StatusUnauthorized {
		return err
	}
	if _, err := s.listGroups(ctx); err != nil {
		return err
	}
	return fault.New(fault.Auth, "read accounts", "target "+s.c.name, errors.New("the key works, and its account is not an administrator"),
		"make the key in Open WebUI under Settings, Account, signed in as an administrator")
}

// page reads one page of settings, or notes that it could not.
func (s *Session) page(ctx context.Context, out *SignInSettings, path string, v any) error {
	known, err := s.setting(ctx, path, v)
	if err == nil && !known {
		out.Unread = append(out.Unread, path)
	}
	return err
}

func (s *Session) ldapPages(ctx context.Context, out *SignInSettings) error {
	var l ldapWire
	if err := s.page(ctx, out, ldapPath, &l); err != nil {
		return err
	}
	if l.Enabled == nil || !*l.Enabled {
		return nil
	}
	w := &ldapPageWire{}
	before := len(out.Unread)
	if err := s.page(ctx, out, serverPath, w); err != nil || len(out.Unread) > before {
		return err
	}
	out.LDAP = &LDAPSettings{
		Label: string(w.Label), Host: string(w.Host), Port: string(w.Port), TLS: w.TLS == nil || *w.TLS, Validate: w.Validate == nil || *w.Validate,
		CAFile: string(w.CA), BindDN: string(w.BindDN), Base: string(w.Base), Filters: string(w.Filters), Mail: string(w.Mail),
		Username: string(w.Username), Groups: string(w.Groups), MailDomain: string(w.Domain), GroupSync: w.Sync, GroupsCreate: w.Create,
	}
	return nil
}

func (s *Session) oauthPage(ctx context.Context, out *SignInSettings) error {
	w := &oauthPageWire{}
	before := len(out.Unread)
	if err := s.page(ctx, out, oauthPath, w); err != nil || len(out.Unread) > before {
		return err
	}
	out.OAuth = &OAuthSettings{
		Discovery: string(w.Discovery), ClientID: string(w.ClientID), Subject: string(w.Subject), EmailClaim: string(w.Email), NameClaim: string(w.Name),
		GroupClaim: string(w.Group), RolesClaim: string(w.Roles), AdminRoles: string(w.Admins), AllowedRoles: string(w.Allowed),
		Domains: names(w.Domains), Blocked: names(w.Blocked), Merge: w.Merge, GroupSync: w.Groups, GroupCreate: w.Create, RoleSync: w.RoleSync,
	}
	return nil
}

// names reads a list that a version writes as JSON, with commas, or as a list.
func names(text plain) []string {
	var list []string
	if json.Unmarshal([]byte(text), &list) == nil {
		return list
	}
	for part := range strings.SplitSeq(string(text), ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
