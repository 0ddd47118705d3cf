package openwebui

import (
	"context"
	"fmt"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	"groupsyncd/providers"
)

// maxSkew is how far the server's clock may be from ours before doctor says so.
const maxSkew = time.Minute

// Expect is what the configuration expects of the target beside groups and accounts.
type Expect struct {
	// Watch: sign-ins are noticed by activity.
	Watch bool
	// Hooks are the event webhooks that should call us.
	Hooks []*EventHook
	// Sessions: a source reads stored sessions, of sign-ins through Provider; empty: any.
	Sessions bool
	Provider string
	// Permissions are the keys that groups are to have, Defaults those that everybody is.
	Permissions, Defaults permission.Set
	// LetsIn: directory groups give the role of a user, which lets in who is pending. Creates:
	// accounts are made before a first sign-in.
	LetsIn, Creates bool
	// Parents, DefaultModels, Revokes: the configuration asks for parents of groups, for default
	// models of groups, and for the end of the sign-in sessions of whoever becomes pending.
	Parents, DefaultModels, Revokes bool
	// Resources are the types of which somebody is granted something.
	Resources []string
}

// findings collects what doctor says.
type findings []providers.Finding

func (f *findings) add(level providers.Level, check, message, remedy string) {
	*f = append(*f, providers.Finding{Level: level, Check: check, Message: message, Remedy: remedy})
}

func (f *findings) failed(check string, err error) {
	f.add(providers.Failed, check, err.Error(), fault.HintOf(err))
}

// Check says what is wrong with the target, for doctor. It writes nothing.
func (c *Client) Check(ctx context.Context, expect Expect) []providers.Finding {
	s := c.Session()
	var found findings
	add, failed := found.add, found.failed

	if c.path != "" {
		add(providers.Warning, "url", "the url has the path "+c.path+"; Open WebUI by itself answers at the root of its address only",
			"leave the path out, unless a proxy in front takes it off")
	}
	v, err := s.version(ctx)
	if err != nil {
		failed("reachable", err)
		return found
	}
	add(providers.OK, "reachable", "Open WebUI "+v.Version+" answers", "")
	checkVersion(v.Version, &expect, &found)
	if date := s.http.LastDate(); !date.IsZero() {
		if skew := c.now().Sub(date); skew > maxSkew || skew < -maxSkew {
			add(providers.Warning, "clock", fmt.Sprintf("its clock is %s from ours", skew.Abs().Truncate(time.Second)),
				"let both hosts follow a time server")
		} else {
			add(providers.OK, "clock", "its clock agrees with ours", "")
		}
	}
	groups, err := s.listGroups(ctx)
	if err != nil {
		failed("api_key", err)
		return found
	}
	add(providers.OK, "api_key", fmt.Sprintf("the key is accepted; %d groups", len(groups)), "")
	w, err := s.usersPage(ctx, 1, "asc")
	if err != nil {
		failed("admin", err)
		return found
	}
	add(providers.OK, "admin", fmt.Sprintf("the key's account is an administrator; %d accounts", *w.Total), "")
	if len(groups) > 0 {
		if _, err := s.ReadGroup(ctx, groups[0].ID); err != nil && fault.KindOf(err) != fault.NotFound {
			failed("members", err)
		}
	}
	problems, err := s.BuiltInSync(ctx)
	if err != nil {
		failed("built_in_sync", err)
	}
	for _, p := range problems {
		add(providers.Warning, "built_in_sync", p.Message, p.Hint)
	}
	if err == nil && len(problems) == 0 {
		add(providers.OK, "built_in_sync", "Open WebUI's own group sync is off", "")
	}
	s.checkSharing(ctx, &expect, &found)
	if expect.Watch {
		s.checkActivity(ctx, &found)
	}
	if expect.Sessions {
		s.checkSessions(ctx, expect.Provider, &found)
	}
	s.checkPermissions(ctx, v.Version, expect, &found)
	s.checkEndpoints(ctx, &expect, &found)
	for _, h := range expect.Hooks {
		s.checkHook(ctx, h, &found)
	}
	return found
}
