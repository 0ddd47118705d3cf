package google

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

// checkTime bounds all looks of doctor at one source.
const checkTime = time.Minute

// findings gathers what doctor says.
type findings struct{ list []providers.Finding }

func (f *findings) ok(check, format string, args ...any) {
	f.list = append(f.list, providers.Finding{Level: providers.OK, Check: check, Message: fmt.Sprintf(format, args...)})
}

func (f *findings) warn(check, remedy, format string, args ...any) {
	f.list = append(f.list, providers.Finding{Level: providers.Warning, Check: check, Message: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (f *findings) fail(check string, err error) {
	f.list = append(f.list, providers.Finding{Level: providers.Failed, Check: check, Message: first(err), Remedy: fault.HintOf(err)})
}

// Check makes each kind of request that a read or a look-up makes, once.
func (s *source) Check(ctx context.Context) []providers.Finding {
	f := &findings{}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if !s.checkAccount(f) {
		return f.list
	}
	session := s.client.Session()
	people := s.checkUsers(ctx, session, f)
	if people == nil {
		return f.list
	}
	s.checkDeleted(ctx, session, f)
	s.checkGroups(ctx, session, f)
	if len(people) > 0 {
		s.checkLookUp(ctx, session, f, &people[0])
	}
	return f.list
}

// checkAccount says as whom we ask: the names under which the consoles of Google know us.
func (s *source) checkAccount(f *findings) bool {
	text, err := s.config.Credentials.Read()
	if err != nil {
		f.fail("credentials", fault.New(fault.KindOf(err), "read credentials", s.config.Credentials.String(), cause(err), fault.HintOf(err)))
		return false
	}
	var account struct {
		Type  string `json:"type"`
		Email string `json:"client_email"`
		ID    string `json:"client_id"`
	}
	const remedy = "take the JSON that Google Cloud console > IAM & Admin > Service accounts > Keys > Add key gives"
	if json.Unmarshal([]byte(text.Reveal()), &account) != nil || account.Type != "service_account" {
		hint := remedy
		if account.Type == "external_account" {
			hint = "workload identity federation is not supported: " + remedy
		}
		f.fail("credentials", fault.Errorf(fault.Invalid, "read credentials", s.config.Credentials.String(), "they are not those of a service account"))
		f.list[len(f.list)-1].Remedy = hint
		return false
	}
	as := "in its own name, with its own administrator role"
	if s.config.Subject != "" {
		as = "in the name of " + s.config.Subject + ", by domain-wide delegation"
	}
	f.ok("credentials", "%s (client id %s) asks %s", account.Email, account.ID, as)
	return true
}

// one reads the first page of a list, with a few rows.
func (s *source) one(ctx context.Context, session *httpx.Session, l listing) (*page, error) {
	l.query.Set("maxResults", "5")
	var p page
	if err := s.get(ctx, session, l.op, l.path, l.query, &p); err != nil {
		return nil, err
	}
	if p.Kind != l.kind {
		return nil, s.odd(l.op, "the answer is no %s", l.kind)
	}
	return &p, nil
}

// checkUsers reads some people; nil when it failed.
func (s *source) checkUsers(ctx context.Context, session *httpx.Session, f *findings) []user {
	p, err := s.one(ctx, session, s.users(false))
	if err != nil {
		f.fail("users", err)
		return nil
	}
	if len(p.Users) == 0 {
		f.warn("users", "check customer and domain", "the list of people can be read, and is empty")
		return []user{}
	}
	u := &p.Users[0]
	f.ok("users", "people of the customer %s can be read", u.CustomerID)
	if u.Suspended == nil {
		f.warn("status", "give the role the privilege Users > Read for the whole organisation", "whether %s is suspended is not shown: nobody of whom that is so counts as disabled", u.PrimaryEmail)
	}
	for name, field := range s.fields {
		if field.schema != "" && len(u.CustomSchemas) == 0 {
			f.warn("attributes", "check the name of the schema below Directory > Users > More options > Manage custom attributes", "%s has no custom attribute of %s, for %s", u.PrimaryEmail, field.schema, name)
		}
	}
	return p.Users
}

func (s *source) checkDeleted(ctx context.Context, session *httpx.Session, f *findings) {
	if _, err := s.one(ctx, session, s.users(true)); err != nil {
		f.warn("deleted people", fault.HintOf(err), "they cannot be read, so that who was deleted counts as gone only after safety.absence: %s", first(err))
		return
	}
	f.ok("deleted people", "those of the last 20 days can be read")
}

func (s *source) checkGroups(ctx context.Context, session *httpx.Session, f *findings) {
	p, err := s.one(ctx, session, s.groups())
	if err != nil {
		f.fail("groups", err)
		return
	}
	if len(p.Groups) == 0 {
		f.warn("groups", "check customer, domain and groups", "the list of groups can be read, and is empty")
		return
	}
	f.ok("groups", "groups can be read, such as %s", p.Groups[0].Email)
	if s.config.Groups != "" {
		f.ok("groups", "the query %s is Google's search, which may be up to 36 hours behind", s.config.Groups)
	}
	if _, err := s.one(ctx, session, s.members(p.Groups[0].ID)); err != nil {
		f.fail("members", err)
		return
	}
	f.ok("members", "members of groups can be read")
}

// checkLookUp asks for the groups of a person, as at a sign-in.
func (s *source) checkLookUp(ctx context.Context, session *httpx.Session, f *findings, u *user) {
	var again user
	q := url.Values{}
	q.Set("fields", "kind,"+s.shown(q))
	if err := s.get(ctx, session, "look up user", "/users/"+u.ID, q, &again); err != nil {
		f.fail("look-up", err)
		return
	}
	p, err := s.one(ctx, session, s.groupsWith(u.ID))
	if err != nil {
		f.fail("look-up", err)
		return
	}
	var names []string
	for i := range p.Groups {
		names = append(names, p.Groups[i].Email)
	}
	f.ok("look-up", "one person and their groups can be looked up (%s: %s)", u.PrimaryEmail, strings.Join(append(names, "…"), ", "))
}
