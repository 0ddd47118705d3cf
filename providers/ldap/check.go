package ldap

import (
	"context"
	"fmt"
	"slices"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// soon is how long before its end a certificate is reported.
const soon = 14 * 24 * time.Hour

// Check looks at every server, its certificate and paging, and at every base.
func (s *source) Check(ctx context.Context) []providers.Finding {
	ctx, end, err := s.begin(ctx)
	defer end()
	if err != nil {
		return []providers.Finding{failed("connection", err)}
	}
	var findings []providers.Finding
	looked := false
	for _, text := range s.config.URL {
		to, err := parseServer(text)
		if err == nil {
			var made *session
			if made, err = s.connectTo(ctx, to); err == nil {
				findings = append(findings, s.checkServer(ctx, made)...)
				if !looked {
					findings = append(findings, s.checkBases(ctx, made)...)
				}
				looked = true
				made.close()
				continue
			}
		}
		findings = append(findings, failed("connection", err))
	}
	return findings
}

func failed(check string, err error) providers.Finding {
	return providers.Finding{Level: providers.Failed, Check: check, Message: err.Error(), Remedy: fault.HintOf(err)}
}

func (s *source) checkServer(ctx context.Context, made *session) []providers.Finding {
	where := made.server.text
	findings := []providers.Finding{{Level: providers.OK, Check: "connection", Message: where + " answers and accepts the bind"}}
	if state := made.tls; state != nil && len(state.PeerCertificates) > 0 {
		until := state.PeerCertificates[0].NotAfter
		f := providers.Finding{Level: providers.OK, Check: "certificate", Message: fmt.Sprintf("the certificate of %s is valid until %s", where, until.UTC().Format(time.DateOnly))}
		if time.Until(until) < soon {
			f.Level, f.Remedy = providers.Warning, "renew the certificate of the server"
		}
		findings = append(findings, f)
	}
	root, err := made.entry(ctx, "", "(objectClass=*)", []string{"supportedControl"})
	switch {
	case err != nil:
		return append(findings, failed("paging", searchError(ctx, made.server, "read root entry", "users", "", err)))
	case root == nil || !slices.Contains(root.GetEqualFoldAttributeValues("supportedControl"), ldap.ControlTypePaging):
		return append(findings, providers.Finding{Level: providers.Warning, Check: "paging",
			Message: where + " does not announce paged results (" + ldap.ControlTypePaging + ")", Remedy: "without paged results no list can be read to a proved end: enable them on the server"})
	}
	return append(findings, providers.Finding{Level: providers.OK, Check: "paging", Message: where + " offers paged results"})
}

// checkBases looks whether each base exists and shows entries with the attributes
// that are needed.
func (s *source) checkBases(ctx context.Context, made *session) []providers.Finding {
	l := made.layout
	var findings []providers.Finding
	for _, base := range l.users.Base {
		findings = append(findings, s.checkBase(ctx, made, "users", base, l.users.Filter, []string{l.users.ID, l.users.Email, l.users.Username}))
	}
	for _, base := range l.groups.Base {
		findings = append(findings, s.checkBase(ctx, made, "groups", base, l.groups.Filter, []string{l.groups.ID, l.groups.Name}))
	}
	if l.users.Disabled != "" {
		_, err := made.ask(sample(l.users.Base[0], and(l.users.Filter, l.users.Disabled), []string{"1.1"}))
		if err != nil && code(err) != ldap.LDAPResultSizeLimitExceeded {
			findings = append(findings, failed("users.disabled", searchError(ctx, made.server, "search", "users", l.users.Base[0], err)))
		}
	}
	return findings
}

// sample asks for a few entries only.
func sample(base, filter string, attributes []string) *ldap.SearchRequest {
	q := request(query{base, ldap.ScopeWholeSubtree, filter, attributes})
	q.SizeLimit = 5
	return q
}

func (s *source) checkBase(ctx context.Context, made *session, block, base, filter string, attributes []string) providers.Finding {
	check := block + ".base"
	result, err := made.ask(sample(base, filter, attributes))
	if err != nil && code(err) != ldap.LDAPResultSizeLimitExceeded {
		return failed(check, searchError(ctx, made.server, "search", block, base, err))
	}
	if len(result.Entries) == 0 {
		return providers.Finding{Level: providers.Warning, Check: check, Message: fmt.Sprintf("no %s below %q with %s", block, base, filter),
			Remedy: "check " + block + ".base and " + block + ".filter, and what the account of bind.dn may see"}
	}
	for _, a := range attributes {
		if !slices.ContainsFunc(result.Entries, func(e *ldap.Entry) bool { return len(rawValues(e, a)) > 0 }) {
			return providers.Finding{Level: providers.Warning, Check: check, Message: fmt.Sprintf("the first %s below %q have no %s", block, base, a),
				Remedy: "correct the name of the attribute, or let the account of bind.dn read it"}
		}
	}
	return providers.Finding{Level: providers.OK, Check: check, Message: fmt.Sprintf("there are %s below %q", block, base)}
}
