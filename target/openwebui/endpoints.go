package openwebui

import (
	"context"
	"slices"
	"strings"

	"groupsyncd/providers"
	"groupsyncd/sync/plan"
)

// Endpoints gives what API_KEYS_ALLOWED_ENDPOINTS must contain for all that the
// configuration asks of an Open WebUI of any version: an entry opens the path that it is
// and everything below it, and the server knows no narrower form for paths with an id.
//
//	what we do                                         paths
//	groups, members, permissions, marks                /api/v1/groups/, /create, /id/…
//	accounts, roles, sign-ins, stored sessions,        /api/v1/users/, /all, /ID, /ID/update,
//	    default permissions, ending sessions               /ID/oauth/sessions, /default/permissions …
//	whose key it is                                    /api/v1/users/user/status
//	accounts.create                                    /api/v1/auths/add
//	grants of each type, as configured                 /api/v1/TYPE/…, models also /api/models/base
//	event webhooks                                     /api/events, /api/events/webhooks
func Endpoints(e *Expect) []string {
	out := []string{"/api/v1/groups", "/api/v1/users"}
	if e.Creates {
		out = append(out, addPath)
	}
	for _, kind := range e.Resources {
		out = append(out, sharedPath(kind))
		if kind == plan.Models {
			out = append(out, offeredPath)
		}
	}
	if len(e.Hooks) > 0 {
		out = append(out, eventsPath)
	}
	return out
}

// FurtherEndpoints gives what is asked for beside that and may be refused: the settings, by
// which the server's own group sync is noticed, and what could be shared, by which the grants
// of a group are known that somebody deletes.
func FurtherEndpoints(e *Expect) []string {
	out := []string{adminPath}
	for _, kind := range plan.ResourceTypes() {
		if !slices.Contains(e.Resources, kind) {
			out = append(out, sharedPath(kind))
			if kind == plan.Models {
				out = append(out, offeredPath)
			}
		}
	}
	return out
}

func sharedPath(kind string) string { return "/api/v1/" + kind }

// checkEndpoints compares what a key may use there with what the configuration needs.
func (s *Session) checkEndpoints(ctx context.Context, e *Expect, found *findings) {
	const check = "endpoints"
	need := Endpoints(e)
	line := "API_KEYS_ALLOWED_ENDPOINTS=" + strings.Join(need, ",")
	noticed := "; with " + adminPath + " as well, Open WebUI's own group sync is noticed"
	var a adminWire
	known, err := s.setting(ctx, adminPath, &a)
	switch {
	case err != nil:
		found.failed(check, err)
		return
	case !known:
		found.add(providers.OK, check, "the shortest list for this configuration is "+line+noticed, "")
		return
	case !a.Restricted:
		found.add(providers.OK, check, "the key may use every path there; the shortest list for this configuration is "+line+noticed, "")
		return
	}
	var missing, spare []string
	for _, path := range need {
		if !a.allows(path) {
			missing = append(missing, path)
		}
	}
	wanted := append(slices.Clone(need), FurtherEndpoints(e)...)
	for entry := range strings.SplitSeq(a.Allowed, ",") {
		entry = strings.TrimSpace(entry)
		if entry != "" && !slices.ContainsFunc(wanted, func(path string) bool { return path == entry || strings.HasPrefix(entry, path+"/") }) {
			spare = append(spare, entry)
		}
	}
	switch {
	case len(missing) > 0:
		found.add(providers.Failed, check, "the key may not use "+strings.Join(missing, ", ")+", which this configuration needs", "set "+line+noticed)
	case len(spare) > 0:
		found.add(providers.OK, check, "the key may use all that this configuration needs, and also "+strings.Join(spare, ", ")+"; the shortest list is "+line+noticed, "")
	default:
		found.add(providers.OK, check, "the key may use what this configuration needs, and nothing else", "")
	}
}
