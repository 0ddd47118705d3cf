package openwebui

import (
	"context"
	"fmt"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// maxSkew is how far the server's clock may be from ours before doctor says so.
const maxSkew = time.Minute

// Check says what is wrong with the target, for doctor. It writes nothing.
func (c *Client) Check(ctx context.Context) []providers.Finding {
	s := c.Session()
	var found []providers.Finding
	add := func(level providers.Level, check, message, remedy string) {
		found = append(found, providers.Finding{Level: level, Check: check, Message: message, Remedy: remedy})
	}
	failed := func(check string, err error) { add(providers.Failed, check, err.Error(), fault.HintOf(err)) }

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
	return found
}
