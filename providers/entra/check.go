package entra

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/url"
	"os"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

const (
	// checkTime bounds all looks of doctor.
	checkTime = time.Minute
	// expiresSoon is how long before its end a credential is spoken of.
	expiresSoon = 30 * 24 * time.Hour
	// lookedAt is how many pages of groups doctor looks at, of 999 each.
	lookedAt = 3
)

// Check gets a token and reads a page of everything that a read needs.
func (s *source) Check(ctx context.Context) []providers.Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	f := &providers.Findings{}
	r := s.begin(nil, normal)
	s.checkCertificate(f)
	if _, err := s.grants.bearer(s.tokens.Bearer)(ctx, secret.Value{}); err != nil {
		f.Err("token", s.explain(err, ""))
		return f.List
	}
	if tid := s.grants.tid(); tid != "" {
		f.OK("token", "tenant %s gives access tokens to the application", tid)
	} else {
		f.Warn("token", "doctor finds out by requests what is missing", "there are access tokens, and what they permit cannot be read")
	}
	s.checkPermissions(f)
	r.checkUsers(ctx, f)
	r.checkGroups(ctx, f)
	if s.config.AssignedTo != "" {
		r.checkApplication(ctx, f)
	}
	r.checkSecret(ctx, f)
	return f.List
}

// checkPermissions names what was not granted, before a request is refused for it.
func (s *source) checkPermissions(f *providers.Findings) {
	needed := []permission{readMembers, readUsers}
	if s.config.AssignedTo != "" {
		needed = append(needed, readApplications)
	}
	for _, p := range needed {
		switch granted, known := s.grants.has(p); {
		case granted:
			f.OK("permission "+string(p), "is granted")
		case known:
			f.Fail("permission "+string(p), "add it under API permissions (Microsoft Graph, application permissions) and give admin consent", "is not granted")
		}
	}
}

func (r *reading) checkUsers(ctx context.Context, f *providers.Findings) {
	q := selecting(r.config.userProperties())
	q.Set("$top", "100")
	var p page
	if err := r.get(ctx, asking{op: "read users", need: readUsers, cost: 1, path: "/users", query: q}, &p); err != nil {
		f.Err("users", err)
		return
	}
	mails, statuses := 0, 0
	for _, o := range p.Value {
		u, _ := r.config.user(o, "", directory.User{}, false)
		if u.Email != "" {
			mails++
		}
		if u.StatusKnown {
			statuses++
		}
	}
	n := len(p.Value)
	switch {
	case n == 0:
		f.Warn("users", "is this the right tenant?", "there are none")
	case statuses == 0:
		f.Warn("users", "grant "+string(readUsers)+"; what less shows does not tell who is disabled", "none of %d users shows accountEnabled", n)
	case mails == 0:
		f.Warn("users", "set users.email: userPrincipalName if those are the addresses of your people", "none of %d users has %s", n, strings.Join(r.config.Users.Email, " or "))
	default:
		f.OK("users", "of %d users %d have a mail address", n, mails)
	}
}

func (r *reading) checkGroups(ctx context.Context, f *providers.Findings) {
	q := selecting([]string{"id", "displayName", "visibility"})
	q.Set("$top", "999")
	a := asking{op: "read groups", need: readMembers, cost: 1, path: "/groups", query: q}
	n, hidden, example := 0, 0, ""
	for page := 0; page < lookedAt && (page == 0 || a.next != ""); page++ {
		p, err := r.onePage(ctx, a)
		if err != nil {
			f.Err("groups", err)
			return
		}
		for _, o := range p.Value {
			n++
			if seen, _ := o.text("visibility"); strings.EqualFold(seen, "HiddenMembership") {
				hidden++
				example, _ = o.text("displayName")
			}
		}
		a.next = p.Next
	}
	more := ""
	if a.next != "" {
		more = " and more"
	}
	f.OK("groups", "there are %d groups%s", n, more)
	switch granted, _ := r.grants.has(readHidden); {
	case granted:
		f.OK("permission "+string(readHidden), "is granted")
	case hidden > 0 && r.config.AssignedTo == "":
		f.Warn("permission "+string(readHidden), "grant it, or show other groups by assigned_to; until then no read is complete",
			"is not granted, and the members of %d groups, such as %q, are hidden", hidden, example)
	default:
		f.OK("permission "+string(readHidden), "is not granted; only groups with hidden members need it")
	}
}

func (r *reading) onePage(ctx context.Context, a asking) (page, error) {
	var p page
	err := r.get(ctx, a, &p)
	return p, err
}

func (r *reading) checkApplication(ctx context.Context, f *providers.Findings) {
	app, err := r.application(ctx)
	if err != nil {
		f.Err("assigned_to", err)
		return
	}
	people := 0
	for i := range app.roles {
		people += len(app.roles[i].users)
	}
	switch {
	case len(app.groups) == 0 && (people == 0 || !r.config.shows(AppRoles)):
		f.Warn("assigned_to", "assign groups under Enterprise applications, Users and groups; people assigned by themselves need include: [app_roles]", "no group is assigned to %q", app.name)
	case people > 0 && !r.config.shows(AppRoles):
		f.Warn("assigned_to", "add app_roles to include, if they are meant", "%d groups are assigned to %q; %d people are assigned by themselves, and no group shows them", len(app.groups), app.name, people)
	default:
		f.OK("assigned_to", "%d groups and %d people are assigned to %q, which has %d app roles", len(app.groups), people, app.name, len(app.roles)-1)
	}
}

// checkCertificate looks at the end of our certificate.
func (s *source) checkCertificate(f *providers.Findings) {
	if s.config.Certificate == "" {
		return
	}
	ends, err := certificateEnd(string(s.config.Certificate))
	if err != nil {
		f.Err("certificate", fault.New(fault.Invalid, "read certificate", string(s.config.Certificate), err, "it has to be the PEM file that was uploaded to the application"))
		return
	}
	expiry(f, "certificate", ends, s.now())
}

func expiry(f *providers.Findings, check string, ends, now time.Time) {
	const remedy = "make a new one under Certificates & secrets before that, and put it in place of the old one: it is read anew without a restart"
	switch left := ends.Sub(now); {
	case left <= 0:
		f.Fail(check, remedy, "expired on %s", ends.UTC().Format(time.DateOnly))
	case left < expiresSoon:
		f.Warn(check, remedy, "expires on %s", ends.UTC().Format(time.DateOnly))
	default:
		f.OK(check, "is good until %s", ends.UTC().Format(time.DateOnly))
	}
}

func certificateEnd(file string) (time.Time, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, err
		}
		return c.NotAfter, nil
	}
	return time.Time{}, errors.New("there is no certificate in it")
}

// checkSecret looks at the end of our client secret, where we may see our registration.
func (r *reading) checkSecret(ctx context.Context, f *providers.Findings) {
	if r.config.ClientSecret.IsZero() {
		return
	}
	if granted, known := r.grants.has(readApplications); known && !granted {
		f.OK("client secret", "works; when it expires is shown to applications with %s only", readApplications)
		return
	}
	var o object
	err := r.get(ctx, asking{op: "read our registration", need: readApplications, cost: 1, path: "/applications(appId='" + url.PathEscape(r.config.ClientID) + "')", query: selecting([]string{"passwordCredentials"})}, &o)
	var list []object
	if err != nil || json.Unmarshal(o["passwordCredentials"], &list) != nil {
		f.OK("client secret", "works; when it expires cannot be seen")
		return
	}
	// Which of several secrets is ours is not told, so the first that ends is spoken of.
	var ends time.Time
	for _, one := range list {
		text, _ := one.text("endDateTime")
		if at, err := time.Parse(time.RFC3339, text); err == nil && at.After(r.now()) && (ends.IsZero() || at.Before(ends)) {
			ends = at
		}
	}
	if ends.IsZero() {
		f.OK("client secret", "works; when it expires cannot be seen")
		return
	}
	expiry(f, "client secret", ends, r.now())
}
